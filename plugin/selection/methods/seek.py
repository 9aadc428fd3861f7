"""Active search: the images that are most probably of a class, however small the probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import CoresetError
from ..method import register
from ..pool import Picks, Pool, weighted_ranks


@register(
    "seek",
    "Search for rare classes: what most probably shows them, even if the probability is small",
    needs_predictions=True,
    scored=True,
    columns={"score": "how probable one of the classes that are sought is"},
)
def seek(pool: Pool, k: int, target_class: str | Sequence[str]) -> Picks:
    """Ranks by the probability of a class (active search); several take turns.

    Weights multiply the ranks. In bursts of near-copies ``deduplicate=True`` keeps a batch from being one subject.

    Args:
        pool: the problem, with the probabilities of all classes
        k: rows to pick
        target_class: name of the class, or names

    Returns:
        the picks, with the probability as scores

    References:
        Jaghouar et al.: Improving Traffic Sign Recognition by Active Search. arXiv:2111.14426, 2021.
    """
    assert pool.predictions is not None
    P, classes = pool.predictions.all_classes("seek"), pool.predictions.classes
    sought = [target_class] if isinstance(target_class, str) else list(target_class)
    unknown = [name for name in sought if name not in classes]
    if unknown or not sought:
        raise CoresetError(
            f"target_class: {unknown[:1] or sought} is none of the {len(classes)} predicted classes, which are "
            f"{', '.join(classes[:10])}"
        )
    score = np.nan_to_num(P[:, [classes.index(name) for name in sought]]).astype(np.float64)
    place = np.column_stack([_places(weighted_ranks(column, pool.weights)) for column in score.T])
    # Each class takes its best row, then each its next: a row comes in the earliest turn that is its.
    order = np.lexsort((place.argmin(axis=1), place.min(axis=1)))
    return Picks(order[pool.candidates[order]][:k], score.max(axis=1))


def _places(preference: np.ndarray) -> np.ndarray:
    """(n,) int64 place of every row, 0 for the most preferred."""
    places = np.empty(len(preference), dtype=np.int64)
    places[np.argsort(-preference, kind="stable")] = np.arange(len(preference))
    return places
