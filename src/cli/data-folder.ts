import { homedir } from "node:os";
import { join } from "node:path";

/** The folder for a server's queue and pictures, where the system keeps data of programs: https://specifications.freedesktop.org/basedir. */
export function dataFolder(): string {
  const { XDG_DATA_HOME, LOCALAPPDATA } = process.env;
  if (XDG_DATA_HOME) return join(XDG_DATA_HOME, "darkroom");
  if (process.platform === "win32") return join(LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "darkroom");
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support", "darkroom");
  return join(homedir(), ".local", "share", "darkroom");
}
