import { APICallError, InvalidArgumentError, type JSONObject } from "@ai-sdk/provider";
import { convertUint8ArrayToBase64, delay, jsonSchema, parseJsonEventStream } from "@ai-sdk/provider-utils";
import { connectionError, jobError, notDarkroom, type ServerError, statusError } from "./api-errors.js";
import type { Backend, MadePictures, PictureOrder } from "./backend.js";
import type { DarkroomServerOptions } from "./provider.js";
import { unlessAborted } from "./unless-aborted.js";

/** A finished job. */
interface Result {
  readonly pictures: readonly {
    readonly id: string;
    readonly width: number;
    readonly height: number;
    readonly seed: string;
    readonly parameters: string;
  }[];
  readonly settings: JSONObject & { readonly model?: string };
  readonly warnings: readonly string[];
}

type FinalEvent =
  | { readonly type: "done"; readonly result: Result }
  | { readonly type: "failed"; readonly error: ServerError }
  | { readonly type: "cancelled" };

interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: object | undefined;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

/** How often in a row the events of a job are asked for again: a server that starts anew goes on with its jobs. */
const RECONNECTS = 10;
const RECONNECT_MS = 1000;
/** The wait for the server's answer when a job is cancelled. */
const CANCEL_MS = 5000;

/** Makes pictures by the jobs of a Darkroom server. */
export class ServerBackend implements Backend {
  readonly defaultModel = "default";
  readonly #base: string;
  readonly #options: DarkroomServerOptions;

  constructor(options: DarkroomServerOptions) {
    const { baseURL } = options;
    const protocol = URL.canParse(baseURL) ? new URL(baseURL).protocol : undefined;
    if (protocol !== "http:" && protocol !== "https:") {
      const message = `baseURL is ${JSON.stringify(baseURL)}; expected the address of a Darkroom server, such as http://127.0.0.1:7860`;
      throw new InvalidArgumentError({ argument: "baseURL", message });
    }
    // Clients of OpenAI's API know the server by its address with /v1.
    this.#base = baseURL.replace(/\/+$/, "").replace(/\/v1$/, "");
    this.#options = options;
  }

  async makePictures(order: PictureOrder): Promise<MadePictures> {
    const { signal, headers } = order;
    signal?.throwIfAborted();
    const body = jobBody(order);
    // Without the signal: a job whose id never came could not be cancelled.
    const submitted = this.#send({ method: "POST", path: "/api/jobs", body, headers });
    const job = submitted.then(async (response) => (await this.#json(response)) as { id: string; model: string });
    const cancel = () => job.then(({ id }) => this.#cancel(id, headers));
    let isLive = true;
    try {
      const { id, model } = await unlessAborted(job, signal);
      const event = await this.#finalEvent(id, order);
      isLive = false;
      if (event.type !== "done") throw jobError(event, this.#url(`/api/jobs/${id}`), body);
      const { pictures, settings, warnings } = event.result;
      const files = pictures.map((picture) => this.#bytes({ method: "GET", path: `/files/${picture.id}`, headers, signal }));
      const bytes = await Promise.all(files);
      return {
        pictures: pictures.map((picture, i) => ({ ...picture, bytes: bytes[i] ?? new Uint8Array() })),
        model,
        settings,
        warnings,
        headers: Object.fromEntries((await submitted).headers),
      };
    } catch (error) {
      // A job that was not taken has nothing to cancel. The answer of a server that hangs is not waited for.
      if (isLive) await unlessAborted(cancel(), AbortSignal.timeout(CANCEL_MS)).catch(() => undefined);
      throw error;
    }
  }

  async sideOf({ model, headers, signal }: PictureOrder): Promise<number | undefined> {
    const response = await this.#send({ method: "GET", path: "/api/models", headers, signal });
    const found = (await this.#json(response)) as { default: string; models: { name: string; size?: number }[] };
    return found.models.find(({ name }) => name === (model ?? found.default))?.size;
  }

  async dispose(): Promise<void> {}

  /** Waits for a job's end, over lost connections. */
  async #finalEvent(id: string, { headers, signal }: PictureOrder): Promise<FinalEvent> {
    const path = `/api/jobs/${id}/events`;
    for (let failures = 0; ; ) {
      let problem = connectionError(this.#url(path), undefined, new Error("the stream of the job's events ended before the job"));
      try {
        const { body } = await this.#send({ method: "GET", path, headers, signal });
        const events = parseJsonEventStream({ stream: body ?? new ReadableStream(), schema: jsonSchema<FinalEvent>({}) });
        for await (const event of events) {
          failures = 0;
          if (event.success && ["done", "failed", "cancelled"].includes(event.value.type)) return event.value;
        }
      } catch (error) {
        signal?.throwIfAborted();
        problem = APICallError.isInstance(error) ? error : connectionError(this.#url(path), undefined, error);
        if (!problem.isRetryable) throw problem;
      }
      if (++failures > RECONNECTS) throw problem;
      await delay(RECONNECT_MS, signal && { abortSignal: signal });
    }
  }

  async #cancel(id: string, headers: Call["headers"]): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_MS);
    await this.#send({ method: "DELETE", path: `/api/jobs/${id}`, headers, signal });
  }

  async #bytes(call: Call): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#send(call)).arrayBuffer());
  }

  /** @throws APICallError unless the server says that all is well */
  async #send({ method, path, body, headers, signal }: Call): Promise<Response> {
    const url = this.#url(path);
    const { apiKey = environment("DARKROOM_API_KEY"), headers: own = {}, fetch = globalThis.fetch } = this.#options;
    const sent = new Headers({ ...(body && { "content-type": "application/json" }), ...(apiKey && { authorization: `Bearer ${apiKey}` }) });
    for (const [name, value] of [...Object.entries(own), ...Object.entries(headers)]) if (value !== undefined) sent.set(name, value);
    let response: Response;
    try {
      response = await fetch(url, { method, headers: sent, body: body ? JSON.stringify(body) : null, signal: signal ?? null });
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionError(url, body, error);
    }
    if (!response.ok) throw await statusError(url, body, response);
    return response;
  }

  async #json(response: Response): Promise<unknown> {
    try {
      return await response.json();
    } catch (cause) {
      throw notDarkroom(response, cause);
    }
  }

  #url(path: string): string {
    return this.#base + path;
  }
}

function jobBody({ model, request, output }: PictureOrder): object {
  const json = Object.entries(request).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? convertUint8ArrayToBase64(value) : value,
  ]);
  return { ...Object.fromEntries(json), ...(model !== undefined && { model }), ...output };
}

/** Where there is no environment, such as in a browser, nothing is set. */
function environment(name: string): string | undefined {
  return typeof process === "undefined" ? undefined : process.env?.[name];
}
