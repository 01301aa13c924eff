// The tables, and the start: what the page shows stands in it already; the script lets the
// reader hide, move, sort and ask.

// ---- tables: sort and filter -------------------------------------------------------------
function keyOf(cell) {
  const text = cell?.dataset.value ?? cell?.textContent ?? "";
  const number = text.trim() === "" ? NaN : Number(text);
  return Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
  return typeof a === "number" ? -1 : 1;
}

function sortBy(table, word) {
  const [column, way] = word.split(":");
  const heads = $$("thead th", table);
  const place = heads.findIndex((head) => head.dataset.column === column);
  if (place < 0) return;
  heads.forEach((head, i) => head.setAttribute("aria-sort",
    i === place ? (way === "down" ? "descending" : "ascending") : "none"));
  const rows = $$("tbody tr", table).map((row) => [keyOf(row.cells[place]), row]);
  const sign = way === "down" ? -1 : 1;
  rows.sort((a, b) => (a[0] === "" || b[0] === "" ? 1 : sign) * compare(a[0], b[0]));
  $("tbody", table).append(...rows.map(([, row]) => row));
}

function sortable(table, changed) {
  for (const head of $$("thead th[data-column]", table)) {
    const button = make("button", { type: "button", class: "sort" }, ...head.childNodes);
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort");
      const first = head.classList.contains("number") ? "down" : "up";
      const other = first === "up" ? "down" : "up";
      const now = { ascending: "up", descending: "down" }[rising];
      changed(`${head.dataset.column}:${now === first ? other : first}`);
    });
  }
}

// Every word must be met: "relu" anywhere in the row, "depth=40", "accuracy>0.9" in a column;
// of a setting and a result of one name, as `loss`, the setting is meant: "result.loss<0.3".
function meets(row, word, columns) {
  const [, key, sign, wanted] = word.match(/^([^=<>!]+?)(!=|>=|<=|=|>|<)(.+)$/) ?? [];
  if (!sign) return row.textContent.toLowerCase().includes(word.toLowerCase());
  const low = key.toLowerCase(), names = columns.map((column) => column.toLowerCase());
  const place = [(name) => name === low, (name) => name === RESULT + low,
    (name) => name.startsWith(low), (name) => name.startsWith(RESULT + low)]
    .map((meant) => names.findIndex(meant)).find((found) => found >= 0);
  if (place === undefined) return false;
  const cell = row.cells[place];
  const value = keyOf(cell), number = Number(wanted);
  const same = wanted.toLowerCase().split(",").includes(String(value).toLowerCase());
  if (sign === "=") return same || wanted.split(",").some((one) => Number(one) === value);
  if (sign === "!=") return !same && number !== value;
  if (typeof value !== "number") return false;
  if (sign[0] === ">") return sign === ">=" ? value >= number : value > number;
  return sign === "<=" ? value <= number : value < number;
}

function filter(table, text, count) {
  const columns = $$("thead th", table).map((head) => head.dataset.column ?? "");
  const words = text.trim().split(/\s+/).filter(Boolean);
  const rows = $$("tbody tr", table);
  for (const row of rows) row.hidden = !words.every((word) => meets(row, word, columns));
  const left = rows.filter((row) => !row.hidden).length;
  if (count) count.textContent = words.length ? `${left} of ${rows.length}` : "";
}

// ---- every run: rows made from the packed table when they are asked for ------------------
async function fillRuns(box) {
  const told = JSON.parse(new TextDecoder().decode(await unpack(data.runs)));
  const table = $("table", box), body = $("tbody", table), input = $("input", box);
  let found = told.rows;
  const text = told.rows.map((row) => row.cells.join(" ").toLowerCase());
  const more = (count) => {
    const from = body.rows.length;
    for (const row of found.slice(from, from + count)) body.append(rowOf(row));
    $("button.more", box).hidden = body.rows.length >= found.length;
    $("output", box).textContent = `${body.rows.length} of ${found.length} runs listed`;
  };
  const rowOf = (row) => {
    const name = make("button", { type: "button", class: "plain" }, row.cells[0]);
    name.addEventListener("click", () => showRun(box, told, row));
    const cells = row.cells.slice(1).map((cell, i) =>
      make("td", told.numbers[i + 1] ? { class: "number" } : {}, cell));
    return make("tr", {}, make("th", { scope: "row" }, name), ...cells);
  };
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = told.rows.filter((_, i) => words.every((word) => text[i].includes(word)));
    body.replaceChildren();
    more(ROWS);
  });
  $("button.more", box).addEventListener("click", () => more(ROWS));
  more(ROWS);
}

function showRun(box, told, row) {
  const facts = (pairs) => make("dl", { class: "facts" }, ...pairs.map(([key, value]) =>
    make("div", {}, make("dt", {}, key), make("dd", {}, value))));
  const place = $(".one", box);
  place.hidden = false;
  place.replaceChildren(
    make("h3", { tabindex: "-1" }, row.cells[0]),
    make("pre", { tabindex: "0" }, make("code", {}, `${told.command} ${row.command}`.trim())),
    facts([...row.settings, ...told.settings]), facts([...row.about, ...told.about]));
  $("h3", place).focus();
  place.scrollIntoView({ block: "nearest" });
}

// ---- the page comes alive ----------------------------------------------------------------
const panels = $$("svg[data-live]").map((svg) => new Panel(svg));
const moving = panels.filter((panel) => Number.isInteger(panel.live.series));
const grids = $$("svg[data-map]").map((svg) => new Grid(svg));
const through = $$("[data-arms] path[d]").filter((path) => !path.closest("defs"));
const canUnpack = "DecompressionStream" in window;
const table = $("#verdicts"), search = $("#filter");

function showTheme() {
  if (state.theme) document.documentElement.dataset.theme = state.theme;
  else delete document.documentElement.dataset.theme;
  const system = matchMedia("(prefers-color-scheme: dark)").matches;
  const dark = state.theme ? state.theme === "dark" : system;
  const button = $("#theme");
  if (button) button.textContent = dark ? "Light" : "Dark";
  return dark;
}

function restore() {
  read();
  showTheme();
  showArms();
  light(null);
  if (table) {
    if (search) search.value = state.filter;
    filter(table, state.filter, $("#found"));
    if (state.sort) sortBy(table, state.sort);
  }
  if (canUnpack && moving.length) void moveTo(state.step);
}

function start() {
  for (const element of $$("[data-script]")) element.hidden = false;
  for (const panel of panels) listen(panel);
  if (canUnpack) for (const grid of grids) watch(grid);
  for (const button of $$("#arms button[data-word]"))
    button.addEventListener("click", () => {
      const word = button.dataset.word;
      if (!state.off.delete(word)) state.off.add(word);
      showArms();
      write();
    });
  $("#all")?.addEventListener("click", () => {
    state.off.clear();
    state.pin = null;
    light(null);
    showArms();
    write();
  });
  $("#theme")?.addEventListener("click", () => {
    state.theme = showTheme() ? "light" : "dark";
    showTheme();
    write();
  });
  if (!$("#arms button") && !(canUnpack && moving.length)) $("#arms")?.setAttribute("hidden", "");
  for (const slider of $$("input[data-slider]")) {
    slider.closest("[data-moves]").hidden = !(canUnpack && moving.length);
    slider.addEventListener("input", () => void moveTo(Number(slider.value)).then(write));
  }
  if (table) {
    sortable(table, (word) => { state.sort = word; sortBy(table, word); write(); });
    search?.addEventListener("input", () => {
      state.filter = search.value;
      filter(table, state.filter, $("#found"));
      write();
    });
    for (const row of $$("tbody tr[data-row]", table)) {
      const number = Number(row.dataset.row);
      row.addEventListener("pointerenter", () => light(number));
      row.addEventListener("pointerleave", () => light(null));
      row.addEventListener("click", () => pin(number));
    }
  }
  const box = $("#every-run");
  if (box && canUnpack) {
    box.hidden = false;
    box.addEventListener("toggle", () => { if (box.open) void fillRuns(box); }, { once: true });
  }
  window.addEventListener("hashchange", () => {
    if (location.hash.includes("=") || location.hash === "") restore();
  });
  restore();
}

start();
