"""OpenVINO on the CPU, by itself on as many threads as there are cores. Options: precision (f32, bf16).

The networks are converted once, beforehand; what is measured reads them without torch. Diffusers' scheduler, in the whole pictures, brings torch back in,
as it does for everyone who runs diffusion on OpenVINO in Python. Its model cache is left off: Stable Diffusion 1.5's UNet was compiled in 1.5 to 1.9 s, and
read from the cache in 1.6 to 2.1 s.
"""
import json
import sys
from pathlib import Path

import numpy as np
import openvino as ov

from checkpoints import added_conditions, context_width, text_encoders, token_ids
from protocol import PROMPT, job, mark, measure, run, versions

OPTIONS = job()["options"]


def converted(asked: dict) -> Path:
    return Path(asked["prepared"]) / "openvino"


def config(checkpoint: str, part: str) -> dict:
    return json.loads((Path(checkpoint) / part / "config.json").read_text())


def load(asked: dict, part: str, *shapes: list[int]):
    """A network compiled for the shapes of its inputs, in their order; it gives a list of outputs."""
    core = ov.Core()
    settings = {"INFERENCE_PRECISION_HINT": OPTIONS["precision"], "PERFORMANCE_HINT": "LATENCY"}
    network = core.read_model(converted(asked) / f"{part}.xml")
    network.reshape({port: list(shape) for port, shape in zip(network.inputs, shapes, strict=True)})
    compiled = core.compile_model(network, "CPU", settings)
    return lambda *inputs: list(compiled(list(inputs)).values())


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def unet_shapes(asked: dict) -> list[list[int]]:
    facts = config(asked["checkpoint"], "unet")
    rows, side = 2 * asked["batch"], asked["latents"]
    added = [[rows, width] for width in added_conditions(facts).values()]
    return [[rows, facts["in_channels"], side, side], [], [rows, asked["tokens"], context_width(facts)], *added]


def prepare(asked: dict) -> None:
    folder = converted(asked)
    if folder.exists():
        return
    from openvino_export import export

    export(asked["checkpoint"], folder, asked["tokens"])


def unet(asked: dict) -> None:
    shapes = unet_shapes(asked)
    network = load(asked, "unet", *shapes)
    inputs = [noise(*shape) if shape else np.float32(500) for shape in shapes]
    measure(asked["repeats"], lambda: network(*inputs))


def vae_decode(asked: dict) -> None:
    shape = [asked["batch"], config(asked["checkpoint"], "vae")["latent_channels"], asked["latents"], asked["latents"]]
    decoder = load(asked, "vae_decoder", shape)
    latents = noise(*shape)
    measure(asked["repeats"], lambda: decoder(latents))


def vae_encode(asked: dict) -> None:
    shape = [asked["batch"], 3, asked["size"], asked["size"]]
    encoder = load(asked, "vae_encoder", shape)
    picture = noise(*shape).clip(-1, 1)
    measure(asked["repeats"], lambda: encoder(picture))


def text(asked: dict) -> None:
    rows = 2 * asked["batch"]
    encoders = [load(asked, part, [rows, asked["tokens"]]) for part in text_encoders(asked["checkpoint"])]
    ids = np.array(token_ids(rows, asked["tokens"]))
    measure(asked["repeats"], lambda: [encoder(ids) for encoder in encoders])


def encode_prompts(asked: dict) -> list[np.ndarray]:
    """What the UNet is conditioned on, without and with the prompt, in the order of its inputs."""
    from transformers import CLIPTokenizer

    tokens, features, pooled = asked["tokens"], [], None
    for part in text_encoders(asked["checkpoint"]):
        tokenizer = CLIPTokenizer.from_pretrained(asked["checkpoint"], subfolder=part.replace("text_encoder", "tokenizer"))
        ids = tokenizer(["", PROMPT], padding="max_length", truncation=True, max_length=tokens, return_tensors="np").input_ids
        hidden, *rest = load(asked, part, [2, tokens])(ids)
        features.append(hidden)
        pooled = rest[0] if rest else None
    if pooled is None:
        return features
    size = asked["size"]
    return [np.concatenate(features, axis=-1), pooled, np.array(2 * [[size, size, 0, 0, size, size]], dtype=np.float32)]


def denoised(asked: dict, steps: int, only_start: bool = False) -> np.ndarray:
    """The loop of Stable Diffusion, 1.5 and XL."""
    import diffusers
    import torch

    checkpoint = asked["checkpoint"]
    scheduler_class = getattr(diffusers, json.loads((Path(checkpoint) / "model_index.json").read_text())["scheduler"][1])
    mark("imports")
    scheduler = scheduler_class.from_pretrained(checkpoint, subfolder="scheduler")
    conditions = encode_prompts(asked)
    network = load(asked, "unet", *unet_shapes(asked))
    scheduler.set_timesteps(steps)
    channels = config(checkpoint, "unet")["in_channels"]
    latents = torch.from_numpy(noise(1, channels, asked["latents"], asked["latents"])) * scheduler.init_noise_sigma
    if only_start:
        mark("ready")
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(latents, timestep).numpy()
        [(unguided, guided)] = network(np.concatenate([scaled, scaled]), np.float32(timestep), *conditions)
        if only_start:
            mark("first-step")
            sys.exit()
        prediction = unguided + 7.5 * (guided - unguided)
        latents = scheduler.step(torch.from_numpy(prediction)[None], timestep, latents).prev_sample
    return latents.numpy() / config(checkpoint, "vae")["scaling_factor"]


def start(asked: dict) -> None:
    denoised(asked, 20, only_start=True)


def picture(asked: dict) -> None:
    from PIL import Image

    latents = denoised(asked, asked["steps"])
    [[pixels]] = load(asked, "vae_decoder", list(latents.shape))(latents)
    scaled = (pixels.transpose(1, 2, 0) / 2 + 0.5).clip(0, 1)
    Image.fromarray((scaled * 255).round().astype(np.uint8)).save(asked["out"])


versions("openvino")
run(
    {
        "prepare": prepare,
        "unet": unet,
        "vae-decode": vae_decode,
        "vae-encode": vae_encode,
        "text": text,
        "start": start,
        "picture": picture,
    }
)
