import type { Engine } from "../../src/runtime/engine.js";
import type { Darkroom } from "./site.js";

/** Where networks are, and their folders there with the names of their classes. */
export interface NetworkRuns {
  readonly root: string;
  readonly device: "cpu" | "wasm";
  readonly networks: readonly (readonly [folder: string, className: string])[];
}

/** What is used of a network's config. */
interface Config {
  readonly [name: string]: unknown;
  readonly inChannels?: number;
}

/**
 * Opens each network and runs it once on made-up inputs, two rows of 8 x 12 latents or as its config asks. Gives the numbers of all
 * outputs, by the folder; or what was thrown. Node and a page call this very function, so nothing outside it may be used.
 */
export async function runNetworks({ Tensor, ...lib }: Darkroom, { root, device, networks }: NetworkRuns) {
  const draw = (...shape: number[]) => {
    const size = shape.reduce((product, side) => product * side, 1);
    // In 0..1, as pictures; irregular.
    return Tensor.from(
      Float32Array.from({ length: size }, (_, i) => 0.5 + 0.5 * Math.sin(12.9898 * (i + size) + (i % 7))),
      shape,
    );
  };
  const wholes = (shape: number[], at: (i: number) => number) => {
    const size = shape.reduce((product, side) => product * side, 1);
    return new Tensor(
      "int64",
      shape,
      BigInt64Array.from({ length: size }, (_, i) => BigInt(at(i))),
    );
  };
  const numbersOf = (output: unknown): number[] => {
    if (output instanceof Tensor) return Array.from(output.data, Number);
    if (typeof output === "number" || typeof output === "boolean") return [Number(output)];
    return typeof output === "object" && output !== null ? Object.values(output).flatMap(numbersOf) : [];
  };
  const contextWidth = ({ encoderHidDim, crossAttentionDim }: Config) => (encoderHidDim ?? crossAttentionDim ?? 0) as number;
  const classLabels = (config: Config) => {
    const { classEmbedType, projectionClassEmbeddingsInputDim, timeEmbeddingDim, blockOutChannels, numClassEmbeds } = config;
    if (classEmbedType === "timestep") return draw(2);
    if (classEmbedType === "projection" || classEmbedType === "simple_projection")
      return draw(2, projectionClassEmbeddingsInputDim as number);
    if (classEmbedType === "identity") return draw(2, (timeEmbeddingDim ?? 4 * ((blockOutChannels as number[])[0] ?? 0)) as number);
    return numClassEmbeds ? wholes([2], (i) => i) : undefined;
  };
  const conditions = (config: Config) => {
    const { additionEmbedType, additionTimeEmbedDim = 0, projectionClassEmbeddingsInputDim = 0, timeCondProjDim } = config;
    // XL's base has six numbers, its refiner five.
    const ids = config.isRefiner ? 5 : 6;
    const pooled = Number(projectionClassEmbeddingsInputDim) - ids * Number(additionTimeEmbedDim);
    return {
      encoderHiddenStates: draw(2, 7, contextWidth(config)),
      classLabels: classLabels(config),
      ...(additionEmbedType === "text_time" && { addedCond: { textEmbeds: draw(2, pooled), timeIds: draw(2, ids) } }),
      ...(timeCondProjDim ? { timestepCond: draw(2, timeCondProjDim as number) } : {}),
    };
  };
  const sample = ({ inChannels = 4 }: Config) => draw(2, inChannels, 8, 12);
  const options = { device } as { device: typeof device; engine?: Engine };
  const run = async (folder: string, className: string): Promise<unknown> => {
    const path = `${root}${folder}`;
    const isRefiner = folder.includes("refiner");
    switch (className) {
      case "UNet2DConditionModel": {
        const net = await lib.UNet2DConditionModel.fromPretrained(path, options);
        return net.forward(sample(net.config), 300, conditions({ ...net.config, isRefiner }));
      }
      case "UNet2DModel": {
        const net = await lib.UNet2DModel.fromPretrained(path, options);
        return net.forward(sample(net.config), 7, { classLabels: classLabels(net.config) });
      }
      case "ControlNetModel": {
        const net = await lib.ControlNetModel.fromPretrained(path, options);
        const channels = net.config.conditioningChannels;
        const controlnetCond = draw(2, channels, 8 * net.scaleFactor, 12 * net.scaleFactor);
        return net.forward(sample(net.config), 300, { ...conditions(net.config), controlnetCond, conditioningScale: 0.7 });
      }
      case "ControlNetUnionModel": {
        const net = await lib.ControlNetUnionModel.fromPretrained(path, options);
        const { conditioningChannels, numControlType } = net.config;
        const controlnetCond = [draw(2, conditioningChannels, 8 * net.scaleFactor, 12 * net.scaleFactor)];
        const controlType = Tensor.from(
          Float32Array.from({ length: numControlType }, (_, i) => Number(i === 1)),
          [1, numControlType],
        );
        return net.forward(sample(net.config), 300, { ...conditions(net.config), controlnetCond, controlType, controlTypeIdx: [1] });
      }
      case "AutoencoderKL":
      case "AutoencoderTiny":
      case "AsymmetricAutoencoderKL": {
        const net = await lib[className].fromPretrained(path, options);
        const encoded = (await net.encode(draw(2, 3, 32, 48))) as { latents?: unknown; latentDist?: { mode(): unknown } };
        return [encoded.latentDist?.mode() ?? encoded.latents, await net.decode(draw(2, net.config.latentChannels, 4, 6))];
      }
      case "AutoencoderKLFlux2": {
        const net = await lib.AutoencoderKLFlux2.fromPretrained(path, options);
        const { latentDist } = await net.encode(draw(2, 3, 32, 48));
        return [latentDist.mode(), (await net.decode(draw(2, net.config.latentChannels, 4, 6))).sample];
      }
      case "AutoencoderKLQwenImage": {
        const net = await lib.AutoencoderKLQwenImage.fromPretrained(path, options);
        const { latentDist } = await net.encode(draw(2, 3, 1, 32, 48));
        return [latentDist.mode(), (await net.decode(draw(2, net.config.zDim, 1, 4, 6))).sample];
      }
      case "QwenImageTransformer2DModel": {
        const net = await lib.QwenImageTransformer2DModel.fromPretrained(path, options);
        const { inChannels, jointAttentionDim } = net.config;
        const encoderHiddenStates = draw(2, 5, jointAttentionDim);
        return net.forward(draw(2, 33, inChannels), 0.7, {
          encoderHiddenStates,
          imgShapes: [
            [1, 4, 6],
            [1, 3, 3],
          ],
        });
      }
      case "FluxTransformer2DModel":
      case "ChromaTransformer2DModel": {
        const imgIds = Tensor.from([0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 1, 0, 0, 1, 1, 0, 1, 2], [6, 3]);
        const positions = { imgIds, txtIds: Tensor.zeros([5, 3]), encoderHiddenStates: draw(2, 5, 48) };
        if (className === "ChromaTransformer2DModel") {
          const net = await lib.ChromaTransformer2DModel.fromPretrained(path, options);
          return net.forward(draw(2, 6, net.config.inChannels), 0.7, { ...positions, attentionMask: Tensor.full([2, 11], 1) });
        }
        const net = await lib.FluxTransformer2DModel.fromPretrained(path, options);
        const { inChannels, pooledProjectionDim, guidanceEmbeds } = net.config;
        const pooledProjections = draw(2, pooledProjectionDim);
        return net.forward(draw(2, 6, inChannels), 0.7, { ...positions, pooledProjections, ...(guidanceEmbeds && { guidance: 3.5 }) });
      }
      case "Flux2Transformer2DModel": {
        const net = await lib.Flux2Transformer2DModel.fromPretrained(path, options);
        const { inChannels, jointAttentionDim } = net.config;
        const imgIds = Tensor.from([0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0], [4, 4]);
        const positions = { imgIds, txtIds: Tensor.zeros([5, 4]), encoderHiddenStates: draw(2, 5, jointAttentionDim) };
        return net.forward(draw(2, 4, inChannels), 0.7, positions);
      }
      case "ZImageTransformer2DModel": {
        const net = await lib.ZImageTransformer2DModel.fromPretrained(path, options);
        const { inChannels, capFeatDim } = net.config;
        return net.forward(draw(2, inChannels, 8, 12), 0.7, { capFeats: [draw(5, capFeatDim), draw(9, capFeatDim)] });
      }
      case "SD3Transformer2DModel": {
        const net = await lib.SD3Transformer2DModel.fromPretrained(path, options);
        const { inChannels, jointAttentionDim, pooledProjectionDim } = net.config;
        const texts = { encoderHiddenStates: draw(2, 5, jointAttentionDim), pooledProjections: draw(2, pooledProjectionDim) };
        return net.forward(draw(2, inChannels, 8, 12), 700, texts);
      }
      case "T2IAdapter": {
        const net = await lib.T2IAdapter.fromPretrained(path, options);
        return net.forward(draw(2, net.config.inChannels, 64, 96));
      }
      case "CLIPTextModel":
      case "CLIPTextModelWithProjection": {
        const net = await lib[className].fromPretrained(path, options);
        return net.forward(
          wholes([2, 77], (i) => (i * 37) % 300),
          { outputHiddenStates: true },
        );
      }
      case "Qwen3ForCausalLM": {
        const net = await lib.Qwen3Model.fromPretrained(path, options);
        return net.hiddenStates(
          wholes([2, 24], (i) => (i * 37) % 300),
          [-2, -1],
          { attentionMask: wholes([2, 24], (i) => Number(i < 40)) },
        );
      }
      case "Qwen2_5_VLForConditionalGeneration": {
        const net = await lib.Qwen2_5_VLForConditionalGeneration.fromPretrained(path, options);
        const imageEmbeds = await net.imageFeatures(
          draw(16, 1176),
          wholes([1, 3], (i) => [1, 4, 4][i] ?? 1),
        );
        return net.hiddenStates(
          wholes([1, 24], (i) => (i >= 4 && i < 8 ? net.config.imageTokenId : (i * 37) % 300)),
          [-1],
          { imageEmbeds },
        );
      }
      case "T5EncoderModel": {
        const net = await lib.T5EncoderModel.fromPretrained(path, options);
        return net.forward(
          wholes([2, 24], (i) => (i * 37) % 300),
          { attentionMask: wholes([2, 24], (i) => Number(i < 40)) },
        );
      }
      case "CLIPVisionModelWithProjection": {
        const net = await lib.CLIPVisionModelWithProjection.fromPretrained(path, options);
        return net.forward(draw(2, net.config.numChannels, net.config.imageSize, net.config.imageSize), { outputHiddenStates: true });
      }
      case "StableDiffusionSafetyChecker": {
        const net = await lib.StableDiffusionSafetyChecker.fromPretrained(path, options);
        const { numChannels, imageSize } = net.config.visionConfig;
        return net.forward(draw(2, numChannels, imageSize, imageSize));
      }
      default:
        throw new Error(`the class ${className} is not known here`);
    }
  };
  // All run in one worker.
  const first = await lib.UNet2DModel.fromPretrained(`${root}ddpm-mini/unet`, options);
  options.engine = Reflect.get(first, "engine") as Engine;
  const results: Record<string, readonly number[] | string> = {};
  for (const [folder, className] of networks) {
    results[folder] = await run(folder, className).then(numbersOf, String);
  }
  await first.dispose();
  return results;
}
