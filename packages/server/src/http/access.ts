import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { getConnInfo } from "@hono/node-server/conninfo";
import { ArgumentError } from "darkroom";
import type { AppContext } from "./server-context.js";

/** Who may call the server, and from where. */
export interface AccessOptions {
  /** The address that the server listens on; 127.0.0.1 by default. */
  readonly host?: string | undefined;
  /** Keys of callers, as Bearer tokens or as passwords. Without any, everybody may call a server on this machine. */
  readonly apiKeys?: readonly string[] | undefined;
  /**
   * Names under which the server is known, for the Host header: "images.example.com"; "*" for all. Those of this machine are always
   * allowed.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Other websites whose pages may call it: "https://chat.example.com". None by default. */
  readonly allowedOrigins?: readonly string[] | undefined;
}

/** The rules of access. */
export class Access {
  private readonly keyHashes: readonly Buffer[];
  private readonly isLocal: boolean;
  private readonly hosts: ReadonlySet<string>;
  private readonly origins: ReadonlySet<string>;

  constructor({ host = "127.0.0.1", apiKeys = [], allowedHosts = [], allowedOrigins = [] }: AccessOptions = {}) {
    // An empty key would let in who sends none.
    if (apiKeys.some((key) => !/^[\x21-\x7e]+$/.test(key))) {
      throw new ArgumentError("an API key is empty, or has blanks or letters that headers cannot hold", { argument: "apiKeys" });
    }
    this.keyHashes = apiKeys.map(sha256);
    this.isLocal = isLoopback(host);
    this.hosts = new Set([host.toLowerCase(), ...allowedHosts.map(expectHost)]);
    this.origins = new Set(allowedOrigins.map(expectOrigin));
  }

  /** Whether callers need a key. Jobs then belong to their keys. */
  get needsKey(): boolean {
    return this.keyHashes.length > 0;
  }

  /**
   * Whether a Host header is one of ours. A web page can reach this machine by a name of its own that points here (DNS rebinding); it
   * cannot change the header. Addresses in numbers cannot be used for that.
   */
  allowsHost(header: string | undefined): boolean {
    if (this.hosts.has("*")) return true;
    const name = hostName(header ?? "");
    if (name === undefined) return false;
    return isLoopback(name) || this.hosts.has(name) || (!this.isLocal && isIP(name) !== 0);
  }

  /** Whether a page of this origin may call: a page of the server itself, or one that is allowed by name. */
  allowsOrigin(origin: string, host: string | undefined): boolean {
    return this.isAllowedOrigin(origin) || (host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase());
  }

  /** Whether answers may be read by a page of this origin (CORS). */
  isAllowedOrigin(origin: string): boolean {
    return this.origins.has(origin.toLowerCase());
  }

  /**
   * The owner's name for the key in an Authorization header; undefined if it is none of ours. The key itself is not in the name: names are
   * stored.
   */
  ownerOf(authorization: string | undefined): string | undefined {
    const key = givenKey(authorization);
    if (key === undefined) return undefined;
    const hash = sha256(key);
    // Every key is compared, so that the time tells nothing.
    const matches = this.keyHashes.map((each) => timingSafeEqual(each, hash));
    return matches.includes(true) ? `key:${hash.toString("hex").slice(0, 16)}` : undefined;
  }
}

/** Whether a name or an address is that of this machine. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, "");
  return name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));
}

/** The caller's name where no keys are needed. */
export function addressOf(c: AppContext): string {
  // There is no connection in tests that call the app itself.
  const address = c.env?.incoming ? getConnInfo(c as Parameters<typeof getConnInfo>[0]).remote.address : undefined;
  return `address:${address ?? "none"}`;
}

/** A name as Host headers have it, without the port: another text would never match. */
function expectHost(given: string): string {
  const name = given === "*" ? given : hostName(given);
  if (name !== undefined) return name;
  throw new ArgumentError((option) => `${option("allowedHosts")} has ${JSON.stringify(given)}; expected a name or an address only`, {
    argument: "allowedHosts",
    hint: "such as images.example.com; * for all names",
  });
}

/** An origin as browsers send it: another text would never match. */
function expectOrigin(given: string): string {
  const origin = given.toLowerCase().replace(/\/$/, "");
  if (URL.canParse(origin) && new URL(origin).origin === origin) return origin;
  throw new ArgumentError((option) => `${option("allowedOrigins")} has ${JSON.stringify(given)}; expected scheme and name without a path`, {
    argument: "allowedOrigins",
    hint: "such as https://chat.example.com",
  });
}

/** The name in a Host header, without the port. */
function hostName(header: string): string | undefined {
  const [, ipv6, name] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@]+))(?::\d{1,5})?$/.exec(header.toLowerCase()) ?? [];
  return ipv6 ?? name?.replace(/\.$/, "");
}

function givenKey(authorization = ""): string | undefined {
  const [, scheme = "", value = ""] = /^(\S+) +(\S+) *$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return undefined;
  const pair = Buffer.from(value, "base64").toString("utf8");
  return pair.includes(":") ? pair.slice(pair.indexOf(":") + 1) : undefined;
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
