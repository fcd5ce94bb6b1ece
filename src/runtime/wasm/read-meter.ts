import type { CallNote } from "../thread-calls.js";
import type { OpenWeightFile } from "./weight-mount.js";

/** Milliseconds between two notes. */
const PERIOD = 50;

/** Tells the caller of a thread how many bytes of weights are read while its call is answered. */
export class ReadMeter {
  /** The call that is answered. */
  call = 0;
  private bytes = 0;
  private noted = 0;

  /** `post` sends a note to the caller. */
  constructor(private readonly post: (note: CallNote) => void) {}

  /** `open`, with what is read from its files reported. */
  watched(open: OpenWeightFile): OpenWeightFile {
    return async (ref) => {
      const file = await open(ref);
      return {
        read: (offset, into) => {
          file.read(offset, into);
          this.add(into.length);
        },
        close: () => file.close(),
      };
    };
  }

  private add(bytes: number): void {
    this.bytes += bytes;
    const now = performance.now();
    if (now - this.noted < PERIOD) return;
    this.post({ id: this.call, read: this.bytes });
    this.bytes = 0;
    this.noted = now;
  }
}
