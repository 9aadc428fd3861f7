import React, { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Mode } from "./colors";
import { Camera, fit, NearestPoint, Point, simplify, Size, toPlane, toScreen, zoomAt } from "./geometry";
import { HIDDEN, PaletteKind, Renderer, SELECTED } from "./renderer";
import { LoadedRun } from "./server";

export type Tool = "pan" | "lasso" | "box";

interface Props {
  run: LoadedRun;
  kept: number;
  codes: Uint8Array;
  /** Changes when the codes do, since the array is reused. */
  codesVersion: number;
  palette: PaletteKind;
  mode: Mode;
  /** 1 for rows in the App's view; null if all are. */
  visible: Uint8Array | null;
  selected: number[];
  /** Whether dropped rows with a value are drawn large. */
  raised: boolean;
  tool: Tool;
  /** Changes to bring all points back into sight. */
  refit: number;
  onStep: (step: number) => void;
  onHover: (row: number, at: Point, size: Size) => void;
  onOpen: (row: number) => void;
  onRegion: (polygon: Point[]) => void;
  onEscape: () => void;
}

/** How near, in pixels, the cursor must be to a point. */
const REACH = 9;
/** Outline corners closer than this to the line between their neighbours are left out, in pixels. */
const TOLERANCE = 0.75;

/** Room for the tools above and the legend below, which takes two lines in a narrow panel. */
const MARGIN = { top: 50, bottom: 64, side: 24 };

/** Where the user moved each map to; a map that was not moved shows all points at any size. */
const cameras = new Map<string, Camera>();

/** The points, with pan, zoom, lasso and box. */
export function PointMap(props: Props) {
  const { run, mode, tool } = props;
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const renderer = useRef<Renderer | null>(null);
  const camera = useRef<Camera>({ x: 0, y: 0, scale: 1, stretch: 1 });
  const size = useRef<Size>({ width: 1, height: 1 });
  const pending = useRef(0);
  const settle = useRef(0);
  const moving = useRef(false);
  const latest = useRef(props);
  latest.current = props;
  const [outline, setOutline] = useState<Point[] | null>(null);
  const [failure, setFailure] = useState("");
  const [over, setOver] = useState<Point | null>(null);
  const nearest = useMemo(() => lazily(() => new NearestPoint(run.xs, run.ys)), [run]);
  const identity = `${run.key}/${run.version}`;

  const draw = useCallback(() => {
    pending.current ||= requestAnimationFrame(() => {
      pending.current = 0;
      const { kept, palette, mode, visible, selected, raised, onStep } = latest.current;
      if (!renderer.current) return;
      onStep(
        renderer.current.draw({
          camera: camera.current,
          size: size.current,
          kept,
          palette,
          mode,
          anyHidden: visible !== null,
          anySelected: selected.length > 0,
          raised,
          moving: moving.current,
        }),
      );
      canvas.current?.setAttribute("data-drawn", String(Number(canvas.current.dataset.drawn ?? 0) + 1));
    });
  }, []);

  /** Draws fewer points while the map moves, and all of them once it rests. */
  const move = useCallback(
    (next: Camera) => {
      camera.current = next;
      cameras.set(identity, next);
      moving.current = true;
      setOver(null);
      latest.current.onHover(-1, [0, 0], size.current);
      window.clearTimeout(settle.current);
      settle.current = window.setTimeout(() => {
        moving.current = false;
        draw();
      }, 140);
      draw();
    },
    [draw],
  );

  const showAll = () => {
    move(fit(run.xs, run.ys, size.current, MARGIN));
    cameras.delete(identity);
  };

  useEffect(() => {
    const element = canvas.current!;
    const start = () => {
      try {
        renderer.current = new Renderer(element);
        uploadAll();
      } catch (error) {
        setFailure((error as Error).message);
      }
    };
    const uploadAll = () => {
      const { run, codes, visible, selected } = latest.current;
      renderer.current?.setPoints(run.points);
      renderer.current?.setCodes(codes);
      renderer.current?.setStates(states(run.n, visible, selected));
      draw();
    };
    const lost = (event: Event) => event.preventDefault();
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      if (width < 2 || height < 2) return;
      size.current = { width, height };
      camera.current = cameras.get(identity) ?? fit(run.xs, run.ys, size.current, MARGIN);
      draw();
    });
    start();
    observer.observe(frame.current!);
    element.addEventListener("webglcontextlost", lost);
    element.addEventListener("webglcontextrestored", start);
    return () => {
      observer.disconnect();
      element.removeEventListener("webglcontextlost", lost);
      element.removeEventListener("webglcontextrestored", start);
      cancelAnimationFrame(pending.current);
      window.clearTimeout(settle.current);
      renderer.current?.destroy();
      renderer.current = null;
    };
    // A new run remounts the map (see its key), so this runs once.
  }, []);

  useEffect(() => {
    renderer.current?.setCodes(props.codes);
    draw();
  }, [props.codes, props.codesVersion]);
  useEffect(() => {
    renderer.current?.setStates(states(run.n, props.visible, props.selected));
    draw();
  }, [props.visible, props.selected]);
  useEffect(draw, [props.kept, props.palette, mode]);
  useEffect(() => {
    if (props.refit) showAll();
  }, [props.refit]);

  useEffect(() => {
    const element = frame.current!;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const step = event.deltaMode ? event.deltaY * 16 : event.deltaY;
      move(zoomAt(camera.current, place(event, element), Math.exp(-step * 0.0016), size.current));
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [move]);

  const gesture = useRef<{ from: Point; last: Point; camera: Camera; tool: Tool; path: Point[]; far: boolean } | null>(null);

  const onPointerDown = (event: React.PointerEvent) => {
    if (event.button !== 0) return;
    const at = place(event, frame.current!);
    frame.current!.setPointerCapture(event.pointerId);
    const using: Tool = event.shiftKey && tool === "pan" ? "lasso" : tool;
    gesture.current = { from: at, last: at, camera: camera.current, tool: using, path: [at], far: false };
  };

  const onPointerMove = (event: React.PointerEvent) => {
    const at = place(event, frame.current!);
    const now = gesture.current;
    if (!now) return hover(at);
    now.far ||= Math.hypot(at[0] - now.from[0], at[1] - now.from[1]) > 4;
    now.last = at;
    if (!now.far) return;
    if (now.tool === "pan") {
      const { x, y, scale, stretch } = now.camera;
      move({ ...now.camera, x: x - (at[0] - now.from[0]) / (scale * stretch), y: y + (at[1] - now.from[1]) / scale });
    } else if (now.tool === "lasso") {
      now.path.push(at);
      setOutline([...now.path]);
    } else setOutline(box(now.from, at));
  };

  const onPointerUp = (event: React.PointerEvent) => {
    const now = gesture.current;
    gesture.current = null;
    setOutline(null);
    if (!now) return;
    const at = place(event, frame.current!);
    if (!now.far) {
      const row = rowAt(at);
      if (row >= 0) props.onOpen(row);
      return;
    }
    if (now.tool === "pan") return;
    const line = now.tool === "box" ? box(now.from, at) : simplify([...now.path, at], TOLERANCE);
    if (line.length > 2) props.onRegion(line.map((p) => toPlane(p, camera.current, size.current)));
  };

  const rowAt = (at: Point) => {
    const { scale, stretch } = camera.current;
    return nearest().find(toPlane(at, camera.current, size.current), REACH / scale, latest.current.visible, stretch);
  };

  const hover = (at: Point) => {
    const row = rowAt(at);
    const center = row < 0 ? null : toScreen([run.xs[row], run.ys[row]], camera.current, size.current);
    setOver(center);
    props.onHover(row, center ?? at, size.current);
  };

  const onKeyDown = (event: React.KeyboardEvent) => {
    const { x, y, scale, stretch } = camera.current;
    const shift = 60 / scale;
    const to = (dx: number, dy: number) => move({ ...camera.current, x: x + dx / stretch, y: y + dy });
    const middle: Point = [size.current.width / 2, size.current.height / 2];
    const moves: Record<string, () => void> = {
      "+": () => move(zoomAt(camera.current, middle, 1.3, size.current)),
      "=": () => move(zoomAt(camera.current, middle, 1.3, size.current)),
      "-": () => move(zoomAt(camera.current, middle, 1 / 1.3, size.current)),
      "0": showAll,
      ArrowLeft: () => to(-shift, 0),
      ArrowRight: () => to(shift, 0),
      ArrowUp: () => to(0, shift),
      ArrowDown: () => to(0, -shift),
      Enter: () => props.onRegion(box([0, 0], [2 * middle[0], 2 * middle[1]]).map((p) => toPlane(p, camera.current, size.current))),
      Escape: props.onEscape,
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  };

  return (
    <div
      ref={frame}
      className={`fc-map fc-tool-${tool}`}
      tabIndex={0}
      data-kept={props.kept}
      data-selected={props.selected.length}
      role="application"
      aria-label="Map: arrows move, plus and minus zoom, 0 shows all, Enter filters the grid to what is in sight, Escape leaves that"
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={onPointerUp}
      onPointerLeave={() => {
        setOver(null);
        props.onHover(-1, [0, 0], size.current);
      }}
      onKeyDown={onKeyDown}
    >
      <canvas ref={canvas} data-cy="coreset-map" />
      <svg className="fc-overlay">
        {over && <circle cx={over[0]} cy={over[1]} r={8} className="fc-cursor" />}
        {outline && <polygon points={outline.map((p) => p.join(",")).join(" ")} className="fc-outline" />}
      </svg>
      {failure && <div className="fc-failure">{failure}</div>}
    </div>
  );
}

function states(n: number, visible: Uint8Array | null, selected: number[]): Uint8Array {
  const bits = new Uint8Array(n);
  if (visible) for (let i = 0; i < n; i++) bits[i] = visible[i] ? 0 : HIDDEN;
  for (const row of selected) if (row < n) bits[row] |= SELECTED;
  return bits;
}

const box = ([x0, y0]: Point, [x1, y1]: Point): Point[] => [
  [x0, y0],
  [x1, y0],
  [x1, y1],
  [x0, y1],
];

function place(event: { clientX: number; clientY: number }, element: Element): Point {
  const { left, top } = element.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
