type Settings = Readonly<Record<string, unknown>>;

/** A setting that two pictures do not share, as texts. */
export interface SettingDifference {
  readonly name: string;
  readonly left: string;
  readonly right: string;
}

/** The settings in which two pictures differ, in the order of the left one's, then of the right one's. */
export function settingDifferences(left: Settings, right: Settings): readonly SettingDifference[] {
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].map((name) => ({ name, left: text(left[name]), right: text(right[name]) })).filter((each) => each.left !== each.right);
}

function text(value: unknown): string {
  if (value === undefined || value === null || value === "") return "–";
  if (Array.isArray(value)) return value.length === 0 ? "–" : value.map(text).join(", ");
  if (typeof value !== "object") return String(value);
  return Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .map(([name, each]) => `${name}: ${text(each)}`)
    .join(", ");
}
