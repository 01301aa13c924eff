// The figures: what is under the pointer, and the slider that moves the profiles.

// ---- panels: the lines that matplotlib drew, read back -----------------------------------
class Panel {
  constructor(svg) {
    this.svg = svg;
    this.live = JSON.parse(svg.dataset.live);
    this.title = svg.dataset.title;
    const [x, y, width, height] = this.live.box;
    const [left, right] = this.live.x, [low, high] = this.live.limits;
    this.xOf = (px) => left + ((px - x) / width) * (right - left);
    this.pxOf = (value) => x + ((value - left) / (right - left)) * width;
    this.yOf = (py) => low + ((y + height - py) / height) * (high - low);
    this.pyOf = (value) => y + height - ((value - low) / (high - low)) * height;
    this.lines = null;
  }

  // The lines as points [x, y, arm] of the drawing, read once and again after they have moved.
  read() {
    this.lines ??= $$("[data-arms]", this.svg).length ? this.through() : this.alone();
    return this.lines;
  }

  alone() {
    return $$("[data-arm]", this.svg).map((group) => {
      const number = Number(group.dataset.arm);
      return hidden.has(number) ? [] : spots(group).map(([x, y]) => [x, y, number]);
    }).filter((line) => line.length);
  }

  through() {
    const rails = Object.values(this.live.rails).map((place) => this.pyOf(place));
    const lines = [], marks = [], dots = [];
    for (const group of $$("[data-arm]", this.svg)) {
      const number = Number(group.dataset.arm);
      if (hidden.has(number)) continue;
      for (const [x, y] of spots(group)) {
        dots.push([x, y, number]);
        if (rails.some((rail) => Math.abs(rail - y) < 1)) marks.push([[x, y, number]]);
      }
    }
    for (const group of $$("[data-arms]", this.svg)) {
      const numbers = group.dataset.arms.split(" ").map(Number).filter((one) => !hidden.has(one));
      const points = $$("path[d]", group).filter((path) => !path.closest("defs")).flatMap(pointsOf);
      const nearer = (x) => (a, b) => (Math.abs(a[0] - x) <= Math.abs(b[0] - x) ? a : b);
      const own = dots.filter((dot) => numbers.includes(dot[2]));
      const near = (x) => own.reduce(nearer(x), [1e9, 0, numbers[0]])[2];
      if (points.length)
        lines.push(points.map(([x, y], i) =>
          [x, y, points.length === numbers.length ? numbers[i] : near(x)]));
    }
    return [...lines, ...marks];
  }

  nearest(px, py, reach) {
    let best = null, least = reach;
    for (const line of this.read())
      for (const point of line) {
        // Along x a reader aims at a column of points: the height decides among its lines.
        const distance = Math.hypot(2 * (point[0] - px), point[1] - py);
        if (distance < least) [least, best] = [distance, point];
      }
    return best ?? this.between(px, py, reach);
  }

  between(px, py, reach) {
    let best = null, least = reach;
    for (const line of this.read())
      for (let i = 1; i < line.length; i++) {
        const [a, b] = [line[i - 1], line[i]];
        if (!(px >= a[0] && px <= b[0])) continue;
        const share = b[0] === a[0] ? 0 : (px - a[0]) / (b[0] - a[0]);
        const distance = Math.abs(a[1] + share * (b[1] - a[1]) - py);
        if (distance < least) [least, best] = [distance, share < 0.5 ? a : b];
      }
    return best;
  }

  words([px, py, number]) {
    const arm = armOf.get(number);
    const rails = Object.entries(this.live.rails);
    const rail = rails.find(([, place]) => Math.abs(this.pyOf(place) - py) < 1);
    const size = valueOf(this.yOf(py), this.live.scale);
    const value = rail ? rail[0] : this.live.percent ? `${show(100 * size)} %` : show(size);
    const words = `${this.title}: ${value} ${this.where(this.xOf(px), arm)}`;
    return [arm?.label ?? this.strand(number), words];
  }

  strand(number) {
    const moved = number === this.live.moving && state.step;
    return moved ? `step ${data.steps[state.step - 1]}` : this.live.strands[number] ?? "";
  }

  where(x, arm) {
    const { kind, xKey } = this.live;
    if (kind === "depth") return `at ${xKey} ${arm?.values[xKey] ?? show(x)}`;
    if (kind === "share") return `at ${x.toFixed(2)} of the depth`;
    if (kind === "layer") return `in layer ${Math.round(x)}`;
    return `at step ${Math.round(x)}`;
  }
}

// The points of a path that was written as M, then l with differences, or M and L.
function pointsOf(path) {
  const points = [];
  let at = [0, 0];
  for (const [, letter, rest] of path.getAttribute("d").matchAll(/([MLl])([^MLlzZ]*)/g)) {
    const numbers = (rest.match(/-?(?:\d+\.?\d*|\.\d+)/g) ?? []).map(Number);
    for (let i = 0; i + 1 < numbers.length; i += 2) {
      const from = letter === "l" ? at : [0, 0];
      at = [from[0] + numbers[i], from[1] + numbers[i + 1]];
      points.push(at);
    }
  }
  return points;
}

function spots(group) {
  const seen = (element) => !(element.closest(".still") && element.closest(".moved")) &&
    !(element.matches(".bent") && !element.closest(".moved"));
  const paths = $$("path[d]", group).filter((path) => !path.closest("defs") && seen(path));
  const uses = $$("use", group).filter(seen);
  return [...paths.flatMap(pointsOf),
    ...uses.map((use) => [Number(use.getAttribute("x")), Number(use.getAttribute("y"))])];
}

// ---- the note beside the pointer ---------------------------------------------------------
const note = make("div", { id: "note", role: "status", "aria-live": "polite", hidden: "" });
document.body.append(note);

function tell(panel, found) {
  light(found ? found[2] : null);
  if (found) say(panel.svg, panel.words(found), found);
  else note.hidden = true;
}

// Shows a name and words beside a place [x, y] of a drawing.
function say(svg, [name, words], [x, y]) {
  note.hidden = false;
  note.replaceChildren(make("strong", {}, name), make("span", {}, words));
  const spot = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
  const wide = note.offsetWidth, right = document.documentElement.clientWidth;
  note.style.left = `${Math.max(4, Math.min(spot.x + 12, right - wide - 4))}px`;
  const above = spot.y - note.offsetHeight - 12;
  note.style.top = `${above > 4 ? above : spot.y + 14}px`;
}

function listen(panel) {
  const svg = panel.svg;
  const find = (event) => {
    const matrix = svg.getScreenCTM();
    if (!matrix) return null;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    return panel.nearest(at.x, at.y, NEAR / matrix.a);
  };
  let waiting = null;
  svg.addEventListener("pointermove", (event) => {
    if (!waiting) requestAnimationFrame(() => { tell(panel, find(waiting)); waiting = null; });
    waiting = event;
  });
  svg.addEventListener("pointerleave", () => { requestAnimationFrame(() => tell(panel, null)); });
  svg.addEventListener("click", (event) => {
    const found = find(event);
    if (found) pin(found[2]);
  });
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => walk(panel, event));
  svg.addEventListener("blur", () => tell(panel, null));
}

// Left and right go along a line, up and down from line to line, Enter keeps one lit.
const here = new WeakMap();
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
function walk(panel, event) {
  const move = MOVES[event.key];
  const lines = panel.read();
  const now = here.get(panel) ?? { line: 0, point: move ? -move[1] : 0 };
  if (event.key === "Enter" && here.has(panel)) pin(lines[now.line]?.[now.point]?.[2] ?? null);
  if (event.key === "Escape") tell(panel, null);
  if (!move || !lines.length) return;
  event.preventDefault();
  const line = (now.line + move[0] + lines.length) % lines.length;
  const point = Math.max(0, Math.min(now.point + move[1], lines[line].length - 1));
  here.set(panel, { line, point });
  tell(panel, lines[line][point]);
}

// ---- the slider: profiles at another step ------------------------------------------------
let codes = null; // of all series, once they are unpacked: middles and half widths

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

// Bytes → codes: low and high bytes of all middles, as differences along the layers, then the
// square roots of half the bands' widths.
function spread(buffer) {
  const bytes = new Uint8Array(buffer), count = bytes.length / 3;
  const middles = new Int16Array(count);
  for (let i = 0; i < count; i++) middles[i] = bytes[i] | (bytes[count + i] << 8);
  for (const series of data.series)
    for (const arm of series.arms)
      for (let row = 0; arm && row < data.steps.length; row++) {
        const from = arm.start + row * arm.layers;
        for (let i = from + 1; i < from + arm.layers; i++) middles[i] += middles[i - 1];
      }
  return { middles, halves: bytes.subarray(2 * count) };
}

function profile(panel, series, index) {
  const { start, layers } = series.arms[index];
  const from = start + (state.step - 1) * layers;
  const shown = panel.live.hidden ? Math.min(layers, arms[index].depth) : layers;
  return [codes.middles.subarray(from, from + shown), codes.halves.subarray(from, from + shown)];
}

function plot(panel, series, index, values) {
  const parts = [], marks = [];
  let open = false;
  values.forEach((code, i) => {
    const layer = i + 1;
    const x = panel.pxOf(panel.live.kind === "share" ? layer / arms[index].depth : layer);
    if (code <= NONE) {
      open = false;
      const rail = panel.live.rails[RAIL.get(code)];
      if (rail !== undefined) marks.push([x, panel.pyOf(rail)]);
      return;
    }
    const y = panel.pyOf(series.offset + series.unit * code);
    parts.push(`${open ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`);
    open = true;
  });
  for (const [x, y] of marks)
    parts.push(`M${(x - 2).toFixed(2)} ${y.toFixed(2)}L${(x + 2).toFixed(2)} ${y.toFixed(2)}`);
  return parts.join("");
}

function band(panel, series, index, middles, halves) {
  const edge = (sign) => [...middles].flatMap((code, i) => {
    if (code <= NONE) return [];
    const x = panel.pxOf(panel.live.kind === "share" ? (i + 1) / arms[index].depth : i + 1);
    const placed = series.offset + series.unit * (code + sign * halves[i] ** 2);
    return [`${x.toFixed(2)} ${panel.pyOf(placed).toFixed(2)}`];
  });
  const [low, high] = [edge(-1), edge(1).reverse()];
  return low.length > 1 && high.length > 1 ? `M${[...low, ...high].join("L")}Z` : "";
}

// The path of a group that the script may bend, with the look of what was drawn.
function pathOf(group) {
  const own = $("path.bent", group);
  if (own) return own;
  const drawn = $$("path[d]", group).find((path) => !path.closest("defs"));
  const model = drawn ?? $("use", group);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("class", `${model?.getAttribute("class") ?? ""} bent`);
  for (const child of [...group.children]) child.classList.add("still");
  const clip = model?.closest("[clip-path]")?.getAttribute("clip-path");
  if (clip) path.setAttribute("clip-path", clip);
  group.append(path);
  return path;
}

function bend(panel) {
  const series = data.series[panel.live.series];
  panel.svg.classList.add("moved");
  const bent = new Set();
  for (const group of $$("[data-arm],[data-band]", panel.svg)) {
    const number = Number(group.dataset.arm ?? group.dataset.band);
    const own = panel.live.moving;
    if (own !== null && number !== own) continue; // the other steps of the run stay
    const name = group.dataset.arm ? `arm ${number}` : `band ${number}`;
    const index = own !== null ? 0 : arms.findIndex((arm) => arm.number === number);
    if (bent.has(name) || index < 0 || !series.arms[index]) {
      for (const child of group.children) child.classList.add("still");
      continue;
    }
    bent.add(name);
    const [middles, halves] = profile(panel, series, index);
    const shape = group.dataset.arm
      ? plot(panel, series, index, middles)
      : band(panel, series, index, middles, halves);
    pathOf(group).setAttribute("d", shape);
  }
  panel.lines = null;
}

function straighten(panel) {
  panel.svg.classList.remove("moved");
  panel.lines = null;
}

// Place 0 of the slider is what was drawn: each figure at its own record.
async function moveTo(place) {
  state.step = place;
  const words = place ? `step ${data.steps[place - 1]}` : "as drawn";
  for (const output of $$("[data-step]")) output.textContent = words;
  for (const slider of $$("input[data-slider]")) {
    slider.value = String(place);
    slider.setAttribute("aria-valuetext", words);
  }
  if (place && !codes) codes = spread(await unpack(data.packed));
  if (state.step !== place) return;
  for (const panel of moving) {
    if (place) bend(panel);
    else straighten(panel);
    const told = $("[data-now]", panel.svg.closest("figure"));
    told.hidden = !place;
    const own = panel.live.strands[panel.live.moving];
    const now = own ? `The line of ${own} is now of ${words}.` : `Now at ${words}.`;
    told.textContent = place ? now : "";
  }
}
