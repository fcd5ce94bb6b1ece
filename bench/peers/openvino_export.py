"""Converts a checkpoint's networks for OpenVINO, weights in float32."""
import shutil
from pathlib import Path

import openvino as ov
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from checkpoints import added_conditions, context_width, text_encoders, variant_of


class Function(torch.nn.Module):
    """A module whose forward is `work`, so that what is converted takes and gives tensors only."""

    def __init__(self, module: torch.nn.Module, work):
        super().__init__()
        self.module = module
        self.work = work

    def forward(self, *inputs: torch.Tensor):
        return self.work(self.module, *inputs)


def load(kind, checkpoint: str, subfolder: str):
    model = kind.from_pretrained(checkpoint, subfolder=subfolder, variant=variant_of(Path(checkpoint) / subfolder, None))
    return model.float().eval()


def unet_step(network, latents, timestep, context, text_embeds=None, time_ids=None):
    added = {} if text_embeds is None else {"added_cond_kwargs": {"text_embeds": text_embeds, "time_ids": time_ids}}
    return network(latents, timestep, encoder_hidden_states=context, return_dict=False, **added)[0]


def text_features(network, tokens):
    """What Stable Diffusion reads: the last hidden state."""
    return network(tokens).last_hidden_state


def text_features_xl(network, tokens):
    """What Stable Diffusion XL reads: the last hidden state but one, and what is pooled."""
    output = network(tokens, output_hidden_states=True)
    return output.hidden_states[-2], output[0 if isinstance(network, CLIPTextModelWithProjection) else 1]


@torch.no_grad()
def export(checkpoint: str, folder: Path, tokens: int) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)

    def convert(name: str, module, work, *example: torch.Tensor) -> None:
        network = ov.convert_model(Function(module, work), example_input=example)
        ov.save_model(network, partial / f"{name}.xml", compress_to_fp16=False)

    unet = load(UNet2DConditionModel, checkpoint, "unet")
    added = [torch.randn(2, width) for width in added_conditions(unet.config).values()]
    context = torch.randn(2, tokens, context_width(unet.config))
    convert("unet", unet, unet_step, torch.randn(2, unet.config["in_channels"], 16, 16), torch.tensor(500.0), context, *added)
    del unet
    vae = load(AutoencoderKL, checkpoint, "vae")
    convert("vae_decoder", vae, lambda network, latents: network.decode(latents, return_dict=False)[0], torch.randn(1, vae.config["latent_channels"], 16, 16))
    moments = lambda network, picture: network.quant_conv(network.encoder(picture))  # noqa: E731
    convert("vae_encoder", vae, moments, torch.randn(1, 3, 128, 128))
    del vae
    parts = text_encoders(checkpoint)
    for part, kind in zip(parts, (CLIPTextModel, CLIPTextModelWithProjection)):
        ids = torch.zeros(2, tokens, dtype=torch.int64)
        convert(part, load(kind, checkpoint, part), text_features_xl if len(parts) > 1 else text_features, ids)
    partial.rename(folder)
