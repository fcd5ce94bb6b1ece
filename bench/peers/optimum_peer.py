"""ONNX Runtime through Hugging Face's optimum, what a Python user of ONNX models would pick. It has no options.

optimum exports the networks once, beforehand. Networks alone are measured in the sessions that its pipelines open, with the same options, but without the
others. optimum needs older versions of diffusers and transformers than the other peers, so it has an environment of its own.
"""
import json
import logging
import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from checkpoints import added_conditions, context_width, text_encoders, token_ids
from protocol import CORES, PROMPT, job, mark, measure, run, versions

TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


def exported(asked: dict) -> Path:
    return Path(asked["prepared"]) / "optimum"


def config(asked: dict, part: str) -> dict:
    return json.loads((Path(asked["checkpoint"]) / part / "config.json").read_text())


def settings() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    return options


def load(asked: dict, part: str, feeds: dict):
    """A network, ready to run on these feeds, of which it takes those that it has inputs for."""
    path = exported(asked) / part / "model.onnx"
    session = onnxruntime.InferenceSession(path, settings(), providers=["CPUExecutionProvider"])
    inputs = {port.name: np.asarray(feeds[port.name], dtype=TYPES[port.type]) for port in session.get_inputs()}
    return lambda: session.run(None, inputs)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def prepare(asked: dict) -> None:
    folder = exported(asked)
    if folder.exists():
        return
    from optimum.onnxruntime import ORTPipelineForText2Image

    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    ORTPipelineForText2Image.from_pretrained(asked["checkpoint"], export=True).save_pretrained(partial)
    partial.rename(folder)


def unet(asked: dict) -> None:
    facts = config(asked, "unet")
    rows, side = 2 * asked["batch"], asked["latents"]
    added = {name: noise(rows, width) for name, width in added_conditions(facts).items()}
    context = noise(rows, asked["tokens"], context_width(facts))
    feeds = {"sample": noise(rows, facts["in_channels"], side, side), "timestep": 500, "encoder_hidden_states": context, **added}
    measure(asked["repeats"], load(asked, "unet", feeds))


def vae_decode(asked: dict) -> None:
    latents = noise(asked["batch"], config(asked, "vae")["latent_channels"], asked["latents"], asked["latents"])
    measure(asked["repeats"], load(asked, "vae_decoder", {"latent_sample": latents}))


def vae_encode(asked: dict) -> None:
    picture = noise(asked["batch"], 3, asked["size"], asked["size"]).clip(-1, 1)
    measure(asked["repeats"], load(asked, "vae_encoder", {"sample": picture}))


def text(asked: dict) -> None:
    ids = token_ids(2 * asked["batch"], asked["tokens"])
    encoders = [load(asked, part, {"input_ids": ids}) for part in text_encoders(asked["checkpoint"])]
    measure(asked["repeats"], lambda: [encoder() for encoder in encoders])


def open_pipeline(asked: dict):
    from optimum.onnxruntime import ORTPipelineForText2Image

    mark("imports")
    pipe = ORTPipelineForText2Image.from_pretrained(exported(asked), session_options=settings())
    pipe.set_progress_bar_config(disable=True)
    return pipe


def generate(pipe, asked: dict, steps: int):
    import torch

    return pipe(
        PROMPT,
        height=asked["size"],
        width=asked["size"],
        num_inference_steps=steps,
        num_images_per_prompt=asked["batch"],
        generator=torch.Generator().manual_seed(0),
    ).images


def start(asked: dict) -> None:
    pipe = open_pipeline(asked)
    forward = pipe.unet.forward

    def first_step(*args, **kwargs):
        mark("ready")
        forward(*args, **kwargs)
        mark("first-step")
        # The rest of the picture is of no interest.
        sys.exit()

    pipe.unet.forward = first_step
    generate(pipe, asked, 20)


def picture(asked: dict) -> None:
    generate(open_pipeline(asked), asked, asked["steps"])[0].save(asked["out"])


logging.disable(logging.WARNING)
versions("optimum", "optimum-onnx", "onnxruntime")
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
