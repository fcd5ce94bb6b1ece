import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

// Prints the table of sizes of docs/models.md: npx tsx scripts/model-sizes.ts. Numbers of weights are those of the checkpoints' own
// configs, counted in Python (test/fixtures/full-size).

/** What is read of a network. */
interface Network {
  readonly parameters: number;
  readonly config: { readonly vocab_size?: number; readonly hidden_size?: number; readonly d_model?: number };
}

/** The networks of a model, by the names of their files in test/fixtures/full-size. */
interface Model {
  readonly name: string;
  readonly transformer: string;
  readonly textEncoders: readonly string[];
  /** Or its number of weights. */
  readonly vae: string | number;
}

const CLIP_AND_T5 = ["clip-l", "t5-xxl"];
const SD3_ENCODERS = ["clip-l", "clip-g", "t5-xxl"];

const MODELS: readonly Model[] = [
  { name: "Z-Image, Z-Image Turbo", transformer: "z-image_transformer", textEncoders: ["qwen3-4b"], vae: "flux_vae" },
  { name: "FLUX.2 klein 4B", transformer: "flux2-klein-4b_transformer", textEncoders: ["qwen3-4b"], vae: "flux2_vae" },
  { name: "FLUX.2 klein 9B", transformer: "flux2-klein-9b_transformer", textEncoders: ["qwen3-8b"], vae: "flux2_vae" },
  { name: "FLUX.1 schnell", transformer: "flux-schnell_transformer", textEncoders: CLIP_AND_T5, vae: "flux_vae" },
  { name: "FLUX.1 dev, Kontext, Fill", transformer: "flux-dev_transformer", textEncoders: CLIP_AND_T5, vae: "flux_vae" },
  { name: "Chroma", transformer: "chroma_transformer", textEncoders: ["t5-xxl"], vae: "flux_vae" },
  { name: "Stable Diffusion 3.5 large", transformer: "sd3.5-large_transformer", textEncoders: SD3_ENCODERS, vae: "sd3_vae" },
  { name: "Stable Diffusion 3.5 medium", transformer: "sd3.5-medium_transformer", textEncoders: SD3_ENCODERS, vae: "sd3_vae" },
  { name: "Stable Diffusion 3 medium", transformer: "sd3-medium_transformer", textEncoders: SD3_ENCODERS, vae: "sd3_vae" },
  { name: "Qwen-Image, Qwen-Image-Edit", transformer: "qwen-image_transformer", textEncoders: ["qwen2.5-vl-7b"], vae: 126_892_531 },
];

/** Bits of a weight: ggml's blocks of 32 weights have a scale of 16 bits. */
const FORMATS = { bf16: 16, fp8: 8, Q8_0: 8 + 16 / 32, Q4_0: 4 + 16 / 32 } as const;

/** The rows of the table. Autoencoders, CLIP, and the tables of tokens of the others stay in 16 bits. */
export function sizeRows(): readonly string[] {
  return MODELS.map(({ name, transformer, textEncoders, vae }) => {
    const networks = [transformer, ...textEncoders].map((each) => [each, read(each)] as const);
    const ofVae = typeof vae === "number" ? vae : read(vae).parameters;
    const all = networks.reduce((sum, [, { parameters }]) => sum + parameters, ofVae);
    const kept = networks.reduce((sum, [each, network]) => sum + keptOf(each, network), ofVae);
    const cells = Object.values(FORMATS).map((bits) => gigabytes(bits === 16 ? all * 2 : kept * 2 + ((all - kept) * bits) / 8));
    return `| ${[name, ...cells].join(" | ")} |`;
  });
}

/** Weights that no format changes. */
function keptOf(name: string, { parameters, config }: Network): number {
  if (name.startsWith("clip")) return parameters;
  const table = (config.vocab_size ?? 0) * (config.hidden_size ?? config.d_model ?? 0);
  // Qwen2.5-VL has its last layer, too.
  return name.startsWith("qwen2.5") ? table * 2 : table;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function read(name: string): Network {
  return JSON.parse(readFileSync(new URL(`../test/fixtures/full-size/${name}.json`, import.meta.url), "utf8"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const heads = ["model", ...Object.keys(FORMATS)];
  console.log([`| ${heads.join(" | ")} |`, `|${"---|".repeat(heads.length)}`, ...sizeRows()].join("\n"));
}
