/** Curves of axes of their own as columns over one, as a chart takes them. */
export interface Curve {
  name: string;
  x: readonly number[];
  y: readonly (number | null)[];
}

/** Every x of any curve, and each curve's value there; null where it has none. */
export function overlaid(curves: readonly Curve[]): (number | null)[][] {
  const axis = [...new Set(curves.flatMap((one) => one.x))].sort((a, b) => a - b);
  return [axis, ...curves.map((one) => {
    const values = new Map(one.x.map((x, at) => [x, one.y[at] ?? null]));
    return axis.map((x) => values.get(x) ?? null);
  })];
}

const STEPS = 200;

/** Curves that rise from (0, 0) to (1, 1), each read off at equal steps of x, straight between its points. */
export function onGrid(curves: readonly Curve[]): number[][] {
  const axis = Array.from({ length: STEPS + 1 }, (_, at) => at / STEPS);
  return [axis, ...curves.map((one) => axis.map((x) => valueAt(one, x)))];
}

function valueAt(curve: Curve, x: number): number {
  const after = curve.x.findIndex((one) => one > x);
  if (after < 0) return curve.y.at(-1) ?? 1;
  const [x0, x1] = [curve.x[after - 1] ?? 0, curve.x[after] ?? 1];
  const [y0, y1] = [curve.y[after - 1] ?? 0, curve.y[after] ?? 1];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}
