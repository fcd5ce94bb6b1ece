import { once } from "node:events";
import { type Command, Option } from "commander";
import { real, whole } from "../options/fields.js";
import { dataFolder } from "./data-folder.js";
import { outliveExceptions } from "./outlive-exceptions.js";
import { loadServer } from "./server-module.js";
import {
  addModelOptions,
  addRequestOptions,
  addRunOptions,
  addStorageOptions,
  apiKeysOf,
  limitsOf,
  type RequestOptions,
  runOptionsOf,
  type SharedOptions,
} from "./server-options.js";
import { number, repeated, wholeNumber } from "./values.js";

interface ServeOptions extends SharedOptions, RequestOptions {
  readonly port: number;
  readonly host: string;
  readonly apiKey?: readonly string[];
  readonly apiKeyFile?: string;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
  readonly workerTimeout?: number;
}

/** `darkroom serve` answers clients of OpenAI's, AUTOMATIC1111's and Hugging Face's image APIs until it is stopped. */
export function addServe(program: Command, signal: AbortSignal): void {
  const serve = program.command("serve").description("serve pictures over HTTP");
  addModelOptions(serve.optionsGroup("Models:"));
  addAccessOptions(serve.optionsGroup("Server:"));
  addStorageOptions(serve.optionsGroup("Storage:"), `queue and pictures (default: ${dataFolder()})`);
  serve.option(
    "--worker-timeout <s>",
    "seconds until jobs of a model without worker fail (default: 120)",
    number("workerTimeout", real(0)),
  );
  addRunOptions(serve.optionsGroup("Running:"), 0);
  addRequestOptions(serve.optionsGroup("Limits:"));
  serve
    .optionsGroup("Other:")
    .option("--verbose", "show the stack of an error")
    .addHelpOption(new Option("-h, --help", "show this").helpGroup("Other:"))
    .action(async (options: ServeOptions) => {
      const apiKeys = apiKeysOf(options);
      const server = await loadServer("serve");
      const { queue, port, host, allowHost, allowOrigin, maxWaiting, keepJobs, keepDays, workerTimeout } = options;
      // What servers and workers share must be where all of them find it.
      const folder = options.folder ?? (queue === undefined ? dataFolder() : undefined);
      const run = await runOptionsOf(server, options);
      const { address, close } = await server.startServer({
        ...run,
        ...{ folder, queue, host, port, apiKeys, maxWaiting, keepJobs, keepDays, workerTimeout },
        allowedHosts: allowHost,
        allowedOrigins: allowOrigin,
        limits: limitsOf(options),
      });
      const endGuard = outliveExceptions(run.onError);
      const models = run.offer.models.map(({ name }) => name);
      process.stdout.write(
        `${greeting({ address: callable(address), models, places: placesOf({ ...options, folder }), needsKey: apiKeys.length > 0 })}\n`,
      );
      if (!signal.aborted) await once(signal, "abort");
      await close({ grace: options.grace });
      endGuard();
    });
}

function addAccessOptions(serve: Command): void {
  const asIs = repeated((text) => text);
  serve
    .option("--port <n>", "0: any that is free", wholeNumber("port", whole(0, 65_535)), 7860)
    .option("--host <address>", "where to listen; 0.0.0.0: everywhere, with a key", "127.0.0.1")
    .option("--api-key <key>", "that callers need; repeatable (DARKROOM_API_KEYS)", asIs)
    .option("--api-key-file <file>", "keys, one in each line")
    .option("--allow-host <name>", "name of the server for callers; repeatable", asIs)
    .option("--allow-origin <url>", "website whose pages may call; repeatable", asIs);
}

interface Facts {
  readonly address: string;
  readonly models: readonly string[];
  readonly places: readonly (readonly [label: string, place: string])[];
  readonly needsKey: boolean;
}

/** What a server prints when it is ready: where it is, and how to call it. */
export function greeting({ address, models, places, needsKey }: Facts): string {
  const key = needsKey ? "-H 'Authorization: Bearer KEY' " : "";
  const rows = [
    ["page", `${address}/`],
    ["curl", `curl ${address}/hf ${key}-d '{"inputs": "a red fox"}' -o fox.png`],
    ["openai", `new OpenAI({ baseURL: "${address}/v1", apiKey: "${needsKey ? "KEY" : "none"}" })`],
    ["models", models.length === 0 ? "the embedded checkpoint" : models.join(", ")],
    ...places,
  ];
  return [`darkroom listens on ${address}`, ...rows.map(([label = "", text]) => `  ${label.padEnd(8)}${text}`), "Ctrl-C stops it"].join(
    "\n",
  );
}

/** Where queue and pictures are. The queue's address can have a password in it. */
function placesOf({ queue, bucket, folder }: SharedOptions): [label: string, place: string][] {
  return [
    ...(queue === undefined ? [] : [["queue", URL.canParse(queue) ? new URL(queue).host : queue] as [string, string]]),
    ...(bucket === undefined ? [] : [["bucket", bucket] as [string, string]]),
    ...(folder === undefined ? [] : [["folder", folder] as [string, string]]),
  ];
}

/** An address for all of this machine's addresses is none that can be called. */
function callable(address: string): string {
  return address.replace(/\/\/(0\.0\.0\.0|\[::\]):/, "//localhost:");
}
