/** Whether an error says that a disk is full, in the file system's words or in SQLite's. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? error.code : undefined;
  // A quota that is used up is mended in the same way.
  return code === "ENOSPC" || code === "EDQUOT" || error.message.includes("database or disk is full");
}
