
// --- two sides of a row ------------------------------------------------------------------------

(() => {
  const place = byId("compared");
  if (!place) return;
  const select = byId("against");
  data.labels.slice(1).forEach((label, number) => {
    select.append(element("option", { value: number }, label));
  });
  byId("choose").hidden = data.labels.length < 3;
  byId("legend").append(
    tokenLegend([["s", "both-train"], ["o", "only-here"], ["m", "not-trained"], ["m x", "only-input"]]),
  );

  // Letters of runs: b both train it, o this side alone, m not trained; capitals: no such token there.
  function spansOf(side, letters) {
    const numbers = side.c ? side.c.split(" ").map((text) => parseInt(text, 36)) : [];
    const spans = [];
    const about = [];
    let done = 0;
    for (const run of letters ? letters.split(" ") : []) {
      const letter = run[0].toLowerCase();
      const extra = run[0] === letter ? "" : " x";
      for (let left = parseInt(run.slice(1), 36); left > 0; left--) {
        const cell = data.cells[numbers[spans.length]];
        spans.push(tokenSpan(cell, letter === "b" ? "s" : letter, extra));
        about.push([cell, done, letter, extra ? say("only-input") : ""]);
        done += sizeOf(cell);
      }
    }
    return { spans, about };
  }

  function lettersOf(side) {
    return side.c ? "m" + side.c.split(" ").length.toString(36) : "";
  }

  function draw() {
    const other = Number(select.value) + 1;
    const parts = data.rows.map((row, number) => {
      const sides = [row.s[0], row.s[other]];
      const aligned = row.a[other - 1];
      const letters = aligned ? [aligned[1], aligned[2]] : sides.map(lettersOf);
      const made = sides.map((side, at) => spansOf(side, letters[at]));
      const grid = element("div", { class: "sides" });
      [data.labels[0], data.labels[other]].forEach((label) => {
        grid.append(element("div", { class: "head", dir: "auto" }, label));
      });
      const bands = aligned ? aligned[0] : [[0, made[0].spans.length, 0, made[1].spans.length]];
      for (const [a, b, c, d] of bands) {
        [[0, a, b], [1, c, d]].forEach(([at, from, to]) => {
          const box = element("div", { class: "tokens" }, ...made[at].spans.slice(from, to));
          if (sides[at].e !== undefined) box.append(say("row-left-out", { why: sides[at].e }));
          grid.append(box);
        });
      }
      const all = made[0].spans.concat(made[1].spans);
      const about = made[0].about.concat(made[1].about);
      grid.tabIndex = 0;
      grid.setAttribute("role", "group");
      grid.setAttribute("aria-label", row.p);
      const line = tokenReader(grid, all, (at) => {
        const [cell, before, state, kind] = about[at];
        const side = sides[at < made[0].spans.length ? 0 : 1];
        return aboutToken(cell, before, side.n, state, kind);
      });
      const article = element("article", { id: "r-" + (number + 1) });
      article.append(element("h3", { dir: "auto" }, row.p), grid, line);
      if (row.cut) article.append(element("p", { class: "note" }, say("aligned-part", { n: comma(row.cut) })));
      return article;
    });
    place.replaceChildren(...parts);
  }
  select.addEventListener("change", draw);
  draw();
})();
