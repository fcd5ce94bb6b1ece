// The server's package contains the built page. npm builds workspaces in the order of their names, so packages/page is first.
import { cpSync, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = (path) => fileURLToPath(new URL(`../packages/${path}`, import.meta.url));

if (existsSync(folder("page/dist/index.html"))) cpSync(folder("page/dist"), folder("server/dist/page"), { recursive: true });
else console.warn("packages/page is not built: the server has no page");
