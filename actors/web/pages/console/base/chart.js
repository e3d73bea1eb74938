/** Small charts in SVG. Colours and sizes are those of the style sheets. */

const NS = "http://www.w3.org/2000/svg";
const GAP = 5; // seconds without a sample, over which no line is drawn

function svg(tag, attributes = {}) {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** A line over the last `span` seconds. Without `label` it is a decoration: the number beside it says the same. */
export class Chart {
  #line = svg("path", { class: "line" });
  #area = svg("path", { class: "area" });
  #span;

  constructor({ span = 120, label = "", className = "chart" } = {}) {
    this.#span = span;
    this.node = svg("svg", { class: className, viewBox: `0 0 ${span} 30`, preserveAspectRatio: "none" });
    if (label) this.node.setAttribute("role", "img");
    else this.node.setAttribute("aria-hidden", "true");
    this.node.append(this.#area, this.#line);
  }

  /** `points`: [seconds, value or null], in order; the last one is now. `label`: the same in words. */
  show(points, label = "") {
    if (label) this.node.setAttribute("aria-label", label);
    const top = Math.max(1e-9, ...points.map(([, value]) => value ?? 0));
    const now = points.at(-1)?.[0] ?? 0;
    const runs = runsOf(points).map((run) =>
      run.map(([at, value]) => [round(this.#span - (now - at)), round(28 - (26 * value) / top)]),
    );
    put(this.#line, runs.map((run) => `M${run.map((point) => point.join(" ")).join("L")}`).join(""));
    put(this.#area, runs.map(areaOf).join(""));
  }
}

/** The points that belong together: without nulls and gaps. */
function runsOf(points) {
  const runs = [];
  let before = -Infinity;
  for (const point of points) {
    if (point[1] === null || point[1] === undefined) continue;
    if (point[0] - before > GAP) runs.push([]);
    runs.at(-1).push(point);
    before = point[0];
  }
  return runs;
}

const areaOf = (run) => `M${run[0][0]} 30L${run.map((point) => point.join(" ")).join("L")}L${run.at(-1)[0]} 30Z`;

const round = (number) => Math.round(number * 10) / 10;

function put(path, data) {
  if (path.getAttribute("d") !== data) path.setAttribute("d", data);
}
