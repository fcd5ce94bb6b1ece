/** A store of pictures in the browser: they are too large for texts. */
const [DATABASE, STORE] = ["darkroom", "pictures"];

/** What the browser kept under a name. Browsers can refuse to keep anything. */
export async function readKept(name: string): Promise<unknown> {
  return inStore("readonly", (store) => store.get(name)).catch(() => undefined);
}

/** Keeps a value, or forgets it. */
export async function keep(name: string, value: unknown): Promise<void> {
  await inStore("readwrite", (store) => (value === undefined ? store.delete(name) : store.put(value, name))).catch(() => undefined);
}

async function inStore(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    return await settled(work(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
