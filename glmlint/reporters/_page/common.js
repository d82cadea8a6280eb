"use strict";
// What both pages need. Text of rows reaches the page as text nodes alone, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const words = data.words;
const byId = (id) => document.getElementById(id);
const say = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const comma = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");
const counted = (number) => data.mark + comma(number);

function element(tag, attributes, ...children) {
  const space = ["svg", "g", "rect", "line", "text", "circle", "clipPath", "title"].includes(tag);
  const made = space
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// As the other reports round: never 100% or 0% for what only comes near.
function percent(part, whole) {
  if (!whole) return "–";
  if (part === 0 || part === whole) return part ? "100%" : "0%";
  const told = ((part / whole) * 100).toFixed(1);
  if (Number(told) >= 100) return "99.9%";
  return Number(told) ? told + "%" : "<0.1%";
}

// Zigzag LEB128 in base64: two columns of equal length.
function unpacked(text) {
  const bytes = atob(text);
  const numbers = [];
  let value = 0;
  let scale = 1;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes.charCodeAt(at);
    value += (byte & 127) * scale;
    if (byte & 128) {
      scale *= 128;
    } else {
      numbers.push(value % 2 ? -(value + 1) / 2 : value / 2);
      value = 0;
      scale = 1;
    }
  }
  const half = numbers.length / 2;
  const at = numbers.slice(0, half);
  for (let place = 1; place < half; place++) at[place] += at[place - 1];
  return { at, number: numbers.slice(half) };
}

// The number of sorted places that are at most `limit`.
function upTo(places, limit) {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

// On paper stands what was assumed as well.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll(".assumed")) part.open = true;
});

// --- colours -----------------------------------------------------------------------------------

(() => {
  const button = byId("theme");
  const order = ["auto", "light", "dark"];
  let now = "auto";
  try {
    now = localStorage.getItem("glmlint-theme") || "auto";
  } catch {
    // a page from disk may have no storage: the choice lasts until it is closed
  }
  const set = (theme) => {
    now = order.includes(theme) ? theme : "auto";
    if (now === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
    button.textContent = { auto: "◐", light: "○", dark: "●" }[now];
    button.title = say("theme", { now: say("theme-" + now) });
    button.setAttribute("aria-label", button.title);
  };
  set(now);
  button.hidden = false;
  button.addEventListener("click", () => {
    set(order[(order.indexOf(now) + 1) % order.length]);
    try {
      localStorage.setItem("glmlint-theme", now);
    } catch {
      // as above
    }
  });
})();

// --- tokens ------------------------------------------------------------------------------------

const STATE = { s: "supervised", m: "masked", l: "lost-token", c: "cut", o: "only-here", b: "both-train" };

function textNodes(text) {
  const parts = [];
  text.split("\n").forEach((line, number) => {
    if (number) parts.push(element("span", { class: "nl", "aria-hidden": "true" }, "↵"), "\n");
    if (line) parts.push(line);
  });
  return parts;
}

// One cell: [text, id or ids, what is taught instead], or [text, null, number of tokens].
function tokenSpan(cell, state, extra = "") {
  const span = element("span", { class: "t " + state + extra }, ...textNodes(cell[0]));
  if (cell[1] !== null && cell.length > 2) {
    span.append(" ", element("span", { class: "label" }, "→ " + cell[2]));
  }
  return span;
}

const sizeOf = (cell) => (cell[1] === null ? cell[2] : Array.isArray(cell[1]) ? cell[1].length : 1);

function aboutToken(cell, place, all, state, kind) {
  const ids = cell[1] === null ? say("hidden-token") : say("token-id", { id: [].concat(cell[1]).join(" ") });
  const told = [
    say("token", { place: comma(place + 1), all: comma(all), text: JSON.stringify(cell[0]) }),
    ids,
    say(STATE[state]),
    kind,
  ];
  if (cell[1] !== null && cell.length > 2) told.push(say("token-teaches", { text: cell[2] }));
  return told.filter(Boolean).join(" · ");
}

// A box of tokens with a line that tells of the current one: mouse, touch and arrow keys.
function tokenReader(box, spans, tell) {
  const line = element("p", { class: "token-now", "aria-live": "polite" }, say("token-help"));
  let now = -1;
  const show = (place, focus) => {
    if (place < 0 || place >= spans.length) return;
    if (now >= 0) spans[now].removeAttribute("aria-current");
    now = place;
    spans[now].setAttribute("aria-current", "true");
    if (focus) spans[now].scrollIntoView({ block: "nearest" });
    line.textContent = tell(now);
  };
  const numbers = new Map(spans.map((span, place) => [span, place]));
  const find = (event) => numbers.get(event.target.closest(".t"));
  const onto = (event) => {
    const place = find(event);
    if (place === undefined) return;
    show(place, false);
    spans[place].title = line.textContent;
  };
  box.addEventListener("pointerover", onto);
  box.addEventListener("click", onto);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const target =
      event.key === "Home" ? 0 : event.key === "End" ? spans.length - 1 : step ? Math.max(now + step, 0) : null;
    if (target === null) return;
    event.preventDefault();
    event.stopPropagation();
    show(target, true);
  });
  return line;
}

function tokenLegend(states) {
  const line = element("p", { class: "token-legend" });
  for (const [state, key] of states) {
    line.append(element("span", {}, element("span", { class: "t " + state }, say(key))));
  }
  return line;
}
