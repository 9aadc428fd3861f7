"""FiftyOne's models: of its zoo by name, or any instance that gives embeddings."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..requirements import require
from .clip import choose_device, load_image_model, resolve_clip
from .embedder import Embedder
from .framing import WholeImage
from .record import INSTANCE, OPEN_CLIP, ZOO, ClipSpec

#: Whole images in a batch: they travel undiminished, 36 MB for one of 12 megapixels.
_BATCH = 8


def resolve_model(model: Any, pretrained: str | None = None, checkpoint: str | Path | None = None) -> ClipSpec:
    """Finds out which model and weights are meant, without loading them.

    Args:
        model: the name of an open_clip model, ``"hf-hub:..."``, ``"coreset-mini"``, the name of a model of FiftyOne's
            zoo that gives embeddings, or such a ``fiftyone.core.models.Model``
        pretrained (None): see :func:`.clip.load_clip`
        checkpoint (None): see :func:`.clip.load_clip`

    Returns:
        the model and its weights

    Raises:
        CoresetError: if there is no such model, or it gives no embeddings of images
    """
    if isinstance(model, str):
        require(("torch", "open_clip"))
        if not _is_zoo_name(model):
            return resolve_clip(model, pretrained, checkpoint)
        name, library = model, ZOO
        _require_embeddings_tag(model)
    else:
        _require_image_embeddings(model)
        library = INSTANCE
        name = f"{type(model).__module__}.{type(model).__qualname__}"
    if pretrained or checkpoint:
        given = "pretrained" if pretrained else "checkpoint"
        raise CoresetError(f"'{name}' brings its own weights; leave {given} out")
    return ClipSpec(name, library=library)


@contextmanager
def embedder_of(spec: ClipSpec, model: Any, device: Any = None) -> Iterator[Embedder | ZooEmbedder]:
    """Loads a model for as long as the context lasts.

    Args:
        spec: what :func:`resolve_model` made of ``model``
        model: a name or an instance
        device (None): a torch device; an instance is where it is

    Yields:
        what turns decoded images into vectors

    Raises:
        CoresetError: if it cannot be loaded
    """
    if spec.library == OPEN_CLIP:
        chosen = choose_device(device)
        yield Embedder(load_image_model(spec, chosen)[0], chosen)
        return
    loaded = _load(model, device) if isinstance(model, str) else model
    with loaded:
        yield ZooEmbedder(loaded)


class ZooEmbedder:
    """Turns whole images into the vectors of a FiftyOne model, as they come.

    Args:
        model: a ``fiftyone.core.models.Model`` with embeddings
    """

    framing = WholeImage()
    preprocess: Mapping[str, Any] = {}
    normalized = False

    def __init__(self, model: Any):
        self._model = model
        self.on_cpu = str(getattr(model, "device", None) or "cpu").startswith("cpu")
        #: What the model raised for images of the last call, by their places.
        self.errors: dict[int, str] = {}
        self._dimension: int | None = None

    def batch_size(self) -> int:
        """A batch size that suits the memory."""
        return _BATCH

    def __call__(self, pixels: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Embeds images; one that the model fails on costs only itself.

        Args:
            pixels: m uint8 arrays (height, width, 3)

        Returns:
            (m, d) float32; rows are NaN where the model failed, see ``errors``, or its output was not finite
        """
        self.errors = {}
        vectors = self._together(pixels) or [self._alone(place, image) for place, image in enumerate(pixels)]
        for vector in vectors:
            if self._dimension is None and vector is not None:
                self._dimension = len(vector)
        found = np.full((len(pixels), self._dimension or 1), np.nan, dtype=np.float32)
        for place, vector in enumerate(vectors):
            if vector is None:
                continue
            if len(vector) != self._dimension:
                self.errors[place] = f"the model gave {len(vector)} numbers instead of {self._dimension}"
            elif np.isfinite(vector).all() and vector.any():
                found[place] = vector
        return found

    def _together(self, pixels: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray | None] | None:
        """The vectors of a batch, or None if the model does not take these images at once."""
        if getattr(self._model, "ragged_batches", True):
            return None
        try:
            vectors = [_vector(found) for found in self._model.embed_all(list(pixels))]
        except Exception:  # whatever the model raises for one of them: asked again one by one
            return None
        return list(vectors) if len(vectors) == len(pixels) else None

    def _alone(self, place: int, image: np.ndarray) -> np.ndarray | None:
        try:
            return _vector(self._model.embed(image))
        except Exception as error:
            lines = str(error).strip().splitlines()
            self.errors[place] = f"the model failed on it ({type(error).__name__}: {lines[0] if lines else ''})"
            return None


def _vector(found: Any) -> np.ndarray:
    """One embedding as the model gives it: an array or tensor, of one image or a batch of one."""
    if hasattr(found, "detach"):
        found = found.detach().cpu().float().numpy()
    array = np.squeeze(np.asarray(found, dtype=np.float32))
    if array.ndim != 1:
        raise ValueError(f"its embedding has the shape {np.shape(found)}, and is no vector")
    return array


def _is_zoo_name(name: str) -> bool:
    """Whether a name is one of the zoo's, or of nobody's: then names like it are told."""
    import fiftyone.zoo.models as fozm
    import open_clip

    from .bundled import BUNDLED_NAME

    known = open_clip.list_models()
    if name == BUNDLED_NAME or name.startswith("hf-hub:") or name in known:
        return False
    zoo = fozm._list_zoo_models()
    if name.split("@")[0] in {zoo_model.base_name for zoo_model in zoo}:
        return True
    offered = known + [zoo_model.name for zoo_model in zoo if zoo_model.has_tag("embeddings")]
    close = difflib.get_close_matches(name, offered, cutoff=0.4)
    raise CoresetError(
        f"neither open_clip nor FiftyOne's model zoo has a model '{name}'; "
        + (f"did you mean {', '.join(close)}?" if close else "see open_clip.list_models() and foz.list_zoo_models()")
    )


def _require_embeddings_tag(name: str) -> None:
    import fiftyone.zoo.models as fozm

    if not fozm.get_zoo_model(name).has_tag("embeddings"):
        raise CoresetError(
            f"FiftyOne's zoo model '{name}' gives no embeddings; choose one of foz.list_zoo_models(tags='embeddings')"
        )


def _require_image_embeddings(model: Any) -> None:
    import fiftyone.core.models as fom

    name = type(model).__name__
    if not isinstance(model, fom.Model):
        raise CoresetError(
            f"model must be a name, or a fiftyone.core.models.Model with embeddings, got {name}; wrap it in one"
        )
    if not model.has_embeddings:
        raise CoresetError(f"model {name} gives no embeddings (has_embeddings is False); choose one that does")
    if model.media_type != "image":
        raise CoresetError(f"model {name} embeds media of type '{model.media_type}', not images; choose one that does")


def _load(name: str, device: Any) -> Any:
    """Loads a zoo model, or says in one sentence why not."""
    import fiftyone.zoo as foz

    try:
        model = foz.load_zoo_model(name, **({} if device is None else {"device": str(device)}))
    except Exception as error:  # of the download, of missing packages, of the model's own code
        lines = str(error).strip().splitlines()
        raise CoresetError(
            f"FiftyOne's zoo model '{name}' cannot be loaded ({lines[0] if lines else type(error).__name__}); see that "
            "it is downloaded and its requirements are installed: foz.load_zoo_model(...) says more"
        ) from error
    _require_image_embeddings(model)
    return model
