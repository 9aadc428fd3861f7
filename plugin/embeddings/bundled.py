"""The small CLIP that ships with the package: for tests, demos and machines without a network.

It knows little more than the classes of CIFAR-10, Caltech-101 and handwritten digits (``docs/coreset-mini.md``), so
nothing chooses it silently for real data.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from open_clip import CLIP
    from open_clip.tokenizer import SimpleTokenizer
    from PIL import Image

#: Name under which the model is asked for and known to open_clip.
BUNDLED_NAME = "coreset-mini"
#: Side of the square input image in pixels.
IMAGE_SIZE = 64
#: Length of the image and text embeddings.
EMBEDDING_DIM = 96

_FOLDER = Path(__file__).parent / "coreset_mini"
#: open_clip model config; its stem is the model's name.
CONFIG_PATH = _FOLDER / f"{BUNDLED_NAME}.json"
#: fp16 weights.
WEIGHTS_PATH = _FOLDER / f"{BUNDLED_NAME}.safetensors"
#: The first merges of CLIP's byte-pair encoding: a vocabulary small enough to ship.
MERGES_PATH = _FOLDER / f"{BUNDLED_NAME}-merges.txt.gz"


def load_bundled_clip(
    device: str | torch.device = "cpu",
) -> tuple[CLIP, Callable[[Image.Image], torch.Tensor], SimpleTokenizer]:
    """Loads the bundled CLIP; needs no network.

    Args:
        device: where the model shall live.

    Returns:
        The model in eval mode and fp32, the preprocessing from a PIL image to an input tensor, and the tokenizer.
    """
    import open_clip

    if BUNDLED_NAME not in open_clip.list_models():
        open_clip.add_model_config(CONFIG_PATH)
    model, _, preprocess = open_clip.create_model_and_transforms(
        BUNDLED_NAME, pretrained=str(WEIGHTS_PATH), device=device
    )
    # open_clip returns the model in train mode, in which batch statistics would leak between images
    return model.eval(), preprocess, open_clip.get_tokenizer(BUNDLED_NAME, bpe_path=str(MERGES_PATH))
