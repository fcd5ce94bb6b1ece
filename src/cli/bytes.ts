const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** Bytes as a person reads them: `512 B`, `1.2 MB`, `340 MB`, `3.4 GB`. */
export function formatBytes(bytes: number): string {
  return amount(bytes, unitOf(bytes));
}

/** A part of a whole: `0.3 of 3.4 GB`. */
export function formatPart(part: number, whole: number): string {
  const unit = unitOf(whole);
  return `${amount(part, unit).replace(/ .*/, "")} of ${amount(whole, unit)}`;
}

/** The bytes that a text such as `6GB`, `512 MB` or `1048576` says; NaN if it says none. KiB, MiB, ... are powers of 1024. */
export function parseBytes(text: string): number {
  const [, value = "", unit = "B"] = /^(\d+(?:\.\d+)?) ?([kKMGT]?i?B?)$/.exec(text.trim()) ?? [];
  const power = UNITS.findIndex((each) => each.charAt(0).toUpperCase() === (unit.charAt(0) || "B").toUpperCase());
  return value === "" ? Number.NaN : Math.round(Number(value) * (unit.includes("i") ? 1024 : 1000) ** power);
}

/** The largest unit for an amount of at least 1 after rounding: 999,999 bytes are 1.0 MB. */
function unitOf(bytes: number): number {
  let unit = 0;
  while (unit < UNITS.length - 1 && bytes / 1000 ** unit >= 999.5) unit++;
  return unit;
}

function amount(bytes: number, unit: number): string {
  const value = bytes / 1000 ** unit;
  return `${value.toFixed(unit === 0 || value >= 99.95 ? 0 : 1)} ${UNITS[unit]}`;
}
