/** Windows of one browser that have a stream at a time. It opens six connections to a server, and two are left for calls. */
const PLACES = 4;

/**
 * Does work that keeps a connection, if there is a place for it; otherwise resolves at once. Without locks, which browsers give to pages by
 * HTTPS and of this machine only, there is always one.
 */
export async function inStreamPlace(work: () => Promise<void>): Promise<void> {
  const locks = navigator.locks as LockManager | undefined;
  if (!locks) return work();
  for (let place = 0; place < PLACES; place++) {
    const isTaken = await locks.request(`darkroom stream ${place}`, { ifAvailable: true }, async (lock) => {
      if (lock) await work();
      return lock === null;
    });
    if (!isTaken) return;
  }
}
