"""ZCore for any draws on a GPU: what :mod:`.kernel_any_dim` does, for a block of draws at once.

In the docstrings n is the number of images, t of draws, m of dimensions in a subspace, b of draws in a block, and
*float* the dtype of the embeddings, float32 or float64.
"""

from __future__ import annotations

import threading

import numpy as np
import torch

from ....vectors.device import block_rows
from ....vectors.matrix import blocks
from ....vectors.torch_kernel import put
from .params import LITERAL, SYMMETRIC, ZCoreParams

#: Threads of the engine take turns, so that blocks of one exist on the device.
_TURN = threading.Lock()


def score_draws(columns: torch.Tensor, dims: np.ndarray, targets: np.ndarray, params: ZCoreParams) -> np.ndarray:
    """The effect of any draws.

    Args:
        columns: (d, n) float embeddings, one dimension a row, on the device
        dims: (t, m) int64 subspaces
        targets: (t, m) float64 points in these
        params: the hyperparameters

    Returns:
        (2, n) float64 coverage and redundancy
    """
    effect = torch.zeros((2, columns.shape[1]), dtype=torch.float64, device=columns.device)
    with _TURN:
        # Distances and weights are float, shares of the penalty float64: a block takes some four times its distances.
        for part in blocks(len(dims), block_rows(columns.element_size() * columns.shape[1])):
            spaces = put(dims[part], columns.device)
            points = put(targets[part], columns.device).to(columns.dtype)
            _add(columns, spaces, points, params, *effect)
    return effect.cpu().numpy()


def _add(
    columns: torch.Tensor,
    spaces: torch.Tensor,
    points: torch.Tensor,
    params: ZCoreParams,
    coverage: torch.Tensor,
    redundancy: torch.Tensor,
) -> None:
    """Adds the effect of (b, m) points in (b, m) subspaces to (n,) float64 coverage and redundancy."""
    distance = _distances(columns, spaces, points)
    hits = _first(distance == distance.amin(dim=1, keepdim=True))
    distance = _distances(columns, spaces, columns[spaces, hits[:, None]])
    coincident = distance == 0
    counts = coincident.sum(dim=1)
    alone = counts == 1
    share = torch.zeros(distance.shape, dtype=torch.float64, device=distance.device)
    share[alone] = _penalties(distance[alone], params)
    twins = coincident[~alone].double()
    if params.rule == SYMMETRIC:
        twins /= counts[~alone, None]
        coverage += twins.sum(dim=0)
        hits = hits[alone]
    else:
        twins.scatter_(1, hits[~alone, None], 0)
        twins /= counts[~alone, None] - 1
        if params.rule == LITERAL:
            twins = torch.zeros_like(twins).scatter_(1, _first(twins > 0)[:, None], 1)
    share[~alone] = twins
    coverage += torch.bincount(hits, minlength=len(coverage))
    redundancy += share.sum(dim=0)


def _distances(columns: torch.Tensor, spaces: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """(b, n) float L1 distances of all images from (b, m) points, added up in the order of the dimensions."""
    distance = (columns[spaces[:, 0]] - points[:, :1]).abs_()
    for j in range(1, spaces.shape[1]):
        distance += (columns[spaces[:, j]] - points[:, j, None]).abs_()
    return distance


def _first(found: torch.Tensor) -> torch.Tensor:
    """(b,) int64 first column of each row that is True in (b, n)."""
    columns = torch.arange(found.shape[1], device=found.device)
    return torch.where(found, columns, found.shape[1]).amin(dim=1)


def _penalties(distance: torch.Tensor, params: ZCoreParams) -> torch.Tensor:
    """(b, n) float64 penalties of the K images nearest to each one hit, 1 in all; of equally far ones the first count.

    Args:
        distance: (b, n) float, of which exactly one a row is 0
        params: the hyperparameters
    """
    rank = params.n_neighbors + 1
    cut = distance.topk(rank, dim=1, largest=False, sorted=False).values.amax(dim=1, keepdim=True)
    positive = torch.where(distance > 0, distance, torch.inf)
    weight = torch.where(positive <= cut, positive.amin(dim=1, keepdim=True) / positive, 0) ** params.exponent
    spare = (distance <= cut).sum(dim=1) - rank
    for draw in spare.nonzero()[:, 0]:
        ties = (distance[draw] == cut[draw]).nonzero()[:, 0]
        weight[draw, ties[len(ties) - spare[draw] :]] = 0
    weight = weight.double()
    return weight / weight.sum(dim=1, keepdim=True)
