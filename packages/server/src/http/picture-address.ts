import type { StoredPicture } from "../jobs/job.js";
import type { AppContext } from "./server-context.js";

/** The server's address for the client that asks. */
export function serverAddress(c: AppContext): string {
  const { protocol, host } = new URL(c.req.url);
  // A proxy in front speaks HTTPS for us.
  const isSecure = protocol === "https:" || c.req.header("x-forwarded-proto") === "https";
  return `${isSecure ? "https" : "http"}://${host}`;
}

/** The address of a picture for the client that asks. */
export function pictureAddress(c: AppContext, { id }: Pick<StoredPicture, "id">): string {
  return `${serverAddress(c)}/files/${id}`;
}
