/** Plane geometry of the map: the view transform, what lies in a lasso, what lies under the cursor. */

export type Point = readonly [number, number];

/**
 * Where the map's plane lies on the screen: pixels = (point - center) * scale + half the canvas, y upwards, and the
 * horizontal scale is `stretch` times the vertical one.
 */
export interface Camera {
  x: number;
  y: number;
  scale: number;
  stretch: number;
}

export interface Size {
  width: number;
  height: number;
}

export const toScreen = ([x, y]: Point, camera: Camera, size: Size): Point => [
  (x - camera.x) * camera.scale * camera.stretch + size.width / 2,
  size.height / 2 - (y - camera.y) * camera.scale,
];

export const toPlane = ([px, py]: Point, camera: Camera, size: Size): Point => [
  (px - size.width / 2) / (camera.scale * camera.stretch) + camera.x,
  (size.height / 2 - py) / camera.scale + camera.y,
];

/** Space kept free at the edges, in pixels. */
export interface Margin {
  top: number;
  bottom: number;
  side: number;
}

/** Smallest and largest x and y; nothing where there are no points. */
function extent(xs: Float32Array, ys: Float32Array): [number, number, number, number] | null {
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < xs.length; i++) {
    if (xs[i] < x0) x0 = xs[i];
    if (xs[i] > x1) x1 = xs[i];
    if (ys[i] < y0) y0 = ys[i];
    if (ys[i] > y1) y1 = ys[i];
  }
  return x1 >= x0 ? [x0, x1, y0, y1] : null;
}

/** The axes of a projection have no unit, so one may be drawn up to this much longer to fill the canvas. */
const MAX_STRETCH = 2;

/** The camera that shows all points within a margin. */
export function fit(xs: Float32Array, ys: Float32Array, size: Size, margin: Margin = { top: 0, bottom: 0, side: 0 }): Camera {
  const found = extent(xs, ys);
  if (!found) return { x: 0, y: 0, scale: 1, stretch: 1 };
  const [x0, x1, y0, y1] = found;
  const across = Math.max(1, size.width - 2 * margin.side) / Math.max(x1 - x0, 1e-6);
  const up = Math.max(1, size.height - margin.top - margin.bottom) / Math.max(y1 - y0, 1e-6);
  const stretch = Math.min(MAX_STRETCH, Math.max(1 / MAX_STRETCH, across / up));
  const scale = Math.min(up, across / stretch);
  return { x: (x0 + x1) / 2, y: (y0 + y1) / 2 + (margin.top - margin.bottom) / 2 / scale, scale, stretch };
}

/** The camera after zooming by a factor about a place on the screen, which stays where it is. */
export function zoomAt(camera: Camera, at: Point, factor: number, size: Size): Camera {
  const [x, y] = toPlane(at, camera, size);
  const scale = camera.scale * factor;
  return { ...camera, x: x - (at[0] - size.width / 2) / (scale * camera.stretch), y: y + (at[1] - size.height / 2) / scale, scale };
}

/** Whether a point lies in a polygon, by the even-odd rule. */
export function inPolygon(x: number, y: number, polygon: readonly Point[]): boolean {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i];
    const [xj, yj] = polygon[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Entries whose point lies in the polygon and that the filter, if any, lets through. */
export function rowsInPolygon(
  xs: Float32Array,
  ys: Float32Array,
  polygon: readonly Point[],
  visible: Uint8Array | null = null,
): Uint32Array {
  const found: number[] = [];
  const left = Math.min(...polygon.map((p) => p[0]));
  const right = Math.max(...polygon.map((p) => p[0]));
  for (let i = 0; i < xs.length; i++) {
    if (xs[i] < left || xs[i] > right || (visible && !visible[i])) continue;
    if (inPolygon(xs[i], ys[i], polygon)) found.push(i);
  }
  return Uint32Array.from(found);
}

/** Leaves out corners that move the outline by less than the tolerance (Douglas and Peucker 1973). */
export function simplify(line: readonly Point[], tolerance: number): Point[] {
  if (line.length < 3) return [...line];
  const [[ax, ay], [bx, by]] = [line[0], line[line.length - 1]];
  const length = Math.hypot(bx - ax, by - ay);
  let [farthest, at] = [0, 0];
  for (let i = 1; i < line.length - 1; i++) {
    const [x, y] = line[i];
    const distance = length
      ? Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length
      : Math.hypot(x - ax, y - ay);
    if (distance > farthest) [farthest, at] = [distance, i];
  }
  if (farthest <= tolerance) return [line[0], line[line.length - 1]];
  return [...simplify(line.slice(0, at + 1), tolerance).slice(0, -1), ...simplify(line.slice(at), tolerance)];
}

/** A grid over the points that finds the nearest one to a place. */
export class NearestPoint {
  private readonly start: Uint32Array;
  private readonly rows: Uint32Array;
  private readonly side: number;
  private readonly cell: number;
  private readonly origin: Point;

  constructor(
    private readonly xs: Float32Array,
    private readonly ys: Float32Array,
  ) {
    const [x0, x1, y0, y1] = extent(xs, ys) ?? [0, 0, 0, 0];
    this.side = Math.max(1, Math.min(1024, Math.ceil(Math.sqrt(xs.length / 2))));
    this.cell = Math.max(x1 - x0, y1 - y0) / this.side || 1;
    this.origin = [x0, y0];
    const cellOf = new Uint32Array(xs.length);
    this.start = new Uint32Array(this.side * this.side + 1);
    for (let i = 0; i < xs.length; i++) {
      cellOf[i] = this.column(ys[i], 1) * this.side + this.column(xs[i], 0);
      this.start[cellOf[i] + 1]++;
    }
    for (let c = 0; c < this.side * this.side; c++) this.start[c + 1] += this.start[c];
    const next = this.start.slice();
    this.rows = new Uint32Array(xs.length);
    for (let i = 0; i < xs.length; i++) this.rows[next[cellOf[i]]++] = i;
  }

  private column(value: number, axis: 0 | 1): number {
    return Math.max(0, Math.min(this.side - 1, Math.floor((value - this.origin[axis]) / this.cell)));
  }

  /** The nearest visible entry within the radius, or -1; horizontal distances count `stretch` times. */
  find([x, y]: Point, radius: number, visible: Uint8Array | null, stretch = 1): number {
    let [best, bestSquared] = [-1, radius * radius];
    const [x0, x1] = [this.column(x - radius / stretch, 0), this.column(x + radius / stretch, 0)];
    const [y0, y1] = [this.column(y - radius, 1), this.column(y + radius, 1)];
    for (let cy = y0; cy <= y1; cy++) {
      for (let at = this.start[cy * this.side + x0]; at < this.start[cy * this.side + x1 + 1]; at++) {
        const row = this.rows[at];
        if (visible && !visible[row]) continue;
        const squared = ((this.xs[row] - x) * stretch) ** 2 + (this.ys[row] - y) ** 2;
        if (squared <= bestSquared) [best, bestSquared] = [row, squared];
      }
    }
    return best;
  }
}
