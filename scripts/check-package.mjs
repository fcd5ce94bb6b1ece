// The package as a user gets it: packed, installed into an empty folder, imported, and run from the command line.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "darkroom-package-"));
const run = (command, args, cwd = folder) => execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

try {
  // The build is there already: packing must not start it again.
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root));
  console.log(`packed ${packed.filename}: ${packed.files.length} files, ${(packed.size / 1e6).toFixed(1)} MB`);

  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  run("npm", ["install", "--no-audit", "--no-fund", "--onnxruntime-node-install=skip", join(folder, packed.filename)]);

  run("npx", ["darkroom", "generate", "a red apple on a blue background", "--steps", "4", "--seed", "0", "--out", "cli.png", "--quiet"]);
  const program = `import { DiffusionPipeline, EMBEDDED_CHECKPOINT } from "darkroom";
    const pipe = await DiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT);
    const { images } = await pipe.generate({ prompt: "a red apple on a blue background", numInferenceSteps: 4, seed: 0, guidanceScale: 5 });
    await images[0]?.save("api.png");
    await pipe.dispose();`;
  writeFileSync(join(folder, "api.mjs"), program);
  run("node", ["api.mjs"]);
  // The types as well, without the help of @types/node or skipLibCheck.
  writeFileSync(join(folder, "api.ts"), program);
  const tsc = join(root, "node_modules", ".bin", "tsc");
  run(tsc, ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom", "--types", "", "api.ts"]);
  for (const name of ["cli.png", "api.png"]) {
    if (statSync(join(folder, name)).size < 1000) throw new Error(`${name} is not a picture`);
  }
  console.log(
    `installed and run in an empty folder: ${readdirSync(folder)
      .filter((name) => name.endsWith(".png"))
      .join(", ")}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
