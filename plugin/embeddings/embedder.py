"""A CLIP image tower at work: device, precision and memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from .framing import Framing

if TYPE_CHECKING:
    import torch

#: Images of 224 x 224 in a batch; smaller inputs get proportionally more.
_BATCH_AT_224 = {"cpu": 32, "mps": 64, "cuda": 256}
_BATCH_RANGE = (8, 512)


class Embedder:
    """Turns framed pixels into unit vectors.

    Args:
        model: an open_clip model in eval mode
        device: where the model lives
    """

    normalized = True
    #: Reasons why single images failed; it is the whole batch that fails here, for want of memory.
    errors: Mapping[int, str] = {}

    def __init__(self, model: Any, device: torch.device):
        import torch

        self.device = device
        self.on_cpu = device.type == "cpu"
        self.preprocess: Mapping[str, Any] = model.visual.preprocess_cfg
        self.framing = Framing.of(self.preprocess)
        self._encode: Callable[[torch.Tensor], torch.Tensor] = model.encode_image
        model.to(memory_format=torch.channels_last)  # the order in which decoded pixels arrive
        self._mean, self._std = (
            255 * torch.tensor(self.preprocess[name], device=device).view(1, 3, 1, 1) for name in ("mean", "std")
        )
        self._autocast = _autocast_dtype(device)
        self._limit: int | None = None

    def batch_size(self) -> int:
        """A batch size that suits the device and the model's input size."""
        images = _BATCH_AT_224.get(self.device.type, _BATCH_AT_224["cpu"])
        scaled = images * 224**2 // (self.framing.height * self.framing.width)
        return int(np.clip(scaled, *_BATCH_RANGE))

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Embeds images, in smaller portions from the moment that memory runs out.

        Args:
            pixels: (m, height, width, 3) uint8

        Returns:
            (m, d) float32; rows have unit length, or are NaN if the model's output was not finite

        Raises:
            CoresetError: if memory does not suffice for a single image
        """
        portions, start = [], 0
        while start < len(pixels):
            stop = len(pixels) if self._limit is None else min(len(pixels), start + self._limit)
            vectors = self._embed_or_none(pixels[start:stop])
            if vectors is None:
                self._lower_limit(stop - start)
                continue
            portions.append(vectors)
            start = stop
        return np.concatenate(portions)

    def _embed_or_none(self, pixels: np.ndarray) -> np.ndarray | None:
        """Embeds images, or answers None if memory ran out."""
        try:
            vectors = self._embed(pixels, self._autocast)
            bad = np.isnan(vectors).any(axis=1)
            if self._autocast and bad.any():  # half precision may overflow where float32 does not
                vectors[bad] = self._embed(pixels[bad], None)
            return vectors
        except Exception as error:
            if not _out_of_memory(error):
                raise
            return None

    def _embed(self, pixels: np.ndarray, autocast: torch.dtype | None) -> np.ndarray:
        import torch

        with torch.inference_mode(), torch.autocast(self.device.type, autocast, enabled=autocast is not None):
            # (m, h, w, 3) in memory is (m, 3, h, w) in channels-last order
            images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float()
            features = self._encode(images.sub_(self._mean).div_(self._std)).float()
            lengths = features.norm(dim=1, keepdim=True)
            usable = torch.isfinite(lengths) & (lengths > 0)
            return torch.where(usable, features / lengths, torch.nan).cpu().numpy()

    def _lower_limit(self, tried: int) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if tried == 1:
            raise CoresetError(
                f"not enough memory on {self.device} for a single image of this model; use a smaller model, or "
                "device='cpu'"
            )
        self._limit = tried // 2


def _autocast_dtype(device: torch.device) -> torch.dtype | None:
    """Half precision where it is faster: on CUDA, in bfloat16 if the device has it."""
    import torch

    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _out_of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in str(error).lower() for words in ("out of memory", "can't allocate memory"))
    )
