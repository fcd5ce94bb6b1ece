"""The denoising step of Python diffusers on a GPU: half precision, channels last, torch's own attention. Options: device, dtype."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers"))

import torch  # noqa: E402
from diffusers import UNet2DConditionModel  # noqa: E402

from checkpoints import added_conditions, context_width, variant_of  # noqa: E402
from protocol import job, measure, run, versions  # noqa: E402

versions("torch", "diffusers")
OPTIONS = job()["options"]
DEVICE, DTYPE = OPTIONS["device"], getattr(torch, OPTIONS["dtype"])


def noise(*shape: int) -> torch.Tensor:
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(DEVICE, DTYPE)
    return tensor.to(memory_format=torch.channels_last) if len(shape) == 4 else tensor


def unet(asked: dict) -> None:
    variant = variant_of(Path(asked["checkpoint"]) / "unet", "fp16")
    network = UNet2DConditionModel.from_pretrained(asked["checkpoint"], subfolder="unet", variant=variant, torch_dtype=DTYPE)
    network = network.eval().to(DEVICE, memory_format=torch.channels_last)
    torch.backends.cudnn.benchmark = True
    rows, side = 2 * asked["batch"], asked["latents"]
    added = {name: noise(rows, width) for name, width in added_conditions(network.config).items()}
    latents, context = noise(rows, 4, side, side), noise(rows, asked["tokens"], context_width(network.config))
    extra = {"added_cond_kwargs": added} if added else {}

    # The result on the host, as a program that computes the next latents there needs it.
    measure(asked["repeats"], lambda: network(latents, 500, encoder_hidden_states=context, **extra).sample.float().cpu())
    if DEVICE == "cuda":
        print(json.dumps({"event": "mark", "name": f"memory {torch.cuda.max_memory_allocated() / 1e9:.2f} GB"}), flush=True)


with torch.inference_mode():
    run({"unet": unet})
