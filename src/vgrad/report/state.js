// What all parts of the page's script share: its data, its state, and the rules that it makes.
// Texts go into the page as text only, never as markup.

const $ = (query, root = document) => root.querySelector(query);
const $$ = (query, root = document) => [...root.querySelectorAll(query)];
const data = JSON.parse($("#data").textContent);
const arms = data.arms;
const armOf = new Map(arms.map((arm) => [arm.number, arm]));
// The lines of one run, its steps and its curves: number → name. They are lit in the panels that
// have them, and arms in the others.
const strands = new Map($$("svg[data-strands]").flatMap((svg) =>
  Object.entries(JSON.parse(svg.dataset.live).strands).map(([n, name]) => [Number(n), name])));
const SVG = "http://www.w3.org/2000/svg";
const NAN = -32768, INF = -32767, MINUS_INF = -32766, ZERO = -32765, NONE = -32764;
const RAIL = new Map([[NAN, "NaN"], [INF, "∞"], [MINUS_INF, "−∞"], [ZERO, "0"]]);
const NEAR = 24; // pixels from the pointer to a line that is meant
const RESULT = "result."; // before a column's key that is none of a setting
const ROWS = 100; // of the table of runs that are made at a time

const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

// ---- the state, which lives in the address ----------------------------------------------
// off: the keys' values whose arms are hidden, as "key=value"; pin: the arm that stays lit.
const state = { off: new Set(), filter: "", sort: "", step: 0, pin: null, theme: "" };

function read() {
  const words = new URLSearchParams(location.hash.slice(1));
  state.off = new Set(words.getAll("off"));
  state.filter = words.get("filter") || "";
  state.sort = words.get("sort") || "";
  state.step = words.has("step") ? data.steps.indexOf(Number(words.get("step"))) + 1 : 0;
  const pin = words.has("pin") ? Number(words.get("pin")) : null;
  state.pin = armOf.has(pin) || strands.has(pin) ? pin : null;
  state.theme = ["dark", "light"].includes(words.get("theme")) ? words.get("theme") : "";
}

function write() {
  const words = new URLSearchParams();
  for (const word of state.off) words.append("off", word);
  if (state.filter) words.set("filter", state.filter);
  if (state.sort) words.set("sort", state.sort);
  if (state.step) words.set("step", data.steps[state.step - 1]);
  if (state.pin !== null) words.set("pin", state.pin);
  if (state.theme) words.set("theme", state.theme);
  const text = words.toString();
  if (text || location.hash.includes("=")) history.replaceState(null, "", `#${text}`);
}

// ---- rules of the style sheet that the state makes --------------------------------------
const sheet = document.styleSheets[0];
const placed = [sheet.cssRules.length, sheet.cssRules.length + 1];
for (const place of placed) sheet.insertRule("x-none{}", place);
const rule = (which, text) => {
  sheet.deleteRule(placed[which]);
  sheet.insertRule(text || "x-none{}", placed[which]);
};
const both = (number) => `[data-arm="${number}"],[data-band="${number}"]`;

// A line through the points of several arms goes through those that are shown.
function redraw(path) {
  path.points ??= pointsOf(path);
  path.drawn ??= path.getAttribute("d");
  const numbers = path.closest("[data-arms]").dataset.arms.split(" ").map(Number);
  const kept = path.points.filter((_, i) => !hidden.has(numbers[i]));
  if (kept.length === path.points.length || numbers.length !== path.points.length)
    path.setAttribute("d", numbers.every((number) => hidden.has(number)) ? "" : path.drawn);
  else if (!kept.length) path.setAttribute("d", "");
  else path.setAttribute("d", `M${kept.map((point) => point.join(" ")).join("L")}`);
}

const isHidden = (arm) => data.keys.some((key) => state.off.has(`${key}=${arm.values[key]}`));
let hidden = new Set();

function showArms() {
  hidden = new Set(arms.filter(isHidden).map((arm) => arm.number));
  rule(0, hidden.size ? `${[...hidden].map(both).join(",")}{display:none}` : "");
  for (const button of $$("#arms button[data-word]"))
    button.setAttribute("aria-pressed", String(!state.off.has(button.dataset.word)));
  for (const path of through) redraw(path);
  for (const panel of panels) panel.lines = null;
  const shown = arms.length - hidden.size;
  const count = $("#shown");
  if (count) count.textContent = shown === arms.length ? "" : `${shown} of ${arms.length} shown`;
}

let lit = null;
function light(number) {
  const wanted = number ?? state.pin;
  if (wanted === lit) return;
  lit = wanted;
  const own = strands.has(lit);
  const where = own ? `svg[data-strands~="${lit}"]` : ".panels svg:not([data-strands])";
  rule(1, lit === null ? "" : `${where} [data-arm]:not([data-arm="${lit}"]),` +
    `${where} [data-arms]:not([data-arms~="${lit}"]),` +
    `${where} [data-band]:not([data-band="${lit}"]){opacity:.1}`);
  for (const row of $$("tr.lit")) row.classList.remove("lit");
  if (lit !== null) $(`tr[data-row="${lit}"]`)?.classList.add("lit");
}

function pin(number) {
  state.pin = state.pin === number ? null : number;
  light(null);
  write();
}

// ---- numbers ----------------------------------------------------------------------------
function show(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0) return "0";
  return size >= 1e-3 && size < 1e4 ? String(+value.toPrecision(3)) : value.toExponential(1);
}
const valueOf = (placed, kind) =>
  kind === "log" ? 10 ** placed : kind === "signed" ? 2 * Math.sinh(placed * Math.LN10) : placed;
