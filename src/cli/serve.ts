import { once } from "node:events";
import { type Command, Option } from "commander";
import { whole } from "../options/fields.js";
import { dataFolder } from "./data-folder.js";
import { loadServer } from "./server-module.js";
import {
  addModelOptions,
  addRequestOptions,
  addRunOptions,
  apiKeysOf,
  limitsOf,
  type ModelOptions,
  type RequestOptions,
  runOptionsOf,
} from "./server-options.js";
import { repeated, wholeNumber } from "./values.js";

interface ServeOptions extends ModelOptions, RequestOptions {
  readonly port: number;
  readonly host: string;
  readonly folder?: string;
  readonly apiKey?: readonly string[];
  readonly apiKeyFile?: string;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
}

/** `darkroom serve` answers clients of OpenAI's, AUTOMATIC1111's and Hugging Face's image APIs until it is stopped. */
export function addServe(program: Command, signal: AbortSignal): void {
  const serve = program.command("serve").description("serve pictures over HTTP");
  addModelOptions(serve.optionsGroup("Models:"));
  addAccessOptions(serve.optionsGroup("Server:"));
  addRunOptions(serve.optionsGroup("Running:"));
  addRequestOptions(serve.optionsGroup("Limits:"));
  serve
    .optionsGroup("Other:")
    .option("--verbose", "show the stack of an error")
    .addHelpOption(new Option("-h, --help", "show this").helpGroup("Other:"))
    .action(async (options: ServeOptions) => {
      const apiKeys = apiKeysOf(options);
      const server = await loadServer("serve");
      const { port, host, folder = dataFolder(), allowHost, allowOrigin, maxWaiting, keepJobs, keepDays } = options;
      const run = runOptionsOf(server, options);
      const { address, close } = await server.startServer({
        ...run,
        ...{ folder, host, port, apiKeys, maxWaiting, keepJobs, keepDays },
        allowedHosts: allowHost,
        allowedOrigins: allowOrigin,
        limits: limitsOf(options),
      });
      const models = run.offer.models.map(({ name }) => name);
      process.stdout.write(`${greeting({ address: callable(address), models, folder, needsKey: apiKeys.length > 0 })}\n`);
      if (!signal.aborted) await once(signal, "abort");
      await close();
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
    .option("--allow-origin <url>", "website whose pages may call; repeatable", asIs)
    .option("--folder <dir>", `for queue and pictures (default: ${dataFolder()})`)
    .option("--slots <n>", "jobs at a time, each in a process (default: 1)", wholeNumber("slots", whole(1)));
}

interface Facts {
  readonly address: string;
  readonly models: readonly string[];
  readonly folder: string;
  readonly needsKey: boolean;
}

/** What a server prints when it is ready: where it is, and how to call it. */
export function greeting({ address, models, folder, needsKey }: Facts): string {
  const key = needsKey ? "-H 'Authorization: Bearer KEY' " : "";
  const rows = [
    ["page", `${address}/`],
    ["curl", `curl ${address}/hf ${key}-d '{"inputs": "a red fox"}' -o fox.png`],
    ["openai", `new OpenAI({ baseURL: "${address}/v1", apiKey: "${needsKey ? "KEY" : "none"}" })`],
    ["models", models.length === 0 ? "the embedded checkpoint" : models.join(", ")],
    ["folder", folder],
  ];
  return [`darkroom listens on ${address}`, ...rows.map(([label = "", text]) => `  ${label.padEnd(8)}${text}`), "Ctrl-C stops it"].join(
    "\n",
  );
}

/** An address for all of this machine's addresses is none that can be called. */
function callable(address: string): string {
  return address.replace(/\/\/(0\.0\.0\.0|\[::\]):/, "//localhost:");
}
