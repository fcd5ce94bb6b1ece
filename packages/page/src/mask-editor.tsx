import type { TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Size } from "./logic/sizes.js";
import { MaskDrawing, movedByKey, type Point, type Tool } from "./mask-drawing.js";

export interface MaskEditorProps {
  /** The picture that the mask is for. */
  readonly image: Blob;
  /** A PNG of the picture's own size, white where to repaint and black elsewhere; undefined without a mask. */
  readonly value: Blob | undefined;
  readonly onChange: (mask: Blob | undefined) => void;
}

/** Shown half transparent over the picture. */
const COLOUR = "#ff2d6f";
const PEN_ERASER = 32;

/** A picture on which a mask is drawn: with a mouse, a pen, fingers, or the keyboard. */
export function MaskEditor({ image, value, onChange }: MaskEditorProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawing = useRef<MaskDrawing>(undefined);
  /** What the parent has of us, to tell its own changes from ours. */
  const sent = useRef<Blob>(undefined);
  const [size, setSize] = useState<Size>();
  const [tool, setTool] = useState<Tool>("draw");
  const [brush, setBrush] = useState(16);
  const [cursor, setCursor] = useState<Point>();
  const [part, setPart] = useState(0);
  const [canUndo, setCanUndo] = useState(false);
  const help = useId();
  const url = useObjectUrl(image);

  useEffect(() => {
    if (!size || !canvas.current) return;
    sent.current = undefined;
    drawing.current = new MaskDrawing(canvas.current, COLOUR);
    void drawing.current.load(undefined);
    setPart(0);
    setCanUndo(false);
    setBrush(Math.max(1, Math.round(Math.min(size.width, size.height) / 8)));
    setCursor(undefined);
  }, [size]);

  useEffect(() => {
    if (!drawing.current || value === sent.current) return;
    sent.current = value;
    void drawing.current.load(value).then(async () => {
      setCanUndo(false);
      setPart((await drawing.current?.toMask())?.part ?? 0);
    });
  }, [size, value]);

  const changes = useRef(0);
  const changed = async () => {
    setCanUndo(drawing.current?.canUndo ?? false);
    const change = ++changes.current;
    const mask = await drawing.current?.toMask();
    // Encoding takes time; a later change may be there already.
    if (change !== changes.current) return;
    setPart(mask?.part ?? 0);
    sent.current = mask?.blob;
    onChange(mask?.blob);
  };
  const act = (action: (drawing: MaskDrawing) => void) => {
    if (!drawing.current) return;
    action(drawing.current);
    void changed();
  };
  const undo = () => act((mask) => mask.undo());

  /** Where a pointer is, in the picture's pixels. */
  const pointOf = ({ clientX, clientY }: PointerEvent): Point => {
    const { left = 0, top = 0, width = 1, height = 1 } = canvas.current?.getBoundingClientRect() ?? {};
    return { x: ((clientX - left) / width) * (size?.width ?? 1), y: ((clientY - top) / height) * (size?.height ?? 1) };
  };
  const onPointerDown = (event: TargetedPointerEvent<HTMLElement>) => {
    if (drawing.current?.isDrawing || (event.button !== 0 && event.buttons !== PEN_ERASER)) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    drawing.current?.startStroke(event.buttons === PEN_ERASER ? "erase" : tool, brush, pointOf(event));
  };
  const onPointerMove = (event: TargetedPointerEvent<HTMLElement>) => {
    const target = event.currentTarget;
    setCursor(pointOf(event));
    if (!target.hasPointerCapture(event.pointerId)) return;
    // A browser reports several moves at a time; without them, a quick curve has corners.
    for (const each of event.getCoalescedEvents?.() ?? [event]) drawing.current?.extendStroke(pointOf(each));
  };
  const onPointerUp = (event: TargetedPointerEvent<HTMLElement>) => {
    if (event.currentTarget.hasPointerCapture(event.pointerId)) act((mask) => mask.endStroke());
  };

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLElement>) => {
    if (!size || !drawing.current) return;
    const at = cursor ?? { x: size.width / 2, y: size.height / 2 };
    const moved = movedByKey(event.key, at, Math.max(1, brush / (event.shiftKey ? 1 : 4)), size);
    if (moved) {
      setCursor(moved);
      drawing.current.extendStroke(moved);
    } else if (event.key === " ") {
      if (!event.repeat) drawing.current.startStroke(tool, brush, at);
      setCursor(at);
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
      if (canUndo) undo();
    } else if (event.key === "[" || event.key === "]") {
      setBrush(clampBrush(event.key === "[" ? brush / 1.25 : brush * 1.25, size));
    } else {
      return;
    }
    event.preventDefault();
  };
  const endKeyStroke = () => {
    if (drawing.current?.isDrawing) act((mask) => mask.endStroke());
  };

  return (
    <div class="mask-editor">
      <div
        class="mask-picture"
        style={{ "--ratio": size && size.width / size.height }}
        role="application"
        aria-label="Picture to paint the mask on"
        aria-describedby={help}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is painted on with the keyboard, too
        tabIndex={0}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={() => drawing.current?.cancelStroke()}
        onPointerLeave={() => setCursor(undefined)}
        onKeyDown={onKeyDown}
        onKeyUp={({ key }) => key === " " && endKeyStroke()}
        onBlur={endKeyStroke}
      >
        {url && (
          <img
            src={url}
            alt=""
            onLoad={({ currentTarget: { naturalWidth: width, naturalHeight: height } }) => setSize({ width, height })}
          />
        )}
        <canvas ref={canvas} width={size?.width ?? 1} height={size?.height ?? 1} />
        {size && cursor && (
          <span
            class="mask-brush"
            style={{
              left: `${(100 * cursor.x) / size.width}%`,
              top: `${(100 * cursor.y) / size.height}%`,
              width: `${(100 * brush) / size.width}%`,
            }}
          />
        )}
      </div>
      <p id={help} class="mask-help">
        Paint over what is to be made anew.
        <span class="mask-keys"> With the keyboard: arrows move the brush, hold Space to paint, [ and ] change its size.</span>
      </p>
      <div class="mask-tools">
        <fieldset>
          <legend>Tool</legend>
          {(["draw", "erase"] as const).map((each) => (
            <label key={each}>
              <input type="radio" name={`${help}-tool`} checked={tool === each} onChange={() => setTool(each)} />
              {each === "draw" ? "Draw" : "Erase"}
            </label>
          ))}
        </fieldset>
        <label class="mask-size">
          Brush size
          <input
            type="range"
            min="1"
            max={size ? largestBrush(size) : 100}
            value={brush}
            aria-valuetext={`${brush} pixels`}
            onInput={({ currentTarget }) => setBrush(currentTarget.valueAsNumber)}
          />
        </label>
        <div class="mask-buttons">
          <button type="button" disabled={!canUndo} onClick={undo}>
            Undo
          </button>
          <button type="button" disabled={part === 0} onClick={() => act((mask) => mask.do({ kind: "clear" }))}>
            Clear
          </button>
          <button type="button" onClick={() => act((mask) => mask.do({ kind: "invert" }))}>
            Invert
          </button>
        </div>
        <output>{part === 0 ? "Nothing is painted" : `${percent(part)} of the picture is painted`}</output>
      </div>
    </div>
  );
}

/** An address of a blob, as long as the component shows it. */
function useObjectUrl(blob: Blob): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return url;
}

function largestBrush({ width, height }: Size): number {
  return Math.max(2, Math.round(Math.min(width, height) / 2));
}

function clampBrush(brush: number, size: Size): number {
  return Math.min(Math.max(1, Math.round(brush)), largestBrush(size));
}

function percent(part: number): string {
  return part < 0.01 ? "Less than 1 %" : `${Math.round(100 * part)} %`;
}
