// The heat maps: which cell is under the pointer, and what it holds.

class Grid {
  constructor(svg) {
    this.svg = svg;
    this.map = JSON.parse(svg.dataset.map);
    this.title = svg.dataset.title;
    const [x, y, width, height] = this.map.box;
    this.width = width / this.map.steps.length;
    this.height = height / this.map.layers;
    this.corner = (column, row) => [x + column * this.width, y + height - (row + 1) * this.height];
    this.at = (px, py) => {
      const column = Math.floor((px - x) / this.width);
      const row = Math.floor((y + height - py) / this.height);
      return this.has(column, row) ? [column, row] : null;
    };
    this.here = null;
  }

  has(column, row) {
    return column >= 0 && row >= 0 && column < this.map.steps.length && row < this.map.layers;
  }

  words(codes, column, row) {
    const { start, steps, layers, offset, unit, scale, output } = this.map;
    const code = codes[start + row * steps.length + column];
    const value = code === NONE ? "not recorded"
      : RAIL.get(code) ?? show(valueOf(offset + unit * code, scale));
    const layer = output && row + 1 === layers ? "the output layer" : `layer ${row + 1}`;
    return [`${this.title}: ${value}`, `in ${layer} at step ${steps[column]}`];
  }
}

let cells = null; // the codes of all maps, once they are asked for

// Low and high bytes of all cells → codes, each the sum of the differences in its row.
async function cellsOf() {
  const bytes = new Uint8Array(await unpack(data.maps)), count = bytes.length / 2;
  const codes = new Int16Array(count);
  for (let i = 0; i < count; i++) codes[i] = bytes[i] | (bytes[count + i] << 8);
  for (const { map } of grids)
    for (let row = 0; row < map.layers; row++) {
      const from = map.start + row * map.steps.length;
      for (let i = from + 1; i < from + map.steps.length; i++) codes[i] += codes[i - 1];
    }
  return codes;
}

async function point(grid, cell) {
  grid.here = cell;
  cells ??= cellsOf();
  const codes = await cells;
  if (grid.here !== cell) return;
  let frame = $("rect.cell", grid.svg);
  if (!cell) {
    frame?.remove();
    note.hidden = true;
    return;
  }
  if (!frame) {
    frame = document.createElementNS(SVG, "rect");
    frame.setAttribute("class", "cell");
    grid.svg.append(frame);
  }
  const [x, y] = grid.corner(...cell);
  const place = { x, y, width: grid.width, height: grid.height };
  for (const [name, value] of Object.entries(place)) frame.setAttribute(name, value.toFixed(2));
  say(grid.svg, grid.words(codes, ...cell), [x + grid.width / 2, y]);
}

// The pointer chooses a cell; by keyboard the arrows go from cell to cell.
function watch(grid) {
  const svg = grid.svg;
  const same = (cell) => String(cell) === String(grid.here);
  svg.addEventListener("pointermove", (event) => {
    const matrix = svg.getScreenCTM();
    if (!matrix) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    const cell = grid.at(at.x, at.y);
    if (!same(cell)) void point(grid, cell);
  });
  for (const name of ["pointerleave", "blur"])
    svg.addEventListener(name, () => { if (grid.here) void point(grid, null); });
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") void point(grid, null);
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    const [column, row] = grid.here ?? [-move[1], move[0]];
    const cell = [column + move[1], row - move[0]];
    if (grid.has(...cell)) void point(grid, cell);
  });
}
