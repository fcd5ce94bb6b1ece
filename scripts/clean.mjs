// A build must not carry files whose source is gone. `npm run` starts a script in its package's folder.
import { rmSync } from "node:fs";
import { join } from "node:path";

rmSync(join(process.cwd(), "dist"), { recursive: true, force: true });
