"""Judges of a selection: what a model trained on it gets right on a clean test set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .pools import ImagePool

#: Inverse strength of the probe's L2 penalty. One value for all methods and budgets, so that none is favoured.
_PROBE_C = 0.1
#: The network sees this many batches whatever the selection, more where there are more classes to learn, and is small
#: enough for thousands of trainings on a CPU.
_STEPS = 300
_STEPS_PER_CLASS = 3
_BATCH = 32
_RATE = 0.05


def _labelled(pool: ImagePool, kept: np.ndarray) -> np.ndarray:
    """Off-topic images have no class: their share of the budget is lost, as it is for an annotator."""
    return kept[pool.labels[kept] >= 0]


def _result(predicted: np.ndarray, pool: ImagePool) -> dict[str, float]:
    """Accuracy, and mean recall of the rarer half of the pool's classes."""
    good = pool.labels[(pool.bad == 0)]
    counts = np.bincount(good, minlength=int(pool.test_labels.max()) + 1)
    rare = np.argsort(counts, kind="stable")[: len(counts) // 2]
    hit = predicted == pool.test_labels
    tail = np.mean([hit[pool.test_labels == label].mean() for label in rare if (pool.test_labels == label).any()])
    return {"accuracy": float(hit.mean()), "tail_recall": float(tail)}


def probe(pool: ImagePool, kept: np.ndarray, seed: int) -> dict[str, float]:
    """Logistic regression on the pool's standardised features."""
    rows = _labelled(pool, kept)
    mean, scale = pool.features.mean(axis=0), pool.features.std(axis=0) + 1e-6
    X = torch.from_numpy((pool.features[rows] - mean) / scale)
    y = torch.from_numpy(pool.labels[rows].astype(np.int64))
    classes = int(pool.test_labels.max()) + 1
    weight = torch.zeros(X.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=60, history_size=8, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(X @ weight + bias, y) + (weight**2).sum() / (2 * _PROBE_C * len(X))
        value.backward()
        return value

    optimizer.step(loss)
    with torch.inference_mode():
        logits = torch.from_numpy((pool.test_features - mean) / scale) @ weight + bias
    return _result(logits.argmax(dim=1).numpy(), pool)


def cnn(pool: ImagePool, kept: np.ndarray, seed: int) -> dict[str, float]:
    """A small residual network trained from scratch on the images, the same number of steps for every selection."""
    torch.manual_seed(seed)
    rows = _labelled(pool, kept)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = _tensor(pool.images[rows]).to(device)
    y = torch.from_numpy(pool.labels[rows].astype(np.int64)).to(device)
    classes = int(pool.test_labels.max()) + 1
    steps = _STEPS + _STEPS_PER_CLASS * classes
    model = _Net(classes).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=_RATE, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(y), (_BATCH,), generator=generator)
        x = _augment(images[batch], generator)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y[batch]).backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.inference_mode():
        parts = torch.from_numpy(pool.test_images).split(500)
        predicted = [model(_tensor(part.numpy()).to(device)).argmax(dim=1).cpu() for part in parts]
    return _result(torch.cat(predicted).numpy(), pool)


def _tensor(images: np.ndarray) -> torch.Tensor:
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last) / 127.5 - 1
    return F.interpolate(x, size=(32, 32), mode="area") if x.shape[2] > 32 else x


def _augment(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A random shift of up to 4 pixels and a random flip, per batch."""
    dx, dy = torch.randint(0, 9, (2,), generator=generator).tolist()
    x = F.pad(x, (4, 4, 4, 4), mode="reflect")[:, :, dy : dy + 32, dx : dx + 32]
    return x.flip(3) if torch.rand(1, generator=generator) < 0.5 else x


class _Net(nn.Module):
    """A stem and three residual stages, each of which halves the sides: 32 pixels to 2."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.stages = nn.ModuleList(_Block(a, b) for a, b in ((16, 16), (16, 32), (32, 64)))
        self.head = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean(dim=(2, 3)))


class _Block(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.skip = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inside, outside, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.skip(x))


JUDGES: dict[str, Callable[[ImagePool, np.ndarray, int], dict[str, float]]] = {"probe": probe, "cnn": cnn}
