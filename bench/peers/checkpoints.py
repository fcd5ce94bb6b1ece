"""What the peers know of the benchmark's checkpoints."""
from pathlib import Path


def variant_of(folder: Path, wanted: str | None) -> str | None:
    """The variant of a part's weights to open: the one wanted where there is one, else the full files, else the fp16 ones."""
    def has(variant):
        return any(folder.glob(f"*.{variant}.safetensors"))

    if wanted is not None and has(wanted):
        return wanted
    full = any(len(path.name.split(".")) == 2 for path in folder.glob("*.safetensors"))
    return None if full else "fp16"


def token_ids(rows: int, tokens: int) -> list[list[int]]:
    """Prompts of full length."""
    return [[49406] + [1000 + row * tokens + i for i in range(tokens - 2)] + [49407] for row in range(rows)]


def context_width(config) -> int:
    return config["cross_attention_dim"]


def added_conditions(config) -> dict[str, int]:
    """Stable Diffusion XL's further conditions, by their widths."""
    if not config.get("addition_embed_type"):
        return {}
    return {"text_embeds": config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"], "time_ids": 6}


def text_encoders(checkpoint: str) -> list[str]:
    """The folders of a checkpoint's text encoders."""
    return [part for part in ("text_encoder", "text_encoder_2") if (Path(checkpoint) / part).exists()]
