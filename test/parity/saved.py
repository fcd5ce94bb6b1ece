"""Opens what saved.ts saved with Python diffusers, and compares the pictures; schedulers are opened by their classes. Ends with 1 if one differs."""
import json
import sys
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers.utils import logging

sys.path.append(str(Path(__file__).parents[1] / "fixtures" / "make"))
from environment import TEST, restore_text_model

logging.set_verbosity_error()
ROOT = Path(sys.argv[1])
CHECKPOINTS = {"sd1": TEST / "checkpoints" / "sd1-mini", "xl_": TEST / "checkpoints" / "sdxl-base-mini"}


def gray(level, name):
    """As a picture's tensor; masks have one channel."""
    return torch.full((1, 1 if "mask" in name else 3, 32, 32), float(level))


def difference(pipe, meta, path):
    pipe.set_progress_bar_config(disable=True)
    images = {name: gray(level, name) for name, level in meta["images"].items()}
    call = {key: value for key, value in meta["call"].items() if value is not None}
    listed = meta["listed"]
    arguments = {**call, **({"image": [images[name] for name in listed]} if listed else images)}
    with torch.no_grad():
        result = pipe(**arguments, generator=torch.Generator().manual_seed(7), output_type="np").images
    expected = np.fromfile(path.with_name(path.name + ".bin"), dtype=np.float32).reshape(meta["shape"])
    return float(np.abs(np.asarray(result) - expected).max())


def half_is_loose(meta):
    return 0.02 if meta.get("variant") == "fp16" else 1 / 255


def main():
    worst, failures = {}, []
    for path in sorted((ROOT / "pipelines").iterdir()) + sorted((ROOT / "loras").iterdir()):
        if not path.is_dir():
            continue
        meta = json.loads(path.with_name(path.name + ".json").read_text())
        is_lora = path.parent.name == "loras"
        place = CHECKPOINTS[path.name[:3]] if is_lora else path
        variant = {"variant": meta["variant"]} if meta.get("variant") else {}
        try:
            if not is_lora:
                restore_text_model()
            pipe = diffusers.DiffusionPipeline.from_pretrained(place, torch_dtype=torch.float32, **variant)
            if is_lora:
                pipe.load_lora_weights(path)
            if type(pipe).__name__ != meta["class"]:
                raise TypeError(f"{type(pipe).__name__}, not {meta['class']}")
            worst[str(path.relative_to(ROOT))] = error = difference(pipe, meta, path)
            if not error < half_is_loose(meta):
                failures.append(f"{path.name}: differs by {error}")
        except Exception as error:
            failures.append(f"{path.name}: {type(error).__name__}: {str(error)[:300]}")
    for path in sorted((ROOT / "schedulers").iterdir()):
        cls = getattr(diffusers, path.name, None)
        if cls is None:
            continue
        try:
            ours, own = dict(cls.from_pretrained(path).config), dict(cls().config)
        except ImportError:  # DPMSolverSDEScheduler needs torchsde.
            continue
        different = {key: (ours.get(key), value) for key, value in own.items() if ours.get(key) != value and not key.startswith("_")}
        worst[f"schedulers/{path.name}"] = len(different)
        if different:
            failures.append(f"{path.name}: {different}")
    for name, error in worst.items():
        print(f"{name:40} {error:.2e}")
    print("\n".join(failures))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
