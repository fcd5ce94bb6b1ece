import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ArgumentError } from "darkroom";

/** Connections that are not ended by then are cut. */
const CLOSE_MS = 5_000;

/** Lets a server listen, and returns its port. @throws ArgumentError if it cannot listen there */
export async function listen(server: Server, host: string, port: number): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, host, port);
  }
  return (server.address() as AddressInfo).port;
}

/** Takes no more connections, and resolves when all have ended. */
export async function stopListening(server: Server): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeIdleConnections();
  });
  clearTimeout(timer);
}

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): ArgumentError {
  switch (cause.code) {
    case "EADDRINUSE":
      return new ArgumentError(`port ${port} of ${host} is in use`, {
        argument: "port",
        hint: "another server may run already; stop it, or choose another port",
        cause,
      });
    case "EACCES":
      return new ArgumentError(`port ${port} is not allowed: ${cause.message}`, { argument: "port", hint: "try a port above 1023", cause });
    case "ERR_SOCKET_BAD_PORT":
      return new ArgumentError(`port is ${port}; expected a whole number from 0 to 65535`, { argument: "port", cause });
    default:
      return new ArgumentError(`the server cannot listen on ${host}: ${cause.message}`, {
        argument: "host",
        hint: "give an address of this machine: 127.0.0.1, or 0.0.0.0 for all",
        cause,
      });
  }
}
