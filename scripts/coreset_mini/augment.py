"""What is done to a batch of training images before the model sees it."""

import math

import numpy as np
import open_clip
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

#: Pixels a side of the images of a batch.
SIZE = 64


def normalise(images: Tensor) -> Tensor:
    """From [0, 1] to what the model's preprocessing hands out."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    return (images - mean) / std


def augment(images: Tensor, may_flip: Tensor, rng: np.random.Generator, gentle: bool) -> Tensor:
    """Random flip and shift; unless ``gentle`` also zoom, aspect, rotation, light and colour."""
    n = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, n).astype(np.float32))

    flip = torch.where(may_flip & (uniform(0, 1) < 0.5), -1.0, 1.0)
    reach = 0.06 if gentle else 0.16
    # whole pixels, so that an image that is only shifted is not blurred
    shift_x, shift_y = ((uniform(-reach, reach) * SIZE / 2).round() * 2 / SIZE for _ in range(2))
    zoom, aspect, angle = torch.ones(n), torch.ones(n), torch.zeros(n)
    if not gentle:
        zoom, aspect, angle = uniform(0.7, 1.15), uniform(-0.15, 0.15).exp(), uniform(-0.2, 0.2)
    wide, high = zoom * aspect, zoom / aspect
    theta = torch.stack(
        [
            torch.stack([angle.cos() * wide * flip, -angle.sin() * high, shift_x], 1),
            torch.stack([angle.sin() * wide * flip, angle.cos() * high, shift_y], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [n, 3, SIZE, SIZE], align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    images = images.contiguous(memory_format=torch.channels_last)
    if gentle:
        return images
    column = (slice(None), None, None, None)
    grey = images.mean(1, keepdim=True)
    colour, contrast, light = uniform(0.4, 1.4)[column], uniform(0.7, 1.3)[column], uniform(-0.15, 0.15)[column]
    middle = grey.mean((2, 3), keepdim=True)
    return images.sub_(grey).mul_(colour).add_(grey).sub_(middle).mul_(contrast).add_(middle + light).clamp_(0, 1)


def cutmix(images: Tensor, targets: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pastes one box of every image's random partner into it and mixes the targets by area."""
    partner = torch.from_numpy(rng.permutation(len(images)))
    side = math.sqrt(rng.random()) * SIZE
    x, y = rng.integers(SIZE, size=2)
    left, right = (int(np.clip(x + way * side / 2, 0, SIZE)) for way in (-1, 1))
    top, bottom = (int(np.clip(y + way * side / 2, 0, SIZE)) for way in (-1, 1))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]
    share = (right - left) * (bottom - top) / SIZE**2
    return mixed, (1 - share) * targets + share * targets[partner]
