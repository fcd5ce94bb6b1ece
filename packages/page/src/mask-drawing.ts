/** A place on the picture, in its pixels. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export type Tool = "draw" | "erase";

/** One thing that can be undone. */
export type MaskAction =
  | { readonly kind: "stroke"; readonly tool: Tool; readonly size: number; readonly points: readonly Point[] }
  | { readonly kind: "clear" }
  | { readonly kind: "invert" };

/** A mask on a canvas of its picture's size: opaque where the picture is to be repainted, transparent elsewhere. */
export class MaskDrawing {
  private readonly actions: MaskAction[] = [];
  /** The mask before the first action. */
  private base: HTMLCanvasElement | undefined;
  private stroke: { readonly tool: Tool; readonly size: number; readonly points: Point[] } | undefined;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly colour: string,
  ) {}

  get canUndo(): boolean {
    return this.actions.length > 0;
  }

  get isDrawing(): boolean {
    return this.stroke !== undefined;
  }

  /** Starts again with a mask, a picture that is white where to repaint, or with none. */
  async load(mask: Blob | undefined): Promise<void> {
    this.actions.length = 0;
    this.stroke = undefined;
    this.base = mask && (await this.readMask(mask));
    this.redraw();
  }

  startStroke(tool: Tool, size: number, point: Point): void {
    this.stroke = { tool, size, points: [point] };
    this.draw({ kind: "stroke", tool, size, points: [point] });
  }

  extendStroke(point: Point): void {
    if (!this.stroke) return;
    const { tool, size, points } = this.stroke;
    const last = points.at(-1);
    // Canvases draw nothing for a line without length.
    if (!last || (last.x === point.x && last.y === point.y)) return;
    this.draw({ kind: "stroke", tool, size, points: [last, point] });
    points.push(point);
  }

  endStroke(): void {
    if (!this.stroke) return;
    this.actions.push({ kind: "stroke", ...this.stroke });
    this.stroke = undefined;
  }

  /** Takes back the stroke that is being drawn. */
  cancelStroke(): void {
    this.stroke = undefined;
    this.redraw();
  }

  do(action: MaskAction): void {
    this.actions.push(action);
    this.draw(action);
  }

  undo(): void {
    this.actions.pop();
    this.redraw();
  }

  /** The mask as a PNG, white where to repaint and black elsewhere, and which part is white; undefined if nothing is. */
  async toMask(): Promise<{ readonly blob: Blob; readonly part: number } | undefined> {
    const { width, height } = this.canvas;
    const picture = context(this.canvas).getImageData(0, 0, width, height);
    const white = toBlackAndWhite(picture.data);
    if (white === 0) return undefined;
    const copy = canvasOf(width, height);
    context(copy).putImageData(picture, 0, 0);
    const blob = await new Promise<Blob | null>((resolve) => copy.toBlob(resolve, "image/png"));
    if (!blob) throw new Error("the browser cannot encode a picture of this size");
    return { blob, part: white / (width * height) };
  }

  private redraw(): void {
    const { width, height } = this.canvas;
    const target = context(this.canvas);
    target.globalCompositeOperation = "source-over";
    target.clearRect(0, 0, width, height);
    if (this.base) target.drawImage(this.base, 0, 0, width, height);
    for (const action of withoutCleared(this.actions)) this.draw(action);
  }

  private draw(action: MaskAction): void {
    const { width, height } = this.canvas;
    const target = context(this.canvas);
    target.fillStyle = this.colour;
    target.strokeStyle = this.colour;
    if (action.kind === "clear") {
      target.clearRect(0, 0, width, height);
    } else if (action.kind === "invert") {
      // Keeps the new colour where there was none.
      target.globalCompositeOperation = "source-out";
      target.fillRect(0, 0, width, height);
    } else {
      const [first, ...others] = action.points;
      if (!first) return;
      target.globalCompositeOperation = action.tool === "erase" ? "destination-out" : "source-over";
      target.beginPath();
      if (others.length === 0) {
        target.arc(first.x, first.y, action.size / 2, 0, 2 * Math.PI);
        target.fill();
        return;
      }
      target.lineWidth = action.size;
      target.lineCap = "round";
      target.lineJoin = "round";
      target.moveTo(first.x, first.y);
      for (const { x, y } of others) target.lineTo(x, y);
      target.stroke();
    }
  }

  private async readMask(mask: Blob): Promise<HTMLCanvasElement> {
    const picture = await createImageBitmap(mask);
    const canvas = canvasOf(picture.width, picture.height);
    const target = context(canvas);
    target.drawImage(picture, 0, 0);
    const pixels = target.getImageData(0, 0, canvas.width, canvas.height);
    brightnessToAlpha(pixels.data);
    target.putImageData(pixels, 0, 0);
    target.globalCompositeOperation = "source-in";
    target.fillStyle = this.colour;
    target.fillRect(0, 0, canvas.width, canvas.height);
    return canvas;
  }
}

/** The actions since the last "clear": those before it leave no trace. */
export function withoutCleared(actions: readonly MaskAction[]): readonly MaskAction[] {
  return actions.slice(
    Math.max(
      0,
      actions.findLastIndex(({ kind }) => kind === "clear"),
    ),
  );
}

/** Makes RGBA pixels white where they are rather opaque and black elsewhere. Returns how many are white. */
export function toBlackAndWhite(pixels: Uint8ClampedArray): number {
  let white = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const isWhite = (pixels[i + 3] ?? 0) >= 128;
    if (isWhite) white++;
    pixels.fill(isWhite ? 255 : 0, i, i + 3);
    pixels[i + 3] = 255;
  }
  return white;
}

/** Makes RGBA pixels as opaque as they were bright. */
function brightnessToAlpha(pixels: Uint8ClampedArray): void {
  for (let i = 0; i < pixels.length; i += 4) pixels[i + 3] = pixels[i] ?? 0;
}

/** Where the brush is after an arrow key, inside the picture; undefined for other keys. */
export function movedByKey(
  key: string,
  from: Point,
  step: number,
  { width, height }: { width: number; height: number },
): Point | undefined {
  const [right, down] = ARROWS[key] ?? [];
  if (right === undefined || down === undefined) return undefined;
  const inside = (value: number, size: number) => Math.min(Math.max(value, 0), size);
  return { x: inside(from.x + right * step, width), y: inside(from.y + down * step, height) };
}

const ARROWS: Readonly<Record<string, readonly [right: number, down: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function canvasOf(width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const found = canvas.getContext("2d", { willReadFrequently: true });
  if (!found) throw new Error("the browser has no canvas of this size");
  return found;
}
