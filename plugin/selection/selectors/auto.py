"""The default: reads the pool, then covers it evenly, burst by burst."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..cover import greedy_cover, similarity_matrix
from ..duplicates import NearDuplicates, near_duplicates
from ..pool import Picks, Pool
from ..quotas import take_turns
from ..registry import register
from .maxherding import gaussian

#: A burst of s near-copies counts as s ** _GROWTH distinct images.
_GROWTH = 0.25
#: Share of the coreset that follows the plain number of images all the same: where bursts are plain to see, and where
#: they are not and a dense region may hold distinct images.
_MASS_IF_BURSTS = 0.1
_MASS_OTHERWISE = 0.5
#: Neighbours that set the scale at which an image counts as covered.
_SCALE_NEIGHBORS = 10
#: Single images are judged by the bursts only if there are this many of each, and if they differ beyond this z-value.
_LEAST_JUDGED = 20
_LEAST_Z = 3.0
_LEAST_TRUST = 0.05


@dataclass(frozen=True)
class _Plan:
    """How the budget is shared among groups of near-duplicates.

    Attributes:
        share: (g,) float64 share of the coreset for every group; they add up to 1
        delegates: (g,) int64 images that stand for a group before any group gets further copies
        facts: what was read from the pool
    """

    share: np.ndarray
    delegates: np.ndarray
    facts: dict[str, Any]


@register(
    "auto", "Reads the pool: bursts of near-copies count little more than once, then even coverage at every scale"
)
def auto(pool: Pool, k: int) -> Picks:
    """Groups near-duplicates, gives every group a share of the budget, and covers the groups in order of gain.

    1.  Near-duplicates are found at the gap the data shows, see :func:`..duplicates.near_duplicates`. A burst of s
        copies counts as ``s ** 0.25`` images, plus a small part in proportion to s, so that a dense region mistaken for
        a burst is not starved.
    2.  In a pool of bursts, a single image that looks unlike everything that comes in bursts is probably off-topic and
        waits: it is judged by a cross-fitted classifier of single images against bursts, and only if the two differ
        significantly.
    3.  The images that stand for the groups are ordered by MaxHerding with a self-tuning kernel (Zelnik-Manor and
        Perona, NeurIPS 2004): distances count in units of the two images' own distances to their 10th neighbours.
        Dense and sparse regions are then covered in proportion to their shares, and isolated images, which cover
        nothing but themselves, come late.
    4.  Further copies and doubtful single images follow, the groups taking turns.

    Every prefix of the order is the selection of that size.

    Args:
        pool: the problem
        k: rows to pick

    Returns:
        the picks; the details say what was read from the pool and what was done
    """
    found = near_duplicates(pool.Z, seed=pool.seed, num_workers=pool.num_workers)
    pool.report(0.3, "near-duplicates found")
    plan = _plan(pool, found)
    stand, later = _delegates(pool, found, plan)
    per_image = plan.share / np.maximum(plan.delegates, 1)
    order = _cover(pool, stand, per_image[found.groups[stand]], k)
    if len(order) < k:
        taken = np.bincount(found.groups[np.concatenate([pool.kept, order])], minlength=len(plan.share))
        order = np.concatenate([order, take_turns(later, found.groups, plan.share, taken)[: k - len(order)]])
    return Picks(order, details=plan.facts)


def _plan(pool: Pool, found: NearDuplicates) -> _Plan:
    sizes = np.bincount(found.groups)
    mass = np.bincount(found.groups, weights=pool.weights)
    trust, judged = _trust(pool, found, sizes) if found.clear else (np.ones(len(sizes)), None)
    value = trust * mass / sizes * sizes**_GROWTH
    blend = _MASS_IF_BURSTS if found.clear else _MASS_OTHERWISE
    share = (1 - blend) * value / value.sum() + blend * mass / mass.sum()
    one = (1 - blend) / value.sum() + blend / mass.sum()
    # A group whose share is worth less than half an image has nobody to stand for it at first.
    delegates = np.where(share < one / 2, 0, np.clip((share / one + 1e-9).astype(np.int64), 1, sizes))
    copies = float(1 - len(sizes) / len(pool))
    facts: dict[str, Any] = {
        "near_copy_share": copies,
        "groups": len(sizes),
        "largest_group": int(sizes.max()),
        "near_duplicate_radius": found.threshold,
        "bursts": found.clear,
        "single_images_differ": judged,
        "why": _why(found, sizes, copies, judged),
    }
    return _Plan(share, delegates, facts)


def _why(found: NearDuplicates, sizes: np.ndarray, copies: float, judged: float | None) -> str:
    if not found.clear:
        return (
            f"no clear gap between copies and distinct images ({copies:.0%} near-copies): every region of the pool is"
            " covered in proportion to its images"
        )
    text = (
        f"{copies:.0%} of the images are near-copies in {np.sum(sizes > 1)} bursts of up to {sizes.max()}: one image"
        " of each burst first"
    )
    if judged is not None:
        text += f"; single images look unlike the bursts (AUC {judged:.2f}), those that differ most come late"
    return text


def _trust(pool: Pool, found: NearDuplicates, sizes: np.ndarray) -> tuple[np.ndarray, float | None]:
    """How much a single image looks like those that come in bursts.

    Returns:
        a tuple of (g,) float64 in (0, 1], 1 for bursts, and the AUC of telling bursts from single images, None if
        they do not differ
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    trust = np.ones(len(sizes))
    central = np.flatnonzero(found.representatives())
    burst = sizes[found.groups[central]] > 1
    if min(burst.sum(), (~burst).sum()) < _LEAST_JUDGED:
        return trust, None
    X = pool.Z[central] - pool.Z[central].mean(axis=0)
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=200)
    score = cross_val_predict(model, X, burst, cv=5, method="decision_function")
    auc = float(roc_auc_score(burst, score))
    chance = np.sqrt((len(burst) + 1) / (12 * burst.sum() * (~burst).sum()))
    if auc - 0.5 < _LEAST_Z * chance:
        return trust, None
    # Among on-topic images single ones would score like bursts: half of them above the bursts' median.
    percentile = np.searchsorted(np.sort(score[burst]), score[~burst]) / burst.sum()
    trust[found.groups[central[~burst]]] = np.clip((2 * percentile) ** 2, _LEAST_TRUST, 1)
    return trust, auc


def _delegates(pool: Pool, found: NearDuplicates, plan: _Plan) -> tuple[np.ndarray, np.ndarray]:
    """The rows that stand for their groups, kept rows first and then the most central one, and the others."""
    kept = ~pool.free
    central = found.representatives()
    order = np.lexsort((np.arange(len(pool)), ~central, ~kept, found.groups))
    sizes = np.bincount(found.groups)
    place = np.arange(len(pool)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    stands = np.empty(len(pool), dtype=bool)
    stands[order] = place < plan.delegates[found.groups[order]]
    stands |= kept
    return np.flatnonzero(stands), np.flatnonzero(~stands)


def _cover(pool: Pool, rows: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """Up to k free rows of a subset, by the coverage they add."""
    part = replace(pool.subset(rows, pool.kept), weights=weights * len(rows))
    count = min(k, int(part.free.sum()))
    if count == 0:
        return np.empty(0, dtype=np.int64)
    distances = part.neighbors(_SCALE_NEIGHBORS)[1]
    scale = np.maximum(distances[:, -1], 1e-6) if distances.shape[1] else np.ones(len(part))
    return rows[greedy_cover(similarity_matrix(part, gaussian, scale), count, part)[0]]
