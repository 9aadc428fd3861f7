"""Images that stay hard: those that the models of the last two rounds were both unsure of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..dataset.shown import view_of
from ..errors import CoresetError
from ..requirements import check_count
from .load import load_rounds

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from .campaign import RoundsResults


def persistence(results: RoundsResults) -> np.ndarray:
    """How unsure the models of the last two rounds with predictions both were (after LFTL; Lyu et al., ECCV 2024).

    Args:
        results: a campaign

    Returns:
        (n,) float64 in the order of the campaign's ids: 1 less the larger of the two confidences, NaN in rows that one
        of the rounds did not predict

    Raises:
        CoresetError: before two rounds with predictions
    """
    names = [f"confidence_{entry.number}" for entry in results.history]
    stored = [results.arrays[name].astype(np.float64) for name in names if name in results.arrays][-2:]
    if len(stored) < 2:
        raise CoresetError(f"what stays uncertain is known after two rounds of '{results.key}' with predictions")
    known = len(stored[0])  # the earlier round; rows that came later are at the end
    surer = np.maximum(stored[0], stored[1][:known])
    return np.concatenate([1 - surer, np.full(len(results.ids) - known, np.nan)])


def persistent_view(dataset: SampleCollection, brain_key: str = "rounds", n: int = 100) -> DatasetView:
    """The images without label that the models of the last two rounds were both least sure of.

    New labels elsewhere have not settled them: they are hard, off-topic, or of a class that has too few labels.

    Args:
        dataset: the dataset or one of its views
        brain_key ("rounds"): the name of the campaign
        n (100): how many at most

    Returns:
        a view of the images, or of the objects, the most uncertain first

    Raises:
        CoresetError: before two rounds with predictions, or if ``n`` is no count

    Examples:
        >>> len(fc.persistent_view(dataset, n=5))
        5
    """
    check_count("n", n, 1)
    results = load_rounds(dataset, brain_key)
    score = persistence(results)
    free = np.array([label is None for label in results.labels], dtype=bool) & (results.outcome < 0)
    hard = np.flatnonzero(free & ~np.isnan(score))
    first = hard[np.argsort(-score[hard], kind="stable")][:n]
    return view_of(results.rows(), results.ids[first].tolist(), ordered=True)
