import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ArgumentError,
  AutoencoderKL,
  CLIPImageProcessor,
  CLIPTokenizer,
  ControlNetModel,
  concat,
  DDIMScheduler,
  DiffusionPipeline,
  EulerDiscreteScheduler,
  extractLoraTags,
  formatParameters,
  Generator,
  GrayPicture,
  gridShape,
  inspect,
  listCachedRepositories,
  loadImage,
  makeImageGrid,
  Picture,
  parseParameters,
  parseSeed,
  rand,
  randint,
  randn,
  randnPerImage,
  readPngText,
  removeCachedRepository,
  resize,
  resolveScheduler,
  type SchedulerClass,
  StableDiffusionControlNetPipeline,
  StableDiffusionImg2ImgPipeline,
  StableDiffusionInpaintPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLPipeline,
  schedulerFromConfig,
  setWarningHandler,
  Tensor,
  toGray,
  toRgb,
  UNet2DConditionModel,
  UNet2DModel,
  VaeImageProcessor,
  weightedSum,
} from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";

let sd: StableDiffusionPipeline;
let xl: StableDiffusionXLPipeline;
let tokenizer: CLIPTokenizer;
let controlnet: ControlNetModel;
let unconditional: UNet2DModel;

beforeAll(async () => {
  sd = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device: "cpu" });
  xl = await StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device: "cpu" });
  tokenizer = sd.tokenizer;
  controlnet = await ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device: "cpu" });
  unconditional = await UNet2DModel.fromPretrained(checkpoint("ddpm-mini"), { subfolder: "unet", device: "cpu" });
});
afterAll(async () => {
  await sd.dispose();
  await xl.dispose();
  await controlnet.dispose();
  await unconditional.dispose();
});

/** Values that may be given in place of the right one. */
const ANYTHING: readonly unknown[] = [
  undefined,
  null,
  5,
  Number.NaN,
  5n,
  "20",
  "",
  true,
  Symbol("s"),
  () => 1,
  [],
  [null],
  [1, "a"],
  {},
  { steps: 3 },
  Object.create(null),
  new Date(),
  new Map(),
  Promise.resolve(1),
  Picture,
  Tensor.zeros([2]),
  new Picture(1, 1, new Uint8Array(3)),
];

/** A function of the public surface, called with anything as one of its arguments. */
type Call = readonly [name: string, call: (value: never) => unknown];

const PIPE = checkpoint("sd1-mini");
const SAMPLE = Tensor.zeros([1, 4, 8, 8]);
const CONDITIONS = { encoderHiddenStates: Tensor.zeros([1, 77, 32]) };

const CALLS: readonly Call[] = [
  ["generate(x)", (x) => sd.generate(x)],
  ["XL generate(x)", (x) => xl.generate(x)],
  ["encodePrompt(x)", (x) => sd.encodePrompt(x)],
  ["XL encodePrompt(x)", (x) => xl.encodePrompt(x)],
  ["steps(x).next()", (x) => sd.steps(x).next()],
  ["new StableDiffusionPipeline(x)", (x) => new StableDiffusionPipeline(x)],
  ["new StableDiffusionXLPipeline(x)", (x) => new StableDiffusionXLPipeline(x)],
  ["new StableDiffusionControlNetPipeline(x)", (x) => new StableDiffusionControlNetPipeline(x)],
  ["pipe.scheduler = x", (x) => Object.assign(sd, { scheduler: x })],
  ["DiffusionPipeline.fromPretrained(x)", (x) => DiffusionPipeline.fromPretrained(x)],
  ["fromPretrained(x)", (x) => StableDiffusionPipeline.fromPretrained(x)],
  ["fromSingleFile(x)", (x) => StableDiffusionPipeline.fromSingleFile(x)],
  ["UNet fromPretrained(x)", (x) => UNet2DConditionModel.fromPretrained(x)],
  ["AutoencoderKL.fromSingleFile(x)", (x) => AutoencoderKL.fromSingleFile(x)],
  ["scheduler fromPretrained(x)", (x) => DDIMScheduler.fromPretrained(x)],
  ["CLIPTokenizer.fromPretrained(x)", (x) => CLIPTokenizer.fromPretrained(x)],
  ["CLIPImageProcessor.fromPretrained(x)", (x) => CLIPImageProcessor.fromPretrained(x)],
  ["loadLoraWeights(x)", (x) => sd.loadLoraWeights(x)],
  ["loadLoraWeights(path, x)", (x) => sd.loadLoraWeights("none.safetensors", x)],
  ["setAdapters(x)", (x) => sd.setAdapters(x)],
  ["deleteAdapters(x)", (x) => sd.deleteAdapters(x)],
  ["fuseLora(x)", (x) => sd.fuseLora(x)],
  ["unfuseLora(x)", (x) => sd.unfuseLora(x)],
  ["loadTextualInversion(x)", (x) => sd.loadTextualInversion(x)],
  ["loadTextualInversion(path, x)", (x) => sd.loadTextualInversion("none.safetensors", x)],
  ["unloadTextualInversion(x)", (x) => sd.unloadTextualInversion(x)],
  ["enableAttentionSlicing(x)", (x) => sd.enableAttentionSlicing(x)],
  ["setTimesteps(x)", (x) => new DDIMScheduler().setTimesteps(x)],
  ["fromConfig(x)", (x) => EulerDiscreteScheduler.fromConfig(x)],
  ["fromConfig(config, x)", (x) => EulerDiscreteScheduler.fromConfig({}, x)],
  ["new DDIMScheduler(x)", (x) => new DDIMScheduler(x)],
  ["resolveScheduler(x)", (x) => resolveScheduler(x)],
  ["randn(x)", (x) => randn(x)],
  ["randn([1], x)", (x) => randn([1], x)],
  ["randn([1], g, x)", (x) => randn([1], new Generator(0), x)],
  ["rand(x)", (x) => rand(x)],
  ["randint(0, 2, x)", (x) => randint(0, 2, x)],
  ["randint(x)", (x) => randint(x, 2, [1])],
  ["randnPerImage([1], x)", (x) => randnPerImage([1, 2], x)],
  ["new Generator(x)", (x) => new Generator(x)],
  ["parseSeed(x)", (x) => parseSeed(x)],
  ["loadImage(x)", (x) => loadImage(x)],
  ["save(x)", (x) => new Picture(1, 1, new Uint8Array(3)).save(x)],
  ["save(path, x)", (x) => new Picture(1, 1, new Uint8Array(3)).save("/nowhere/at/all.png", x)],
  ["encode(x)", (x) => new Picture(1, 1, new Uint8Array(3)).encode(x)],
  ["new Picture(1, 1, x)", (x) => new Picture(1, 1, x)],
  ["Picture.fromTensor(x)", (x) => Picture.fromTensor(x)],
  ["resize(x)", (x) => resize(x, 2, 2)],
  ["resize(p, 2, 2, x)", (x) => resize(new Picture(1, 1, new Uint8Array(3)), 2, 2, x)],
  ["toGray(x)", (x) => toGray(x)],
  ["toRgb(x)", (x) => toRgb(x)],
  ["makeImageGrid(x)", (x) => makeImageGrid(x, 1, 1)],
  ["gridShape(x)", (x) => gridShape(x)],
  ["new VaeImageProcessor(x)", (x) => new VaeImageProcessor(x)],
  ["preprocess(x)", (x) => new VaeImageProcessor().preprocess(x)],
  ["preprocess(p, x)", (x) => new VaeImageProcessor().preprocess(new Picture(8, 8, new Uint8Array(192)), x)],
  ["inspect(x)", (x) => inspect(x)],
  ["inspect(path, x)", (x) => inspect(PIPE, x)],
  ["listCachedRepositories(x)", (x) => listCachedRepositories(x)],
  ["removeCachedRepository(x)", (x) => removeCachedRepository(x)],
  ["removeCachedRepository(id, x)", (x) => removeCachedRepository("no/such", x)],
  ["tokenize(x)", (x) => tokenizer.tokenize(x)],
  ["tokenize(text, x)", (x) => tokenizer.tokenize("a", x)],
  ["extractLoraTags(x)", (x) => extractLoraTags(x)],
  ["unet.forward(x)", (x) => sd.unet.forward(x, 1, CONDITIONS)],
  ["unet.forward(sample, x)", (x) => sd.unet.forward(SAMPLE, x, CONDITIONS)],
  ["unet.forward(sample, 1, x)", (x) => sd.unet.forward(SAMPLE, 1, x)],
  ["unet.forward(sample, 1, { encoderHiddenStates: x })", (x) => sd.unet.forward(SAMPLE, 1, { encoderHiddenStates: x })],
  ["unet.forward(sample, 1, { cacheBranch: x })", (x) => sd.unet.forward(SAMPLE, 1, { ...CONDITIONS, cacheBranch: x })],
  ["XL unet.forward(sample, 1, { addedCond: x })", (x) => xl.unet.forward(SAMPLE, 1, { ...CONDITIONS, addedCond: x })],
  ["vae.encode(x)", (x) => sd.vae.encode(x)],
  ["vae.decode(x)", (x) => sd.vae.decode(x)],
  ["textEncoder.forward(x)", (x) => sd.textEncoder.forward(x)],
  ["textEncoder.forward(ids, x)", (x) => sd.textEncoder.forward(Tensor.zeros([1, 2]).to("int64"), x)],
  ["ControlNet forward(x)", (x) => controlnet.forward(x, 1, { ...CONDITIONS, controlnetCond: SAMPLE })],
  ["ControlNet forward(sample, 1, x)", (x) => controlnet.forward(SAMPLE, 1, x)],
  ["UNet2DModel forward(x)", (x) => unconditional.forward(x, 1)],
  ["UNet2DModel forward(sample, 1, x)", (x) => unconditional.forward(SAMPLE, 1, x)],
  ["schedulerFromConfig(x)", (x) => schedulerFromConfig(x)],
  ["schedulerFromConfig({ _className: x })", (x) => schedulerFromConfig({ _className: x })],
  ["formatParameters(x)", (x) => formatParameters(x)],
  ["parseParameters(x)", (x) => parseParameters(x)],
  ["readPngText(x)", (x) => readPngText(x)],
  ["setWarningHandler(x)", (x) => setWarningHandler(setWarningHandler(x))],
  ["new Picture(x, 1, bytes)", (x) => new Picture(x, 1, new Uint8Array(3))],
  ["new GrayPicture(1, x, bytes)", (x) => new GrayPicture(1, x, new Uint8Array(1))],
  ["makeImageGrid(pictures, x, 1)", (x) => makeImageGrid([new Picture(1, 1, new Uint8Array(3))], x, 1)],
  ["resize(p, x, 2)", (x) => resize(new Picture(1, 1, new Uint8Array(3)), x, 2)],
  ["CLIPImageProcessor.preprocess(x)", (x) => new CLIPImageProcessor().preprocess(x)],
  ["new Tensor(x, shape, data)", (x) => new Tensor(x, [1], new Float32Array(1) as never)],
  ["new Tensor(dtype, x, data)", (x) => new Tensor("float32", x, new Float32Array(1))],
  ["new Tensor(dtype, shape, x)", (x) => new Tensor("float32", [1], x)],
  ["Tensor.from(x)", (x) => Tensor.from(x)],
  ["Tensor.from(values, x)", (x) => Tensor.from([1], x)],
  ["Tensor.full(x, 1)", (x) => Tensor.full(x, 1)],
  ["Tensor.full([1], x)", (x) => Tensor.full([1], x)],
  ["Tensor.zeros(x)", (x) => Tensor.zeros(x)],
  ["concat(x)", (x) => concat(x)],
  ["concat([t], x)", (x) => concat([SAMPLE], x)],
  ["concat([t, x])", (x) => concat([SAMPLE, x])],
  ["weightedSum(x)", (x) => weightedSum(x)],
  ["weightedSum([x, t])", (x) => weightedSum([x, SAMPLE])],
  ["weightedSum([1, x])", (x) => weightedSum([1, x])],
  ["sum([], x)", (x) => SAMPLE.sum([], x)],
  ["mean([], { keepdim: x })", (x) => SAMPLE.mean([], { keepdim: x })],
  ["std(0, { correction: x })", (x) => SAMPLE.std(0, { correction: x })],
  ["clamp(0, x)", (x) => SAMPLE.clamp(0, x)],
  ["slice(0, x)", (x) => SAMPLE.slice(0, x)],
  ["slice(0, 1, x)", (x) => SAMPLE.slice(0, 1, x)],
  ["chunk(1, x)", (x) => SAMPLE.chunk(1, x)],
  ...(
    [
      "reshape",
      "permute",
      "squeeze",
      "unsqueeze",
      "slice",
      "chunk",
      "repeatInterleave",
      "to",
      "add",
      "sub",
      "mul",
      "div",
      "clamp",
      "sum",
      "mean",
      "std",
    ] as const
  ).map((name): Call => [`tensor.${name}(x)`, (x) => (SAMPLE[name] as (value: never) => unknown).call(SAMPLE, x)]),
  ...["euler", "ddim", "ddpm", "pndm", "lcm", "edm-euler", "flow-heun"].flatMap((name) => callsOf(resolveScheduler(name).class)),
];

/** Every method of a scheduler; the arguments are checked by the base class. */
function callsOf(type: SchedulerClass): Call[] {
  const ready = () => {
    const scheduler = new type();
    scheduler.setTimesteps(4);
    return { scheduler, timestep: scheduler.timesteps[0] as number };
  };
  const step = (options: object) => {
    const { scheduler, timestep } = ready();
    return scheduler.step(SAMPLE, timestep, SAMPLE, options);
  };
  const calls: Record<string, Call[1]> = {
    "step(x, t, sample)": (x) => ready().scheduler.step(x, ready().timestep, SAMPLE),
    "step(output, x, sample)": (x) => ready().scheduler.step(SAMPLE, x, SAMPLE),
    "step(output, t, x)": (x) => ready().scheduler.step(SAMPLE, ready().timestep, x),
    "step(output, t, sample, x)": (x) => step(x),
    "scaleModelInput(x, t)": (x) => ready().scheduler.scaleModelInput(x, ready().timestep),
    "scaleModelInput(sample, x)": (x) => ready().scheduler.scaleModelInput(SAMPLE, x),
    "addNoise(x, noise, [t])": (x) => ready().scheduler.addNoise(x, SAMPLE, [ready().timestep]),
    "addNoise(sample, x, [t])": (x) => ready().scheduler.addNoise(SAMPLE, x, [ready().timestep]),
    "addNoise(sample, noise, x)": (x) => ready().scheduler.addNoise(SAMPLE, SAMPLE, x),
    "addNoise(sample, noise, [x])": (x) => ready().scheduler.addNoise(SAMPLE, SAMPLE, [x]),
    "getVelocity(x, noise, [1])": (x) => ready().scheduler.getVelocity?.(x, SAMPLE, [1]),
    "getVelocity(sample, noise, x)": (x) => ready().scheduler.getVelocity?.(SAMPLE, SAMPLE, x),
    "setBeginIndex(x)": (x) => ready().scheduler.setBeginIndex?.(x),
  };
  for (const option of ["generator", "eta", "varianceNoise", "sChurn", "sTmax", "order", "predOriginalSample", "perTokenTimesteps"]) {
    calls[`step(output, t, sample, { ${option}: x })`] = (x) => step({ [option]: x });
  }
  return Object.entries(calls).map(([name, call]) => [`${type.className} ${name}`, call]);
}

/** The error of a call; undefined if there is none. */
async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("a tensor's options", () => {
  it("are refused by name if they are misspelt", () => {
    expect(() => SAMPLE.mean(0, { keepDim: true } as never)).toThrow(
      new ArgumentError("there is no option keepDim", { argument: "keepDim", hint: "the options are keepdim" }),
    );
  });
});

describe("anything in place of an argument", () => {
  it.each(CALLS)("ends in a result or a typed error, never in a TypeError: %s", async (_, call) => {
    const untyped: string[] = [];
    for (const value of ANYTHING) {
      const error = await errorOf(() => call(value as never));
      if (error !== undefined && !isTyped(error)) untyped.push(`${String(typeof value)} ${nameOf(value)}: ${error}`);
    }
    expect(untyped).toEqual([]);
  });
});

function isTyped(error: unknown): boolean {
  return (
    error instanceof Error &&
    error.name.endsWith("Error") &&
    !["TypeError", "RangeError", "ReferenceError", "Error", "SyntaxError"].includes(error.name)
  );
}

function nameOf(value: unknown): string {
  return value === null ? "null" : typeof value === "object" ? (value.constructor?.name ?? "bare object") : typeof value;
}

describe("anything as the value of an option", () => {
  const image = Tensor.zeros([1, 3, 16, 16]);

  it.each([
    ["StableDiffusionPipeline", () => sd, {}],
    ["StableDiffusionXLPipeline", () => xl, {}],
    ["StableDiffusionImg2ImgPipeline", () => new StableDiffusionImg2ImgPipeline({ ...sd }), { image }],
    ["StableDiffusionInpaintPipeline", () => new StableDiffusionInpaintPipeline({ ...sd }), { image, maskImage: image }],
  ] as const)("is an ArgumentError that names the option, or is taken: %s.generate", async (_, open, given) => {
    const pipe = open() as StableDiffusionPipeline;
    const { fields } = pipe as unknown as { fields: Record<string, unknown> };
    const untyped: string[] = [];
    for (const option of Object.keys(fields)) {
      for (const value of ANYTHING) {
        const signal = AbortSignal.abort(new ArgumentError("taken"));
        const request = { prompt: "a", ...given, ...(option !== "signal" && { signal }), [option]: value };
        const run = pipe.steps(request as never);
        const error = await errorOf(() => run.next());
        if (error !== undefined && !(error instanceof ArgumentError)) untyped.push(`${option}: ${nameOf(value)}: ${error}`);
      }
    }
    expect(untyped).toEqual([]);
  });

  it.each([
    "device",
    "deviceId",
    "lowMemory",
    "precision",
    "variant",
    "config",
    "revision",
    "token",
    "cacheDir",
    "localFilesOnly",
    "onProgress",
    "signal",
    "predictionType",
    "timestepSpacing",
    "concurrency",
    "vae",
    "unet",
    "scheduler",
    "textEncoder",
    "tokenizer",
    "safetyChecker",
    "featureExtractor",
    "controlnet",
    "textEncoder2",
  ])("is typed in fromPretrained too: %s", async (option) => {
    const untyped: string[] = [];
    for (const value of ANYTHING) {
      const error = await errorOf(() => DiffusionPipeline.fromPretrained("no-such-folder", { [option]: value } as never));
      if (!isTyped(error)) untyped.push(`${nameOf(value)}: ${error}`);
    }
    expect(untyped).toEqual([]);
  });
});
