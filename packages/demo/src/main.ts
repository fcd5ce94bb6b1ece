import { type Device, setWarningHandler } from "darkroom";
import { type OpenRequest, openWorkflow, type RunRequest, type Workflow } from "darkroom/generate";
import { isolate } from "./isolate.js";
import { elements, showPicture, showProgress, showStatus, tell } from "./view.js";

const { form, make, stop, drop, device } = elements;
const field = (name: string) => new FormData(form).get(name);

/** The open checkpoint, and what it was opened as. */
let open: { readonly workflow: Workflow; readonly opening: OpenRequest } | undefined;
let running: AbortController | undefined;

if (await isolate()) start();

function start(): void {
  setWarningHandler((message) => showStatus(message));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void run();
  });
  stop.addEventListener("click", () => running?.abort());
  acceptDrops();
}

/** Makes the picture that the form describes. */
async function run(): Promise<void> {
  running = new AbortController();
  const { signal } = running;
  make.disabled = true;
  stop.disabled = false;
  tell(undefined);
  const began = performance.now();
  try {
    const workflow = await opened(signal);
    for await (const event of workflow.run(request(), { signal })) {
      if (event.kind === "start") showStatus("encoding the prompt");
      if (event.kind === "step") {
        showProgress(event.done / event.total);
        showStatus(`step ${event.done} of ${event.total}`);
        // A preview costs a decoding: a few are enough.
        if (event.done < event.total && event.done % Math.ceil(event.total / 5) === 0) showPicture(await event.preview());
      }
      if (event.kind === "picture") {
        const { image, seed, text } = event.picture;
        const file = await image.toBlob("png", { text });
        showPicture(image, { alt: String(field("prompt")), file, name: `darkroom-${seed}.png` });
        showStatus(`${image.width} x ${image.height}, seed ${seed}, ${((performance.now() - began) / 1000).toFixed(1)} s`);
      }
    }
  } catch (error) {
    if (signal.aborted) showStatus("stopped");
    else tell(error);
  } finally {
    make.disabled = false;
    stop.disabled = true;
    running = undefined;
    showProgress(undefined);
  }
}

/** The chosen checkpoint: as it is open, or opened anew. The old one is closed first, because two may not fit into memory. */
async function opened(signal: AbortSignal): Promise<Workflow> {
  const opening: OpenRequest = { model: source(), device: field("device") as Device };
  if (open && open.opening.model === opening.model && open.opening.device === opening.device) return open.workflow;
  await open?.workflow.dispose();
  open = undefined;
  showStatus("loading the engine and the checkpoint");
  const workflow = await openWorkflow(opening, {
    signal,
    onDownload: ({ loaded, total }) => {
      showProgress(loaded / total);
      showStatus(`downloading: ${Math.round(loaded / 1e6)} of ${Math.round(total / 1e6)} MB`);
    },
    onLoad: () => {
      showProgress(undefined);
      showStatus("loading the networks");
    },
    onLoadProgress: ({ network, loaded, total }) => {
      showProgress(loaded < total ? loaded / total : undefined);
      showStatus(`loading ${network}: ${Math.round(loaded / 1e6)} of ${Math.round(total / 1e6)} MB`);
    },
  });
  open = { workflow, opening };
  const threads = globalThis.crossOriginIsolated ? "" : ", with one thread, since the page is not isolated from other origins";
  device.textContent = `Computed with ${workflow.device === "wasm" ? `WebAssembly${threads}` : "WebGPU"}.`;
  return workflow;
}

/** The checkpoint of the form; undefined for the one that comes with Darkroom. */
function source(): OpenRequest["model"] {
  const kind = field("source");
  if (kind === "embedded") return undefined;
  if (kind === "file") {
    const file = field("file");
    if (file instanceof File && file.size > 0) return file;
    throw new UserError("Choose a .safetensors file, or drop one on the page.");
  }
  const name = String(field("hub")).trim();
  if (name === "") throw new UserError("Give the checkpoint's name on the hub, such as owner/name, or its address.");
  return name;
}

/** What the user of the form left out. */
class UserError extends Error {}

function request(): RunRequest {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(String(field("size"))) ?? [];
  const seed = String(field("seed"));
  return {
    prompt: String(field("prompt")),
    negativePrompt: String(field("negativePrompt")) || undefined,
    numInferenceSteps: Number(field("steps")),
    guidanceScale: Number(field("guidance")),
    ...(seed !== "" && { seed: BigInt(seed) }),
    ...(width && height && { width: Number(width), height: Number(height) }),
  };
}

/** A file that is dropped anywhere on the page is the checkpoint. */
function acceptDrops(): void {
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => drop.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("dropping");
    const files = event.dataTransfer?.files;
    if (!files?.length) return;
    (form.elements.namedItem("file") as HTMLInputElement).files = files;
    for (const choice of form.querySelectorAll<HTMLInputElement>("[name=source]")) choice.checked = choice.value === "file";
  });
}
