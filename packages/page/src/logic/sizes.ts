/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A size to choose. */
export interface SizePreset extends Size {
  readonly label: string;
}

const SHAPES: readonly (readonly [label: string, short: number, long: number])[] = [
  ["3 : 4", 3, 4],
  ["2 : 3", 2, 3],
  ["9 : 16", 9, 16],
];

/** Sizes for a model that was trained on squares with this side: other shapes have about as many pixels. */
export function sizePresets(side: number): SizePreset[] {
  const multiple = multipleFor(side);
  const upright: SizePreset[] = [];
  for (const [label, short, long] of SHAPES) {
    const width = Math.max(1, Math.round((side * Math.sqrt(short / long)) / multiple)) * multiple;
    const height = Math.max(1, Math.floor((side * side) / width / multiple)) * multiple;
    const isOfShape = Math.abs((width * long) / (height * short) - 1) < 0.15;
    const isNew = isOfShape && !upright.some((other) => other.width === width && other.height === height);
    if (isNew) upright.push({ label: `Portrait ${label}`, width, height });
  }
  const lying = upright.map(({ label, width, height }) => ({ label: turned(label), width: height, height: width }));
  return [{ label: "Square", width: side, height: side }, ...upright, ...lying];
}

function turned(label: string): string {
  return label.replace(/Portrait (\d+) : (\d+)/, "Landscape $2 : $1");
}

/**
 * The size for a picture that starts from another one: that one's own where the model can work with it, or else one of its shape that the
 * model was trained for.
 */
export function startSize(start: Size, side: number | undefined): Size {
  if (side === undefined) return start;
  const area = (start.width * start.height) / (side * side);
  const isFine = start.width % 8 === 0 && start.height % 8 === 0 && area >= 0.25 && area <= 2.25;
  if (isFine) return { width: start.width, height: start.height };
  const scale = 1 / Math.sqrt(area);
  const multiple = side < 256 ? 8 : 16;
  const rounded = (length: number) => Math.max(1, Math.round((length * scale) / multiple)) * multiple;
  return { width: rounded(start.width), height: rounded(start.height) };
}

/** Such a picture is shown larger than it is. */
export function isSmall({ width, height }: Size): boolean {
  return Math.max(width, height) <= 160;
}

/** Sides as large models were trained on them are multiples of 64; small models take finer steps. */
function multipleFor(side: number): number {
  if (side >= 1024) return 64;
  return side >= 256 ? 32 : 8;
}
