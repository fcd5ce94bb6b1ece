import type { LoraWeight } from "../lora/adapter-weight.js";
import type { Folder } from "../platform/folder.js";
import {
  type FuseLoraOptions,
  type LoadedLora,
  type LoadLoraOptions,
  LoraAdapters,
  type LoraComponent,
  type LoraNetworks,
} from "./adapters/lora-adapters.js";
import { type SaveLoraOptions, saveLora } from "./adapters/save-lora.js";
import { type TextualInversionOptions, type TextualInversionSource, TextualInversions } from "./adapters/textual-inversions.js";
import { DiffusionPipeline } from "./diffusion-pipeline.js";

/** Pipelines whose networks LoRAs and embeddings can change. */
export abstract class AdaptablePipeline extends DiffusionPipeline {
  /** The networks that LoRAs can change. */
  protected get loraNetworks(): LoraNetworks {
    return new Map();
  }

  /** The embeddings of the text encoders; none can be loaded if no text encoder takes any. */
  protected get embeddings(): TextualInversions {
    return new TextualInversions([]);
  }

  private get loras(): LoraAdapters {
    return new LoraAdapters(this.loraNetworks, this.embeddings);
  }

  /**
   * Loads a LoRA (Hu et al. 2021) or a related adapter: LoCon, DoRA, LoHa, LoKr, GLoRA, (IA)^3, full differences or trained norms, in the
   * formats of kohya-ss, LyCORIS, OneTrainer, ai-toolkit, XLabs, ComfyUI, diffusers and PEFT. The source is a `.safetensors` file, a folder
   * with one, or a hub id (`owner/name`).
   *
   * The adapter becomes the only active one of the networks it changes, as in diffusers; `setAdapters` activates several. Its matrices are
   * read from the file when needed: do not delete the file. Embeddings inside the file (`bundle_emb.<word>`) are loaded, too; the word
   * works in prompts until the adapter is deleted. Tensors that cannot be applied are left out with a warning.
   *
   * The checkpoint does not change. Changing an adapter's weight costs nothing; loading or activating other adapters reloads the networks
   * at their next run. A plain LoRA is computed beside the layers; other methods change the layers' weights in every step, which takes
   * time. `fuseLora` changes the weights once: steps then take no extra time, but the changed weights need memory. Adapters belong to the
   * networks: pipelines that share networks share their adapters.
   * @throws CheckpointError if the file is not a LoRA, has nothing that can be applied, or is for another family of checkpoints;
   * ArgumentError if the name is taken; HubError
   */
  loadLoraWeights(source: string | Folder, options: LoadLoraOptions = {}): Promise<LoadedLora> {
    return this.loras.load(source, options);
  }

  /**
   * Saves a LoRA into a file of `folder`, in PEFT's layout with its config, as diffusers' `save_lora_weights` does. `loadLoraWeights` and
   * diffusers open it. The matrices are copied; the weight that `setAdapters` set is not saved.
   * @throws ArgumentError if there is no such adapter, several and none is named, or one of another method than plain LoRA; OutputError if
   * it cannot be written, or would replace the file that it is read from.
   */
  async saveLoraWeights(folder: string, options: SaveLoraOptions = {}): Promise<void> {
    await saveLora(folder, this.loraNetworks, options);
  }

  /**
   * Makes these adapters the active ones, each with its weight (1 by default): a number, or one for every network and, of the UNet, every
   * block. A single weight applies to all adapters. Takes effect at the next step; fused adapters do not change.
   * @throws ArgumentError for a name that no adapter has, another number of weights than names, or a wrong weight.
   */
  setAdapters(names: string | readonly string[], weights: LoraWeight | readonly (LoraWeight | undefined)[] = 1): void {
    this.loras.activate(names, weights);
  }

  /** Names of the active adapters. */
  getActiveAdapters(): string[] {
    return this.loras.activeNames;
  }

  /** Names of the adapters of every network that has any. */
  getListAdapters(): Partial<Record<LoraComponent, string[]>> {
    return this.loras.namesByComponent;
  }

  /**
   * Removes adapters. If a network has no active one left, the first of its others becomes active, as in diffusers. (There every layer
   * chooses for itself, so that several adapters may be active in parts.) Fused adapters stay fused.
   * @throws ArgumentError for a name that no adapter has.
   */
  deleteAdapters(names: string | readonly string[]): void {
    this.loras.delete(names);
  }

  /**
   * Adds adapters to the weights themselves, once, when the networks load again at their next run: steps then take no extra time. The
   * changed weights stay in memory, as float32; the checkpoint's files do not change. As in PEFT, a layer with a fused adapter is computed
   * without the other adapters until `unfuseLora` or until the fused adapter is unloaded (a warning says so), and `loraScale` applies to
   * active adapters only.
   * @throws ArgumentError for a name that no adapter has, or a network that the pipeline does not have.
   */
  fuseLora(options: FuseLoraOptions = {}): void {
    this.loras.fuse(options);
  }

  /**
   * Removes fused adapters from the weights. Adapters have the weights they had before `fuseLora`; in diffusers they keep its `loraScale`.
   */
  unfuseLora(options: Pick<FuseLoraOptions, "components"> = {}): void {
    this.loras.unfuse(options);
  }

  /** Removes all adapters. Fused adapters stay fused. */
  unloadLoraWeights(): void {
    this.loras.deleteAll();
  }

  /** Turns adapters off until `enableLora`: the networks compute with the checkpoint's weights alone. */
  disableLora(): void {
    this.loras.setEnabled(false);
  }

  /** Turns the active adapters on again. */
  enableLora(): void {
    this.loras.setEnabled(true);
  }

  /** Names of the adapters that are fused into weights. */
  get fusedLoras(): readonly string[] {
    return this.loras.fusedNames;
  }

  /**
   * Loads an embedding (textual inversion, Gal et al. 2022), or several: `.safetensors` files, folders or hub ids with one, as diffusers,
   * AUTOMATIC1111's web UI or kohya-ss write them. Returns the tokens that stand for them in prompts and negative prompts; an
   * embedding of n vectors takes the place of n words. The vectors are read from the files when needed: do not delete the files.
   *
   * An embedding belongs to the tokenizers and text encoders it was loaded into. Pipelines that share both share it, whichever of them
   * loads or unloads it. A pipeline that shares the tokenizer but not the text encoder refuses prompts with the token.
   * @throws CheckpointError for a file that is no embedding or one of another family; ArgumentError for a token that is taken; HubError.
   * Then nothing was loaded.
   */
  async loadTextualInversion(
    source: TextualInversionSource | readonly TextualInversionSource[],
    options: TextualInversionOptions = {},
  ): Promise<readonly string[]> {
    return this.embeddings.load(source, options);
  }

  /**
   * Removes embeddings; all of them if no tokens are named. @throws ArgumentError for a token that was not loaded; then none is removed.
   */
  unloadTextualInversion(tokens?: string | readonly string[]): void {
    this.embeddings.unload(tokens);
  }
}
