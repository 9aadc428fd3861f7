"""A random CLIP small enough for tests, as an open_clip configuration and local weights."""

from __future__ import annotations

import json
from pathlib import Path

NAME = "tiny-test-clip"
DIMENSION = 16
SIZE = 32

_CONFIG = {
    "embed_dim": DIMENSION,
    "vision_cfg": {"image_size": SIZE, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def register(folder: Path) -> None:
    """Makes the configuration known to open_clip in this process."""
    import open_clip

    path = folder / f"{NAME}.json"
    if not path.exists():
        path.write_text(json.dumps(_CONFIG))
    open_clip.add_model_config(path)


def write_weights(path: Path, seed: int = 0) -> Path:
    """Writes random weights as safetensors."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.create_model(NAME)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    return path
