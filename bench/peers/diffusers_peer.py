"""Python diffusers on torch's CPU, convolutions' channels last, which is faster (by 5 % for Stable Diffusion 1.5's UNet). Options: dtype, variant."""
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel, ZImageTransformer2DModel
from diffusers.utils import logging
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from checkpoints import added_conditions, context_width, text_encoders, token_ids, variant_of
from protocol import CORES, PROMPT, job, mark, measure, run, versions

mark("imports")
versions("torch", "diffusers", "transformers")
logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(CORES)

OPTIONS = job()["options"]
DTYPE = getattr(torch, OPTIONS["dtype"])
LAYOUT = torch.channels_last

# transformers 5 took away the wrapper through which diffusers 0.42 reaches the text model.
if not hasattr(CLIPTextModel, "text_model"):
    CLIPTextModel.text_model = property(lambda self: self)


def load(kind, checkpoint: str, subfolder: str):
    variant = variant_of(Path(checkpoint) / subfolder, OPTIONS.get("variant"))
    name = "dtype" if kind.__module__.startswith("transformers") else "torch_dtype"
    model = kind.from_pretrained(checkpoint, subfolder=subfolder, variant=variant, **{name: DTYPE})
    return model.eval().to(memory_format=LAYOUT)


def noise(*shape: int) -> torch.Tensor:
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(DTYPE)
    return tensor.to(memory_format=LAYOUT) if len(shape) == 4 else tensor


def unet(asked: dict) -> None:
    network = load(UNet2DConditionModel, asked["checkpoint"], "unet")
    rows, side = 2 * asked["batch"], asked["latents"]
    added = {name: noise(rows, width) for name, width in added_conditions(network.config).items()}
    latents, context = noise(rows, network.config["in_channels"], side, side), noise(rows, asked["tokens"], context_width(network.config))
    extra = {"added_cond_kwargs": added} if added else {}
    measure(asked["repeats"], lambda: network(latents, 500, encoder_hidden_states=context, **extra))


def transformer(asked: dict) -> None:
    network = load(ZImageTransformer2DModel, asked["checkpoint"], "transformer")
    side, config = asked["latents"], network.config
    latents = list(noise(asked["batch"], config["in_channels"], 1, side, side).unbind())
    texts = [noise(asked["tokens"], config["cap_feat_dim"])] * asked["batch"]
    time = torch.full((asked["batch"],), 0.5, dtype=DTYPE)
    measure(asked["repeats"], lambda: network(latents, time, texts))


def vae_decode(asked: dict) -> None:
    vae = load(AutoencoderKL, asked["checkpoint"], "vae")
    latents = noise(asked["batch"], vae.config["latent_channels"], asked["latents"], asked["latents"])
    measure(asked["repeats"], lambda: vae.decode(latents))


def vae_encode(asked: dict) -> None:
    vae = load(AutoencoderKL, asked["checkpoint"], "vae")
    picture = noise(asked["batch"], 3, asked["size"], asked["size"]).clamp(-1, 1)
    measure(asked["repeats"], lambda: vae.encode(picture))


def text(asked: dict) -> None:
    kinds = (CLIPTextModel, CLIPTextModelWithProjection)
    encoders = [load(kind, asked["checkpoint"], part) for kind, part in zip(kinds, text_encoders(asked["checkpoint"]))]
    ids = torch.tensor(token_ids(2 * asked["batch"], asked["tokens"]))
    measure(asked["repeats"], lambda: [encoder(ids, output_hidden_states=True) for encoder in encoders])


def open_pipeline(checkpoint: str) -> DiffusionPipeline:
    folder = Path(checkpoint)
    variant = variant_of(folder / "unet", OPTIONS.get("variant")) if (folder / "unet").exists() else None
    pipe = DiffusionPipeline.from_pretrained(checkpoint, torch_dtype=DTYPE, variant=variant)
    for part in (denoiser(pipe), pipe.vae):
        part.to(memory_format=LAYOUT)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def denoiser(pipe: DiffusionPipeline):
    return pipe.components.get("unet") or pipe.transformer


def generate(pipe: DiffusionPipeline, asked: dict, steps: int):
    return pipe(
        PROMPT,
        height=asked["size"],
        width=asked["size"],
        num_inference_steps=steps,
        num_images_per_prompt=asked["batch"],
        generator=torch.Generator().manual_seed(0),
        # Z-Image Turbo is not guided.
        **({} if "unet" in pipe.components else {"guidance_scale": 0}),
    ).images


def start(asked: dict) -> None:
    pipe = open_pipeline(asked["checkpoint"])

    def first_step_done(*_):
        mark("first-step")
        # The rest of the picture is of no interest.
        sys.exit()

    denoiser(pipe).register_forward_pre_hook(lambda *_: mark("ready"))
    denoiser(pipe).register_forward_hook(first_step_done)
    generate(pipe, asked, 20)


def picture(asked: dict) -> None:
    generate(open_pipeline(asked["checkpoint"]), asked, asked["steps"])[0].save(asked["out"])


with torch.inference_mode():
    run({"unet": unet, "transformer": transformer, "vae-decode": vae_decode, "vae-encode": vae_encode, "text": text, "start": start, "picture": picture})
