// A server as a process of its own. node program.mjs '{"folder": …, "port": …, "apiKeys": […]}'
import { startServer } from "darkroom-server";

const server = await startServer({
  ...JSON.parse(process.argv[2] ?? "{}"),
  offer: { runtime: { device: "cpu" } },
  onError: console.error,
});
process.once("SIGTERM", () => server.close());
