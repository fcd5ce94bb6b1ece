// A server as a process of its own. node --import tsx server-program.ts '{"folder": …, "port": …, "apiKeys": […]}'
import { startServer } from "../src/index.js";

const server = await startServer({ ...JSON.parse(process.argv[2] ?? "{}"), offer: { runtime: { device: "cpu" } }, onError: console.error });
process.once("SIGTERM", () => server.close());
