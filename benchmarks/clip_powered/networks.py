"""Networks trained on what a selection keeps: a linear probe of MobileNetV2 features, and a small CNN from scratch."""

from __future__ import annotations

import numpy as np

#: Batches a network is trained on, whatever is kept.
_STEPS = 400
_BATCH = 128


def probe_accuracy(planted, rows: np.ndarray, features: np.ndarray, truth: np.ndarray) -> float:
    """Ridge classification of the kept images' ImageNet features, which the selection never saw."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(planted.features)
    probe = RidgeClassifier(alpha=2000)
    probe.fit(scaler.transform(planted.features[rows]), planted.labels[rows])
    return float(probe.score(scaler.transform(features), truth))


def cnn_accuracy(planted, rows: np.ndarray, images: np.ndarray, truth: np.ndarray, seed: int) -> float:
    """A CNN of about 55,000 weights trained from scratch on the kept images and their labels as given."""
    import torch
    from torch.nn.functional import cross_entropy, pad

    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = _network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=_STEPS)
    padded = pad(_tensor(planted.images[rows]), (4, 4, 4, 4), mode="reflect")
    labels = torch.from_numpy(planted.labels[rows])
    queue = torch.empty(0, dtype=torch.long)
    for _ in range(_STEPS):
        while len(queue) < _BATCH:
            queue = torch.cat([queue, torch.randperm(len(labels), generator=generator)])
        batch, queue = queue[:_BATCH], queue[_BATCH:]
        left, top = torch.randint(0, 9, (2,), generator=generator).tolist()
        pixels = padded[batch, :, top : top + 32, left : left + 32]
        if torch.rand((), generator=generator) < 0.5:
            pixels = pixels.flip(3)
        with torch.autocast("cpu", torch.bfloat16):
            loss = cross_entropy(network(pixels), labels[batch])
        optimizer.zero_grad(set_to_none=True)
        loss.float().backward()
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.inference_mode():
        predicted = torch.cat([network(part).argmax(1) for part in _tensor(images).split(1000)]).numpy()
    return float((predicted == truth).mean())


def _network():
    from torch import nn

    def block(inputs: int, outputs: int, **convolution) -> list:
        layer = nn.Conv2d(inputs, outputs, bias=False, **convolution)
        return [layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    return nn.Sequential(
        *block(3, 24, kernel_size=5, stride=2, padding=2),
        nn.MaxPool2d(2),
        *block(24, 48, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        *block(48, 96, kernel_size=3, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(96, 10),
    )


def _tensor(images: np.ndarray):
    import torch

    pixels = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.47) / 0.25
    return pixels.contiguous(memory_format=torch.channels_last)
