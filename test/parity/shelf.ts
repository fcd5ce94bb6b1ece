/** Keeps the last opened items, for cases that use the same ones. */
export class Shelf<Item extends AsyncDisposable> implements AsyncDisposable {
  private readonly items = new Map<string, Item>();

  /** Keeps at most `capacity` items. */
  constructor(private readonly capacity: number) {}

  async get(key: string, open: () => Promise<Item>): Promise<Item> {
    const item = this.items.get(key) ?? (await open());
    this.items.delete(key);
    this.items.set(key, item);
    for (const [oldest, old] of this.items) {
      if (this.items.size <= this.capacity) break;
      this.items.delete(oldest);
      await old[Symbol.asyncDispose]();
    }
    return item;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const item of this.items.values()) await item[Symbol.asyncDispose]();
    this.items.clear();
  }
}
