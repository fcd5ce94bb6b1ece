"""stable-diffusion.cpp. Options: weights, the format of the GGUF files of a checkpoint of Z-Image; without it, it reads the checkpoint's folder by itself."""
import os
from pathlib import Path

from protocol import CORES, PROMPT, job, mark, report, run, versions
from stable_diffusion_cpp import StableDiffusion

mark("imports")
versions("stable-diffusion-cpp-python")


WEIGHTS = job()["options"].get("weights")


def opened(checkpoint: str) -> StableDiffusion:
    # Its default is half of the cores.
    common = {"n_threads": CORES, "verbose": False}
    if WEIGHTS is None:
        # Weights become float16 as they are read, as its convolutions' always do. A step of Stable Diffusion 1.5 took 25 s with float32 weights, 22 s with
        # float16 ones, 56 s with flash attention.
        return StableDiffusion(model_path=checkpoint, wtype="f16", **common)
    folder = Path(checkpoint)
    return StableDiffusion(
        diffusion_model_path=str(folder / "gguf" / f"transformer-{WEIGHTS}.gguf"),
        llm_path=str(folder / "gguf" / f"text-encoder-{WEIGHTS}.gguf"),
        vae_path=str(folder / "vae" / "diffusion_pytorch_model.safetensors"),
        **common,
    )


def generate(asked: dict, steps: int, on_step=None):
    pipe = opened(asked["checkpoint"])
    return pipe.generate_image(
        PROMPT,
        width=asked["size"],
        height=asked["size"],
        # Z-Image Turbo is not guided.
        cfg_scale=7.5 if WEIGHTS is None else 1.0,
        sample_method="euler",
        sample_steps=steps,
        seed=0,
        progress_callback=on_step,
    )


def network(asked: dict) -> None:
    """Its sampler tells how long each step took; the first is not counted, as for everyone."""
    steps = asked["repeats"] + 1

    def stepped(step: int, _steps: int, seconds: float) -> None:
        if step > 1:
            report("call", seconds=seconds)
        if step == steps:
            # The picture's decoding is of no interest, and would count as the network's memory.
            os._exit(0)

    generate(asked, steps, stepped)


def start(asked: dict) -> None:
    def stepped(step: int, _steps: int, _seconds: float) -> None:
        # Told before the first step, too, with 0.
        mark("ready" if step == 0 else "first-step")
        if step == 1:
            os._exit(0)

    generate(asked, 20, stepped)


def picture(asked: dict) -> None:
    generate(asked, asked["steps"])[0].save(asked["out"])


run({"unet": network, "transformer": network, "start": start, "picture": picture})
