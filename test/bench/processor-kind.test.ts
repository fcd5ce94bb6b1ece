import { expect, it } from "vitest";
import { processorKind } from "../../bench/processor-kind.js";

const x86 = (vendor: string, flags: string) =>
  `processor\t: 0\nvendor_id\t: ${vendor}\nmodel name\t: A Processor\nflags\t\t: fpu ${flags} erms\n`;

it.each([
  ["a Zen 3", x86("AuthenticAMD", "avx2"), "amd-avx2"],
  ["a Zen 4", x86("AuthenticAMD", "avx2 avx512f avx512_vnni avx512_bf16"), "amd-avx512-vnni-bf16"],
  ["a Zen 5", x86("AuthenticAMD", "avx2 avx512f avx512_vnni avx_vnni avx512_bf16"), "amd-avx512-vnni-avxvnni-bf16"],
  [
    "a Sapphire Rapids",
    x86("GenuineIntel", "avx2 avx512f avx512_vnni avx_vnni avx512_bf16 amx_tile"),
    "intel-avx512-vnni-avxvnni-bf16-amx",
  ],
  ["an old Intel", x86("GenuineIntel", "sse2 avx"), "intel-no-avx2"],
  ["a Graviton 3", "processor\t: 0\nFeatures\t: fp asimd asimddp sve i8mm bf16\n", "x64-dotprod-i8mm-bf16-sve"],
])("the kind of %s is its vendor and the instructions that matter", (_, cpuinfo, kind) => {
  expect(processorKind(cpuinfo, "A Processor", "x64")).toBe(kind);
});

it("without /proc/cpuinfo, the kind is the architecture and the model", () => {
  expect(processorKind(undefined, "Apple M2 (Pro)", "arm64")).toBe("arm64-apple-m2-pro");
});
