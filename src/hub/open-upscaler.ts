import { readSafetensorsHeader } from "../checkpoint/safetensors.js";
import type { SourceOptions } from "../checkpoint/source.js";
import { openUpscalerFile } from "../checkpoint/upscaler-file.js";
import type { Folder } from "../platform/folder.js";
import { expectKind } from "../recognise/expect-kind.js";
import type { FileSource } from "./find-source.js";
import { openFile } from "./open-file.js";
import { refusePickle } from "./refuse-pickle.js";

const CONVERSION =
  "get the upscaler's .safetensors file, or convert it if you trust it: in Python, safetensors.torch.save_file(spandrel.ModelLoader().load_from_file(file).model.state_dict(), 'upscaler.safetensors')";

/**
 * The folder that an upscaler's file corresponds to. A file on the hub is downloaded.
 * @throws CheckpointError if it is something else; ConfigError if Darkroom does not run it; HubError
 */
export async function openUpscaler(source: FileSource, options: SourceOptions): Promise<Folder> {
  await refusePickle(source, CONVERSION);
  const { folder, path } = await openFile(source, options);
  await expectKind("upscaler", folder, path);
  return openUpscalerFile(await readSafetensorsHeader(folder, path), folder, path);
}
