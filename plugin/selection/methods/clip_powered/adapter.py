"""Dataset adaptation: one linear map for images and one for texts, trained on cached embeddings.

Yang et al. (arXiv 2410.11215) adapt CLIP to a dataset with two linear layers and a contrastive loss; their training
script is not public. In-batch contrast would push apart images of one class, so the loss here contrasts each image
with the texts of *all classes*: cross-entropy of ``scale * cos(A_I(image), A_T(text_1..C))`` against the label. Both
maps start at the identity and keep the weights of the epoch with the lowest held-out loss, so
adaptation that does not help changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ....progress import ProgressCallback, silence
from ....requirements import require
from ....vectors.matrix import blocks, normalized
from .scores import class_margin
from .settings import DEFAULTS, ClipPoweredSettings

if TYPE_CHECKING:
    import torch

#: Factors that are tried, a third apart.
_SCALES = 24


@dataclass(frozen=True)
class Adapters:
    """The trained maps.

    Attributes:
        image_map, text_map: (d + 1, d) float32, weight rows followed by the bias
        scale: the factor between cosines and class log-odds
        epochs: epochs trained; 0 means that the identity was best
        held_out_losses: mean cross-entropy on the held-out images before training and after each epoch
    """

    image_map: np.ndarray
    text_map: np.ndarray
    scale: float
    epochs: int
    held_out_losses: tuple[float, ...]

    def images(self, images: np.ndarray) -> np.ndarray:
        """Adapts (n, d) image embeddings."""
        return np.concatenate([images[part] @ self.image_map[:-1] for part in blocks(len(images))]) + self.image_map[-1]

    def texts(self, texts: np.ndarray) -> np.ndarray:
        """Adapts (C, d) text embeddings."""
        return texts @ self.text_map[:-1] + self.text_map[-1]


def train_adapters(
    images: np.ndarray,
    labels: np.ndarray,
    texts: np.ndarray,
    *,
    confident_only: bool = False,
    settings: ClipPoweredSettings = DEFAULTS,
    seed: int = 0,
    device: str | None = None,
    report: ProgressCallback | None = None,
) -> Adapters:
    """Trains the image and the text adapter.

    Args:
        images: (n, d) float32 image embeddings of mean norm 1, in an order that says nothing; at least
            ``settings.min_images`` of two classes or more
        labels: (n,) int64 class numbers
        texts: (C, d) float32 unit text embeddings
        confident_only (False): whether to learn only from the half of each class whose label the untrained embedding
            supports most, which keeps wrong labels out
        settings: the constants
        seed (0): of the held-out tenth and of the batches
        device (None): torch device; by default CUDA if there is one, else the CPU
        report (None): called with the finished fraction and a message

    Returns:
        :class:`Adapters`
    """
    require(("torch",))
    import torch

    scale = fit_scale(images, labels, texts, settings)
    if confident_only:
        chosen = confident_half(class_margin(images, labels, texts), labels)
        images, labels = images[chosen], labels[chosen]
    by_class = np.argsort(labels, kind="stable")
    held_out = by_class[:: round(1 / settings.held_out)]
    rest = np.setdiff1d(by_class, held_out)

    chosen_device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def tensors(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(images[rows]).to(chosen_device), torch.from_numpy(labels[rows]).to(chosen_device)

    training = _Training(torch.from_numpy(texts).to(chosen_device), scale, settings)
    return training.run(tensors(rest), tensors(held_out), seed, report or silence)


class _Training:
    """The two maps, their loss and the loop."""

    def __init__(self, texts: torch.Tensor, scale: float, settings: ClipPoweredSettings):
        import torch

        dim = texts.shape[1]
        identity = torch.cat([torch.eye(dim), torch.zeros(1, dim)]).to(texts.device)
        self.texts = texts
        self.settings = settings
        self.image_map = identity.clone().requires_grad_()
        self.text_map = identity.clone().requires_grad_()
        self.log_scale = torch.tensor(float(np.log(scale)), device=texts.device, requires_grad=True)
        self.parameters = [self.image_map, self.text_map, self.log_scale]
        self.optimizer = torch.optim.Adam(self.parameters, lr=settings.learning_rate)

    def loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        from torch.nn.functional import cross_entropy, normalize

        adapted = normalize(images @ self.image_map[:-1] + self.image_map[-1], dim=1)
        texts = normalize(self.texts @ self.text_map[:-1] + self.text_map[-1], dim=1)
        return cross_entropy(self.log_scale.exp() * adapted @ texts.T, labels)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(images, labels).backward()
        self.optimizer.step()

    def held_out_loss(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        import torch

        with torch.no_grad():
            parts = [self.loss(images[part], labels[part]) * len(labels[part]) for part in blocks(len(labels), 8192)]
            return float(sum(parts) / len(labels))

    def state(self) -> tuple[np.ndarray, np.ndarray, float]:
        image_map, text_map = (own.detach().cpu().numpy().copy() for own in (self.image_map, self.text_map))
        return image_map, text_map, float(self.log_scale.detach().exp())

    def run(self, train, held_out, seed: int, report: ProgressCallback) -> Adapters:
        import torch

        max_epochs = self.settings.max_epochs
        generator = torch.Generator().manual_seed(seed)
        images, labels = train
        losses = [self.held_out_loss(*held_out)]
        best, best_epoch = self.state(), 0
        for epoch in range(1, max_epochs + 1):
            shuffled = torch.randperm(len(labels), generator=generator).to(labels.device)
            for rows in shuffled.split(self.settings.batch_size):
                self.step(images[rows], labels[rows])
            losses.append(self.held_out_loss(*held_out))
            report(epoch / max_epochs, f"adapting to the dataset, held-out loss {losses[-1]:.3f}")
            if losses[-1] < losses[best_epoch]:
                best, best_epoch = self.state(), epoch
            elif epoch - best_epoch >= self.settings.patience:
                break
        report(1.0, "adapted to the dataset")
        return Adapters(*best, epochs=best_epoch, held_out_losses=tuple(losses))


def confident_half(margin: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The half of each class with the larger margin, rounded up.

    Returns:
        (m,) int64 sorted rows
    """
    order = np.lexsort((-margin, labels))
    sizes = np.bincount(labels)[np.unique(labels)]
    starts = np.cumsum(sizes) - sizes
    halves = [order[start : start + (size + 1) // 2] for start, size in zip(starts, sizes, strict=True)]
    return np.sort(np.concatenate(halves))


def fit_scale(
    images: np.ndarray, labels: np.ndarray, texts: np.ndarray, settings: ClipPoweredSettings = DEFAULTS
) -> float:
    """The factor on cosines that explains the labels best, from 1 on.

    Wrong labels pull it down by themselves, which softens the loss they are trained with.

    Args:
        images: (n, d) image embeddings
        labels: (n,) int class numbers
        texts: (C, d) text embeddings
        settings: the constants; images that are looked at are evenly spaced

    Returns:
        the scale of the lowest cross-entropy
    """
    rows = np.arange(0, len(images), max(1, len(images) // settings.fitted_images))
    cosine = (normalized(images[rows]) @ normalized(texts).T).astype(np.float64)
    own = cosine[np.arange(len(rows)), labels[rows]]

    def loss(scale: float) -> float:
        logits = scale * (cosine - own[:, None])
        top = logits.max(axis=1)
        return float((top + np.log(np.exp(logits - top[:, None]).sum(axis=1))).mean())

    return float(min(np.geomspace(1, settings.max_scale, _SCALES), key=loss))
