"""CLIP models by name, hub address, local checkpoint, or from the package itself."""

from __future__ import annotations

import difflib
import hashlib
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CoresetError
from ..requirements import require
from .bundled import BUNDLED_NAME, WEIGHTS_PATH, load_bundled_clip
from .record import ClipSpec

if TYPE_CHECKING:
    import torch

_HUB_PREFIX = "hf-hub:"
_HUB_SECONDS = 5.0

#: The tag of a model's weights when none is asked for, where the model has it.
_USUAL_TAG = "openai"


def load_clip(
    name: str,
    pretrained: str | None = None,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
) -> tuple[torch.nn.Module, Callable[..., Any], Callable[..., Any]]:
    """Loads a CLIP model for images and text.

    Args:
        name: an open_clip model such as ``"ViT-B-32"``, an address ``"hf-hub:organisation/model"``, or
            ``"coreset-mini"``, the small model in this package
        pretrained (None): tag of the weights in open_clip; by default ``"openai"`` where the model has it, else the
            first that open_clip lists
        checkpoint (None): a local weights file instead of a tag: safetensors, or a torch state dict
        device (None): where the model shall live; by default CUDA, else MPS, else the CPU

    Returns:
        the model in eval mode and float32, its preprocessing from a PIL image to a (3, h, w) tensor, and its tokenizer

    Raises:
        CoresetError: if there is no such model, tag or file, if the checkpoint is unsafe or does not fit the model,
            or if the weights would have to be downloaded and the hub cannot be reached

    Examples:
        >>> model, preprocess, tokenizer = fc.load_clip("coreset-mini")
        >>> model.encode_text(tokenizer(["a photo of a dog"])).shape[0]
        1
    """
    require(("torch", "open_clip"))
    spec = resolve_clip(name, pretrained, checkpoint)
    model, preprocess = load_image_model(spec, choose_device(device))
    if spec.model == BUNDLED_NAME:
        return model, preprocess, load_bundled_clip()[2]
    import open_clip

    with _loading(spec, from_hub=_has_hub_tokenizer(spec.model)):
        return model, preprocess, open_clip.get_tokenizer(spec.model)


def resolve_clip(name: str, pretrained: str | None = None, checkpoint: str | Path | None = None) -> ClipSpec:
    """Finds out which weights are meant, without loading them.

    Args:
        name: see :func:`load_clip`
        pretrained (None): see :func:`load_clip`
        checkpoint (None): see :func:`load_clip`

    Returns:
        the model and its weights

    Raises:
        CoresetError: if there is no such model, tag or file
    """
    if pretrained and checkpoint:
        raise CoresetError(f"give pretrained='{pretrained}' or checkpoint='{checkpoint}' for '{name}', not both")
    fixed_weights = name == BUNDLED_NAME or name.startswith(_HUB_PREFIX)
    if fixed_weights and (pretrained or checkpoint):
        given = "pretrained" if pretrained else "checkpoint"
        raise CoresetError(f"'{name}' brings its own weights; leave {given} out")
    if name == BUNDLED_NAME:
        return ClipSpec(name, checkpoint_sha256=_sha256(WEIGHTS_PATH))
    if fixed_weights:
        return ClipSpec(name)

    import open_clip

    if name not in open_clip.list_models():
        close = difflib.get_close_matches(name, open_clip.list_models(), cutoff=0.4)
        raise CoresetError(
            f"open_clip has no model '{name}'; "
            + (f"did you mean {', '.join(close)}?" if close else "see open_clip.list_models()")
        )
    if checkpoint:
        path = Path(checkpoint).expanduser().absolute()
        if not path.is_file():
            raise CoresetError(f"there is no checkpoint file {path}")
        return ClipSpec(name, checkpoint=str(path), checkpoint_sha256=_sha256(path))
    return ClipSpec(name, pretrained=_tag(name, pretrained))


def load_image_model(spec: ClipSpec, device: str | torch.device) -> tuple[torch.nn.Module, Callable[..., Any]]:
    """Loads a model without its tokenizer.

    Args:
        spec: the model and its weights
        device: where it shall live

    Returns:
        the model in eval mode and float32, and its preprocessing

    Raises:
        CoresetError: see :func:`load_clip`
    """
    if spec.model == BUNDLED_NAME:
        model, preprocess, _ = load_bundled_clip(device)
        return model.eval(), preprocess
    import open_clip

    # OpenAI's weights and some others were trained with QuickGELU; open_clip only warns if the model lacks it.
    tag = open_clip.get_pretrained_cfg(spec.model, spec.pretrained) if spec.pretrained else {}
    with _loading(spec, from_hub=spec.checkpoint is None):
        model, preprocess = open_clip.create_model_from_pretrained(
            spec.model,
            spec.checkpoint or spec.pretrained,
            device=device,
            force_quick_gelu=bool(tag.get("quick_gelu", False)),
            weights_only=True,
        )
    return model.eval(), preprocess


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The device to compute on.

    Args:
        device (None): a torch device; by default CUDA, else MPS, else the CPU

    Returns:
        a device that works

    Raises:
        CoresetError: if torch cannot use the device
    """
    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
        return torch.device(device)
    except Exception as error:  # torch raises AssertionError, RuntimeError or NotImplementedError here
        raise CoresetError(f"torch cannot use device '{device}': {_first_line(error)}") from error


def _tag(name: str, pretrained: str | None) -> str:
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(name)
    if not tags:
        raise CoresetError(f"open_clip offers no weights for '{name}'; give a checkpoint file")
    if pretrained is None:
        return _USUAL_TAG if _USUAL_TAG in tags else tags[0]
    if not open_clip.is_pretrained_cfg(name, pretrained):
        raise CoresetError(f"'{name}' has no weights '{pretrained}'; choose from {', '.join(tags)}")
    return pretrained


def _has_hub_tokenizer(name: str) -> bool:
    import open_clip

    return name.startswith(_HUB_PREFIX) or "hf_tokenizer_name" in open_clip.get_model_config(name)["text_cfg"]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _loading(spec: ClipSpec, from_hub: bool) -> Iterator[None]:
    """Turns whatever goes wrong while loading into one sentence that names the model and a way out.

    If the hub cannot be reached, its client may only answer from its cache: it would retry for a minute.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    offline = from_hub and not hub_answers(constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = before or offline
    logging.root.addFilter(_no_errors)  # open_clip logs on the root logger what it also raises
    try:
        yield
    except Exception as error:
        if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
            message = (
                f"the weights {spec.checkpoint or spec} are refused: the file is no plain dict of tensors, and loading "
                "anything else could run code; save the model's state dict as safetensors"
            )
        elif spec.checkpoint:
            message = f"checkpoint {spec.checkpoint} does not load as {spec.model}: {_first_line(error)}"
        else:
            problem = (
                f"the model hub cannot be reached and {spec} was not downloaded before"
                if offline
                else f"cannot get {spec} from the model hub ({_first_line(error)})"
            )
            message = (
                f"{problem}; without the hub, give checkpoint= a local weights file of an open_clip model, or use "
                f"model='{BUNDLED_NAME}'"
            )
        raise CoresetError(message) from error
    finally:
        logging.root.removeFilter(_no_errors)
        constants.HF_HUB_OFFLINE = before


def hub_answers(address: str) -> bool:
    """Whether the model hub at an address can be reached within seconds."""
    from huggingface_hub.utils import get_session

    try:
        get_session().head(address, timeout=_HUB_SECONDS)
    except Exception:  # the client's errors differ between its versions
        return False
    return True


def _no_errors(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
