/** A task that is done when asked, once more if asked meanwhile, and never twice at a time. */
export class Repeated {
  readonly #task: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #isAsked = false;
  #running: Promise<void> | undefined;

  constructor(task: () => Promise<void>, onError: (error: unknown) => void) {
    this.#task = task;
    this.#onError = onError;
  }

  ask(): void {
    this.#isAsked = true;
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is asked for any longer. */
  async done(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isAsked) {
      this.#isAsked = false;
      try {
        await this.#task();
      } catch (error) {
        this.#onError(error);
      }
    }
    // At once after the last look: what is asked from now on starts anew.
    this.#running = undefined;
  }
}
