import { readFileSync } from "node:fs";
import { arch, cpus } from "node:os";

/** The instructions that Darkroom's speed depends on, by the flags of Linux. `avxvnni` tells a Zen 5 from a Zen 4. */
const X86_FLAGS: Readonly<Record<string, string>> = {
  avx2: "avx2",
  avx512f: "avx512",
  avx512_vnni: "vnni",
  avx_vnni: "avxvnni",
  avx512_bf16: "bf16",
  amx_tile: "amx",
};
const ARM_FLAGS: Readonly<Record<string, string>> = { asimddp: "dotprod", i8mm: "i8mm", bf16: "bf16", sve: "sve", sme: "sme" };

/**
 * The kind of a processor, such as `intel-avx512-vnni-bf16`: vendor, or architecture, and the instructions that matter. Processors of one
 * kind have nearly the same speed, in relation to a product on them. `cpuinfo` is the text of /proc/cpuinfo; without it the model is the
 * kind.
 */
export function processorKind(cpuinfo: string | undefined, model: string, architecture: string): string {
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(cpuinfo ?? "")?.[1]?.trim();
  const known = (table: Readonly<Record<string, string>>, flags: string) => {
    const given = new Set(flags.split(" "));
    return Object.entries(table).flatMap(([flag, name]) => (given.has(flag) ? [name] : []));
  };
  const x86 = field("flags");
  if (x86 !== undefined) {
    const names = known(X86_FLAGS, x86);
    const widest = names.includes("avx512") ? names.filter((name) => name !== "avx2") : names;
    return [vendor(field("vendor_id") ?? architecture), ...(widest.length > 0 ? widest : ["no-avx2"])].join("-");
  }
  const arm = field("Features");
  if (arm !== undefined) return [architecture, ...known(ARM_FLAGS, arm)].join("-");
  return `${architecture}-${model}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/-$/, "");
}

/** The kind of the processor that this process runs on. */
export function thisProcessorKind(): string {
  return processorKind(readCpuinfo(), cpus()[0]?.model.trim() ?? "unknown", arch());
}

function vendor(id: string): string {
  return { GenuineIntel: "intel", AuthenticAMD: "amd" }[id] ?? id.toLowerCase();
}

function readCpuinfo(): string | undefined {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return undefined;
  }
}
