
// --- lengths and the budget --------------------------------------------------------------------

(() => {
  const budget = data.budget;
  const place = byId("histogram");
  if (!budget) return;
  const lengths = unpacked(budget.lengths);
  const shortest = lengths.at[0];
  const longest = lengths.at[lengths.at.length - 1];
  const fewer = [0]; // samples up to each length, and their tokens
  const tokens = [0];
  lengths.number.forEach((number, at) => {
    fewer.push(fewer[at] + number);
    tokens.push(tokens[at] + number * lengths.at[at]);
  });
  const longer = (limit) => budget.samples - fewer[upTo(lengths.at, limit)];

  let kept = null;
  if (budget.places !== undefined) {
    const places = unpacked(budget.places);
    const before = [0];
    const height = [0];
    places.at.forEach((at, number) => {
      const width = number ? at - places.at[number - 1] : 0;
      before.push(before[number] + width * height[number]);
      height.push(height[number] + places.number[number]);
    });
    kept = (limit) => {
      const found = upTo(places.at, limit);
      return found ? before[found] + (limit - places.at[found - 1]) * height[found] : 0;
    };
  }
  const points = budget.points || null;
  // What a budget keeps: [budget, supervised tokens, samples that are cut].
  const counts = (limit) => {
    if (!points) return [limit, kept(limit), longer(limit)];
    const found = upTo(points.map((point) => point[0]), limit);
    const low = points[Math.max(found - 1, 0)];
    const high = points[Math.min(found, points.length - 1)];
    return limit - low[0] <= high[0] - limit ? low : high;
  };

  const cuts = budget.cuts;
  const suggested = [...document.querySelectorAll(".jump")].map((button) => Number(button.dataset.budget));
  const top = Math.max(2, longest, ...[data.own || 0, ...suggested].filter((one) => one < longest * 4));
  const bottom = Math.max(Math.min(shortest, data.own || shortest) - 1, 1);
  const low = Math.log(bottom);
  const high = Math.max(Math.log(top * 1.04), low + 0.1);
  let now = data.own || longest;

  const HEIGHT = 220;
  const FOOT = 24;
  const HEAD = 30;
  let width = 0;
  let handle = null;
  let clip = null;
  const x = (length) => ((Math.log(Math.max(length, 1)) - low) / (high - low)) * width;
  const inside = (value) => Math.min(Math.max(value, 0), width);

  // Bars of equal width on the logarithmic axis; edges are whole numbers, so thin ranges have fewer.
  function bins(number) {
    const edges = [];
    for (let step = 0; step <= number; step++) {
      const edge = Math.round(Math.exp(low + ((high - low) * step) / number));
      if (edge > (edges.length ? edges[edges.length - 1] : 0)) edges.push(edge);
    }
    if (edges[edges.length - 1] < longest) edges.push(longest);
    const found = [];
    let before = 0;
    for (const edge of edges) {
      const upto = fewer[upTo(lengths.at, edge)];
      const from = found.length ? found[found.length - 1].to : Math.max(bottom - 1, 0);
      found.push({ from, to: edge, number: upto - before });
      before = upto;
    }
    return found;
  }

  function ticks() {
    const found = [];
    for (let power = 1; power <= top * 2; power *= 2) {
      if (power >= bottom && power <= Math.exp(high)) found.push(power);
    }
    const room = Math.max(Math.floor(width / 56), 2);
    const step = Math.ceil(found.length / room);
    return found.filter((_, number) => (found.length - 1 - number) % step === 0);
  }

  function draw() {
    width = Math.max(place.clientWidth, 200);
    const bars = bins(Math.max(Math.min(Math.floor(width / 12), 64), 12));
    const most = Math.max(...bars.map((bar) => bar.number), 1);
    const floor = HEIGHT - FOOT;
    const svg = element("svg", {
      viewBox: `0 0 ${width} ${HEIGHT}`,
      role: "group",
      "aria-label": say("histogram-label", { low: counted(shortest), high: counted(longest) }),
    });
    clip = element("rect", { x: 0, y: 0, width: 0, height: HEIGHT });
    svg.append(element("clipPath", { id: "over" }, clip));
    for (const kind of ["fits", "over"]) {
      const group = element("g", {
        class: "bar-" + kind,
        "clip-path": kind === "over" ? "url(#over)" : null,
        "aria-hidden": "true",
      });
      for (const bar of bars) {
        if (!bar.number) continue;
        const left = inside(x(bar.from));
        const right = inside(x(bar.to));
        const size = Math.max((bar.number / most) * (floor - HEAD), 1.5);
        const rect = element("rect", {
          x: left.toFixed(2),
          y: (floor - size).toFixed(2),
          width: Math.max(right - left - 1, 1).toFixed(2),
          height: size.toFixed(2),
        });
        const told = { low: comma(bar.from + 1), high: comma(bar.to), n: comma(bar.number) };
        rect.append(element("title", {}, say("bar", told)));
        group.append(rect);
      }
      svg.append(group);
    }
    svg.append(element("line", { class: "axis", x1: 0, x2: width, y1: floor + 0.5, y2: floor + 0.5 }));
    for (const tick of ticks()) {
      const at = x(tick);
      const anchor = at < 20 ? "start" : at > width - 20 ? "end" : "middle";
      svg.append(element("text", { x: at, y: HEIGHT - 6, "text-anchor": anchor }, comma(tick)));
    }
    for (const one of suggested) {
      const at = inside(x(one));
      svg.append(element("line", { class: "suggest", x1: at, x2: at, y1: HEAD, y2: floor }));
    }
    if (cuts) {
      handle = element(
        "g",
        {
          class: "handle", id: "budget-line", role: "slider", tabindex: "0",
          "aria-orientation": "horizontal", "aria-label": say("budget-handle"),
          "aria-valuemin": 1, "aria-valuemax": top,
        },
        element("rect", { class: "grab", x: -14, y: 0, width: 28, height: HEIGHT }),
        element("line", { class: "rule-line", x1: 0, x2: 0, y1: HEAD - 6, y2: floor }),
        element("circle", { class: "grip", cx: 0, cy: HEAD - 4, r: 6 }),
        element("text", { class: "tag", x: 0, y: 12 }),
      );
      svg.append(handle);
      listen(svg);
    }
    place.replaceChildren(svg);
    if (cuts) show(now);
    else clip.setAttribute("width", 0);
  }

  const number = byId("budget-number");

  function show(limit, typed = false) {
    const [at, supervised, cut] = counts(Math.max(Math.round(limit), 1));
    now = at;
    const share = data.mark + percent(supervised, budget.supervised);
    byId("kept-share").textContent = share;
    byId("kept-of").textContent = say("of", { n: counted(supervised), all: counted(budget.supervised) });
    byId("tokens-lost").textContent = counted(budget.supervised - supervised);
    byId("samples-cut").textContent = counted(cut);
    byId("samples-of").textContent = say("part-of", { n: percent(cut, budget.samples), all: comma(budget.samples) });
    if (!typed) number.value = at;
    const left = inside(x(at));
    handle.setAttribute("transform", `translate(${left.toFixed(2)} 0)`);
    clip.setAttribute("x", left.toFixed(2));
    clip.setAttribute("width", Math.max(width - left, 0).toFixed(2));
    const tag = handle.querySelector(".tag");
    tag.textContent = comma(at);
    tag.setAttribute("text-anchor", left < 30 ? "start" : left > width - 30 ? "end" : "middle");
    handle.setAttribute("aria-valuemax", Math.max(top, at));
    handle.setAttribute("aria-valuenow", at);
    handle.setAttribute(
      "aria-valuetext",
      say("budget-value", { budget: comma(at), share, cut: counted(cut) }),
    );
  }

  function listen(svg) {
    const atPointer = (event) => {
      const box = svg.getBoundingClientRect();
      const part = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
      return Math.min(Math.round(Math.exp(low + part * (high - low))), top);
    };
    svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      handle.focus({ preventScroll: true });
      svg.setPointerCapture(event.pointerId);
      show(atPointer(event));
    });
    svg.addEventListener("pointermove", (event) => {
      if (svg.hasPointerCapture(event.pointerId)) show(atPointer(event));
    });
    handle.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 100 : 1;
      const steps = {
        ArrowRight: step, ArrowUp: step, ArrowLeft: -step, ArrowDown: -step,
        PageUp: Math.max(Math.round(now / 10), 1), PageDown: -Math.max(Math.round(now / 10), 1),
      };
      let wanted = null;
      if (event.key in steps) {
        const by = steps[event.key];
        wanted = Math.min(Math.max(now + by, 1), Math.max(top, now));
        if (points) {
          const found = points.findIndex((point) => point[0] === now);
          wanted = points[Math.min(Math.max(found + Math.sign(by), 0), points.length - 1)][0];
        }
      } else if (event.key === "Home") wanted = bottom;
      else if (event.key === "End") wanted = top;
      if (wanted === null) return;
      event.preventDefault();
      show(wanted);
    });
  }

  if (cuts) {
    byId("budget").hidden = false;
    number.addEventListener("input", () => {
      const wanted = Number(number.value);
      if (Number.isInteger(wanted) && wanted > 0) show(wanted, true);
    });
    number.addEventListener("change", () => show(now));
    const own = byId("budget-own");
    const budgetNow = data.own || longest;
    own.textContent = say("this-run-is", { budget: data.own ? comma(data.own) : say("no-limit") });
    own.addEventListener("click", () => show(budgetNow));
    for (const button of document.querySelectorAll(".jump")) {
      button.addEventListener("click", () => show(Number(button.dataset.budget)));
    }
  }
  draw();
  let known = width;
  new ResizeObserver(() => {
    if (place.clientWidth && Math.abs(place.clientWidth - known) > 1) {
      known = place.clientWidth;
      draw();
    }
  }).observe(place);
})();

// --- findings ----------------------------------------------------------------------------------

const SEVERITIES = ["error", "warning", "info"];
const PAGE = 200;

const findings = data.findings.map((columns, number) => {
  const [rule, severity, path, line, column, pointer, message, help, fixable, rows, excerpt, row, owner] = columns;
  return {
    id: "f-" + (number + 1), number, rule, severity, path, line, column, pointer, fixable, rows, excerpt, row, owner,
    family: data.rules[rule],
    message: data.texts[message],
    help: data.texts[help],
    file: data.paths[path],
  };
});

function placeOf(finding) {
  return [finding.file, finding.line, finding.column].filter((part) => part !== null).join(":");
}

function tokenView(finding) {
  const parts = [];
  if (finding.row < 0) {
    if (finding.line === null) return parts;
    const again = !data.once.includes(finding.path);
    const place = `${finding.file}:${finding.line}`;
    return [element("p", { class: "note" }, say(again ? "no-view" : "no-view-input", { place }))];
  }
  const row = data.rows[finding.row];
  parts.push(element("h3", {}, say("tokens-of", { line: comma(row.l) })));
  if (row.e) parts.push(element("p", {}, row.e));
  if (!row.n) return parts;
  const told = { n: counted(row.n), s: counted(row.s), x: counted(row.x) };
  parts.push(element("p", { class: "hint" }, say("token-counts", told)));
  const box = element("div", { class: "tokens", tabindex: "0", role: "group", "aria-label": say("token-counts", told) });
  const spans = [];
  const about = [];
  const used = new Set();
  let done = 0;
  let cut = false;
  let labels = false;
  for (const [before, cellText, runText, heads] of row.g) {
    if (before > done) box.append(element("span", { class: "gap" }, say("gap", { n: comma(before - done) })));
    done = before;
    const numbers = cellText.split(" ").map((text) => parseInt(text, 36));
    const turns = new Map(heads.map(([at, owner, role]) => [at, [owner, role]]));
    let at = 0;
    for (const run of runText.split(" ")) {
      const state = run[0];
      const kind = data.kinds[run.charCodeAt(1) - 97];
      for (let left = parseInt(run.slice(2), 36); left > 0; left--, at++) {
        const turn = turns.get(at);
        if (turn) {
          const [owner, role] = turn;
          const here = owner >= 0 && owner === finding.owner;
          const name = owner >= 0 ? `${owner} ${role}` : say("prefix");
          box.append(element("span", { class: here ? "turn here" : "turn", dir: "auto" }, name));
        }
        if (row.b && !cut && "lc".includes(state)) {
          cut = true;
          box.append(element("span", { class: "cutline" }, say("budget-line", { budget: comma(data.own) })));
        }
        const cell = data.cells[numbers[at]];
        const span = tokenSpan(cell, state);
        labels = labels || (cell[1] !== null && cell.length > 2);
        used.add(state);
        spans.push(span);
        about.push([cell, done, state, kind]);
        box.append(span);
        done += sizeOf(cell);
      }
    }
  }
  if (done < row.n) box.append(element("span", { class: "gap" }, say("gap", { n: comma(row.n - done) })));
  const states = [["s", "supervised"], ["m", "masked"], ["l", "lost-token"], ["c", "cut"]];
  parts.push(tokenLegend(states.filter(([state]) => used.has(state))), box);
  parts.push(
    tokenReader(box, spans, (number) => {
      const [cell, place, state, kind] = about[number];
      return aboutToken(cell, place, row.n, state, kind);
    }),
  );
  parts.push(element("p", { class: "note" }, say("stop-note") + (labels ? " " + say("other-label-note") : "")));
  return parts;
}

function panelOf(finding) {
  const panel = element("div", { class: "panel", id: finding.id + "-panel", role: "region", "aria-label": finding.rule });
  const meta = element("p", { class: "meta" }, element("code", { dir: "auto" }, placeOf(finding)));
  if (finding.pointer) meta.append(element("code", { dir: "auto" }, finding.pointer));
  if (finding.rows > 1) meta.append(element("span", {}, say("row-count", { n: comma(finding.rows) })));
  meta.append(
    element("span", {}, say("family-" + finding.family)),
    element("a", { href: "#rule-" + finding.rule }, say("about-rule", { rule: finding.rule })),
    element("a", { href: "#" + finding.id }, say("link")),
  );
  panel.append(meta);
  if (finding.help) {
    panel.append(element("h3", {}, say("advice")), element("p", { dir: "auto" }, ...inCode(finding.help)));
  }
  if (finding.excerpt) {
    const [before, text, after] = finding.excerpt;
    panel.append(
      element("h3", {}, say("excerpt")),
      element("p", { class: "excerpt", dir: "auto" }, before, element("mark", {}, text), after),
    );
  }
  panel.append(...tokenView(finding));
  return panel;
}

// What stands between backticks is a command or a key.
function inCode(text) {
  const code = (part) => element("code", { class: part.length < 30 ? "short" : null }, part);
  return text.split("`").map((part, number) => (number % 2 ? code(part) : part));
}

function itemOf(finding) {
  const level = SEVERITIES[finding.severity];
  const told = element(
    "span",
    { class: "told" },
    element("span", { class: "name" }, finding.rule),
    finding.fixable ? element("span", { class: "tag-fix" }, say("fix-yes")) : null,
    element("span", { class: "said", dir: "auto" }, ...inCode(finding.message)),
  );
  const where = element("span", { class: "where" }, element("bdi", {}, placeOf(finding)));
  const button = element(
    "button",
    { type: "button", "aria-expanded": "false", "aria-controls": finding.id + "-panel" },
    element("span", { class: "level " + level }, say("severity-" + level)),
    where,
    told,
  );
  const item = element("li", { class: "finding", id: finding.id }, button);
  button.addEventListener("click", () => toggle(item, finding));
  return item;
}

function toggle(item, finding, wanted = !("open" in item.dataset)) {
  const button = item.firstElementChild;
  if (wanted === "open" in item.dataset) return;
  button.setAttribute("aria-expanded", String(wanted));
  if (wanted) {
    item.dataset.open = "";
    item.append(panelOf(finding));
    const box = item.querySelector(".tokens");
    const here = item.querySelector(".turn.here");
    if (here) box.scrollTop = here.offsetTop - box.offsetTop - 8;
  } else {
    delete item.dataset.open;
    item.lastElementChild.remove();
  }
}

(() => {
  const form = byId("filters");
  if (!form) return;
  const list = byId("list");
  const more = byId("more");
  const search = byId("search");
  const chosen = {};
  const haystacks = findings.map((finding) =>
    [finding.rule, placeOf(finding), finding.pointer, finding.message, finding.help, ...(finding.excerpt || [])]
      .join("\n")
      .toLowerCase(),
  );

  function options(id, entries, all = true) {
    const select = byId(id);
    if (all) select.append(element("option", { value: "" }, say("all")));
    for (const [value, label, number] of entries) {
      const told = number === undefined ? label : `${label} (${comma(number)})`;
      select.append(element("option", { value }, told));
    }
    select.parentElement.hidden = all && entries.length < 2;
    chosen[id] = select;
  }
  function tally(key, label) {
    const numbers = new Map();
    for (const finding of findings) numbers.set(finding[key], (numbers.get(finding[key]) || 0) + 1);
    return [...numbers].map(([value, number]) => [String(value), label(value), number]);
  }
  const byName = (one, other) => (one[1] < other[1] ? -1 : 1);
  options("by-severity", tally("severity", (value) => say("severity-" + SEVERITIES[value])).sort());
  options("by-rule", tally("rule", (value) => value).sort(byName));
  options("by-family", tally("family", (value) => say("family-" + value)).sort(byName));
  options("by-file", tally("path", (value) => data.paths[value]));
  options("by-fix", tally("fixable", (value) => say(value ? "fix-yes" : "fix-no")).sort().reverse());
  options("sort", ["severity", "place", "rule", "rows"].map((key) => [key, say("sort-" + key)]), false);

  const orders = {
    severity: (a, b) => a.severity - b.severity || a.number - b.number,
    place: (a, b) => a.number - b.number,
    rule: (a, b) => (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : a.number - b.number),
    rows: (a, b) => b.rows - a.rows || a.number - b.number,
  };
  const keys = { "by-severity": "severity", "by-rule": "rule", "by-family": "family", "by-file": "path", "by-fix": "fixable" };
  let found = [];
  let drawn = 0;

  function drawMore(upto = drawn + PAGE) {
    const items = found.slice(drawn, upto).map(itemOf);
    list.append(...items);
    drawn += items.length;
    more.hidden = drawn >= found.length;
    more.textContent = say("more", { n: comma(Math.min(PAGE, found.length - drawn)) });
    return items[0];
  }
  function update() {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    found = findings.filter(
      (finding) =>
        wanted.every((word) => haystacks[finding.number].includes(word)) &&
        Object.entries(keys).every(([id, key]) => !chosen[id].value || String(finding[key]) === chosen[id].value),
    );
    found.sort(orders[chosen.sort.value]);
    list.replaceChildren();
    drawn = 0;
    drawMore();
    byId("count").textContent = say("shown", { n: comma(found.length), all: comma(findings.length) });
    byId("none-match").hidden = found.length > 0;
    byId("reset").hidden = !(search.value || Object.keys(keys).some((id) => chosen[id].value));
  }
  function reset() {
    search.value = "";
    for (const id of Object.keys(keys)) chosen[id].value = "";
    update();
  }
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(update, 80);
  });
  for (const select of Object.values(chosen)) select.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("reset").addEventListener("click", reset);
  more.addEventListener("click", () => drawMore()?.firstElementChild.focus());

  // #f-12 opens that finding, whatever the filters; #rule-name its explanation.
  function follow() {
    const id = location.hash.slice(1);
    const rule = id.startsWith("rule-") && byId(id);
    if (rule) {
      rule.open = true;
      rule.scrollIntoView();
      return;
    }
    const finding = findings.find((one) => one.id === id);
    if (!finding) return;
    if (!found.includes(finding)) reset();
    if (!byId(id)) drawMore(found.indexOf(finding) + 1);
    const item = byId(id);
    toggle(item, finding, true);
    item.scrollIntoView();
    item.firstElementChild.focus({ preventScroll: true });
  }

  function step(by) {
    const buttons = [...list.querySelectorAll(".finding > button")];
    const here = document.activeElement?.closest?.(".finding");
    const now = here ? buttons.indexOf(here.firstElementChild) : -1;
    if (now + by >= buttons.length && !more.hidden) {
      drawMore()?.firstElementChild.focus();
      return;
    }
    const next = buttons[Math.min(Math.max(now + by, 0), buttons.length - 1)];
    if (!next) return;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape") {
      const item = event.target.closest(".finding");
      if (item) {
        toggle(item, findings[Number(item.id.slice(2)) - 1], false);
        item.firstElementChild.focus();
      } else if (event.target === search) {
        if (search.value) {
          search.value = "";
          update();
        } else search.blur();
      }
      return;
    }
    if (typing) return;
    if (event.key === "/") {
      event.preventDefault();
      search.focus();
    } else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
  });

  form.hidden = false;
  byId("keys").hidden = false;
  update();
  follow();
  addEventListener("hashchange", follow);
  // On paper stands the whole list.
  addEventListener("beforeprint", () => drawMore(found.length));
})();
