/**
 * Keeps the process alive when something throws that nobody catches, such as a handler of one request's events: many callers share a server
 * or a worker. Returns how to end that.
 * @param onError told what was thrown
 */
export function outliveExceptions(onError: (error: unknown) => void): () => void {
  // A promise that is rejected unhandled comes here, too.
  process.on("uncaughtException", onError);
  return () => void process.off("uncaughtException", onError);
}
