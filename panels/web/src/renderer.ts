/**
 * Draws the points with WebGL. Rows are in rank order, so the kept ones are a prefix of the buffers and a new budget
 * only changes where drawing starts and stops. Where more rows are dropped than can be drawn smoothly, every m-th of
 * them is drawn, by a longer stride; kept rows are always all drawn.
 */
import { MISSING, paletteTexture, Mode, neutral, parseHex, RGB, STATUS } from "./colors";
import { Camera, Size } from "./geometry";

/** Bits of a row's state. */
export const HIDDEN = 1;
export const SELECTED = 2;

/** Dropped rows drawn at rest and while the map moves. */
const MAX_DROPPED = 250_000;
const MAX_DROPPED_MOVING = 60_000;
/** WebGL allows strides up to 255 bytes, and a point takes 8. */
const MAX_STEP = 31;

/** By their location; asking the graphics process for it in every frame would wait for that process. */
const ATTRIBUTES = ["point", "code", "state"] as const;
type Attribute = (typeof ATTRIBUTES)[number];

const VERTEX = `
attribute vec2 point;
attribute float code;
attribute float state;
uniform vec2 center, scale;
uniform float size, wanted;
uniform vec2 codes;
varying float shade;
void main() {
  bool hidden = mod(state, 2.0) > 0.5;
  bool selected = state > 1.5;
  bool drawn = wanted < 0.5 ? hidden : wanted < 1.5 ? !hidden : selected;
  if (code < codes.x || code > codes.y) drawn = false;
  gl_Position = drawn ? vec4((point - center) * scale, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = size;
  shade = (code + 0.5) / 256.0;
}`;

const FRAGMENT = `
precision mediump float;
uniform sampler2D palette;
uniform vec4 flat_color, ring_color;
uniform float ring, size;
varying float shade;
void main() {
  float r = length(gl_PointCoord - 0.5) * size;
  float edge = size * 0.5;
  float alpha = size < 2.5 ? 1.0 : 1.0 - smoothstep(edge - 1.0, edge, r);
  if (alpha <= 0.0) discard;
  vec4 fill = flat_color.a > 0.0 ? vec4(flat_color.rgb, 1.0) : texture2D(palette, vec2(shade, 0.5));
  vec4 color = ring > 0.0 ? mix(fill, ring_color, smoothstep(edge - ring - 0.5, edge - ring + 0.5, r)) : fill;
  gl_FragColor = vec4(color.rgb, color.a) * alpha;
}`;

export type PaletteKind = "status" | "ordered" | "category";

/** Which rows a pass draws. */
const DRAW = { hidden: 0, shown: 1, selected: 2 } as const;

interface Pass {
  rows: keyof typeof DRAW;
  first: number;
  count: number;
  step?: number;
  size: number;
  codes?: [number, number];
  flat?: RGB;
  ring?: number;
  ringColor?: readonly [number, number, number, number];
}

export interface Scene {
  camera: Camera;
  size: Size;
  /** How many rows are kept. */
  kept: number;
  palette: PaletteKind;
  mode: Mode;
  anyHidden: boolean;
  anySelected: boolean;
  /** Whether dropped rows with a value are drawn as large as kept ones: there are few of them. */
  raised: boolean;
  moving: boolean;
}

export class Renderer {
  private readonly gl: WebGLRenderingContext;
  private readonly program: WebGLProgram;
  private readonly buffers: Record<Attribute, WebGLBuffer>;
  private readonly uniforms = new Map<string, WebGLUniformLocation | null>();
  private paletteNow = "";
  private n = 0;

  /** Raises an error where the browser gives no WebGL. */
  constructor(private readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl", { antialias: false, alpha: true, premultipliedAlpha: true });
    if (!gl) throw new Error("This browser offers no WebGL, which the map is drawn with.");
    this.gl = gl;
    this.program = this.build();
    ATTRIBUTES.forEach((_, location) => gl.enableVertexAttribArray(location));
    this.buffers = { point: gl.createBuffer()!, code: gl.createBuffer()!, state: gl.createBuffer()! };
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const [key, value] of [
      [gl.TEXTURE_MIN_FILTER, gl.NEAREST],
      [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
      [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
    ])
      gl.texParameteri(gl.TEXTURE_2D, key, value);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  private build(): WebGLProgram {
    const gl = this.gl;
    const program = gl.createProgram()!;
    for (const [type, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT.replace("uniform float ring, size;", "uniform highp float size;\nuniform float ring;")],
    ] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    ATTRIBUTES.forEach((name, location) => gl.bindAttribLocation(program, location, name));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(`WebGL: ${gl.getProgramInfoLog(program)}`);
    gl.useProgram(program);
    return program;
  }

  private uniform(name: string): WebGLUniformLocation | null {
    if (!this.uniforms.has(name)) this.uniforms.set(name, this.gl.getUniformLocation(this.program, name));
    return this.uniforms.get(name)!;
  }

  private upload(name: Attribute, data: Float32Array | Uint8Array): void {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, data, this.gl.DYNAMIC_DRAW);
  }

  /** (n, 2) points in rank order. */
  setPoints(points: Float32Array): void {
    this.n = points.length / 2;
    this.upload("point", points);
  }

  /** (n,) palette codes. */
  setCodes(codes: Uint8Array): void {
    this.upload("code", codes);
  }

  /** (n,) bits HIDDEN and SELECTED. */
  setStates(states: Uint8Array): void {
    this.upload("state", states);
  }

  private setPalette(kind: PaletteKind, mode: Mode): void {
    if (this.paletteNow === kind + mode) return;
    const gl = this.gl;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, paletteTexture(kind, mode));
    this.paletteNow = kind + mode;
  }

  /** Draws one pass: rows first, first + step, ... */
  private pass({ rows, first, count, step = 1, size, codes = [0, 255], flat, ring = 0, ringColor }: Pass): void {
    if (count <= 0) return;
    const gl = this.gl;
    ATTRIBUTES.forEach((name, location) => {
      const [width, type, bytes] = name === "point" ? [2, gl.FLOAT, 8] : [1, gl.UNSIGNED_BYTE, 1];
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.vertexAttribPointer(location, width, type, false, bytes * step, bytes * first);
    });
    gl.uniform1f(this.uniform("wanted"), DRAW[rows]);
    gl.uniform1f(this.uniform("size"), size);
    gl.uniform2f(this.uniform("codes"), ...codes);
    gl.uniform4f(this.uniform("flat_color"), ...(flat ?? [0, 0, 0]), flat ? 1 : 0);
    gl.uniform1f(this.uniform("ring"), ring);
    gl.uniform4f(this.uniform("ring_color"), ...(ringColor ?? [0, 0, 0, 0]));
    gl.drawArrays(gl.POINTS, 0, Math.ceil(count / step));
  }

  /** Draws the scene and says of how many dropped rows one is drawn. */
  draw(scene: Scene): number {
    const { gl, canvas, n } = this;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const [width, height] = [scene.size.width * ratio, scene.size.height * ratio].map(Math.round);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.setPalette(scene.palette, scene.mode);
    const { camera, size, kept, mode } = scene;
    gl.uniform2f(this.uniform("center"), camera.x, camera.y);
    gl.uniform2f(this.uniform("scale"), (2 * camera.scale * camera.stretch) / size.width, (2 * camera.scale) / size.height);

    const dot = Math.max(1.6, Math.min(6.5, 0.34 * Math.sqrt((size.width * size.height) / n))) * ratio;
    const big = dot * 1.45 + 0.8 * ratio;
    const ring = big > 4.5 * ratio ? 1.1 * ratio : 0;
    const dark = mode === "dark";
    const step = stepFor(n - kept, scene.moving);
    const ground = parseHex(dark ? "#20242b" : "#f4f5f7");
    const ghost = neutral(mode).map((x, i) => ground[i] + (x - ground[i]) * 0.4) as unknown as RGB;
    const dropped = { first: kept, count: n - kept, step, size: dot };

    if (scene.anyHidden) {
      this.pass({ rows: "hidden", ...dropped, flat: ghost });
      this.pass({ rows: "hidden", first: 0, count: kept, size: dot, flat: ghost });
    }
    if (scene.palette === "status") {
      this.pass({ rows: "shown", ...dropped, codes: [STATUS.covered, 255] });
      this.pass({ rows: "shown", ...dropped, codes: [STATUS.uncovered, STATUS.uncovered] });
    } else {
      const valued: Partial<Pass> = scene.raised ? { step: 1, size: big, ring, ringColor: [...ground, 1] } : {};
      this.pass({ rows: "shown", ...dropped, codes: [MISSING, MISSING] });
      this.pass({ rows: "shown", ...dropped, codes: [0, MISSING - 1], ...valued });
    }
    this.pass({ rows: "shown", first: 0, count: kept, size: big, ring, ringColor: [...ground, 1] });
    if (scene.anySelected) {
      const ink = parseHex(dark ? "#ffffff" : "#111418");
      this.pass({ rows: "selected", first: 0, count: n, size: big + 5 * ratio, ring: 2 * ratio, ringColor: [...ink, 1] });
    }
    return step;
  }

  /** Frees the graphics memory. */
  destroy(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** Of how many dropped rows one is drawn. */
export function stepFor(dropped: number, moving: boolean): number {
  return Math.min(MAX_STEP, Math.max(1, Math.ceil(dropped / (moving ? MAX_DROPPED_MOVING : MAX_DROPPED))));
}
