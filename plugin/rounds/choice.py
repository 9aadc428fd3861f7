"""What a round has to choose from, and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..dataset.embeddings import Embeddings
from ..vectors.near_duplicates import near_duplicate_radius
from ..vectors.neighbors import pairwise_distances, unit_rows
from .model import RoundModel
from .standing import Standing

#: Distances held at a time, 64 MB.
_DISTANCES = 16_000_000


@dataclass(frozen=True)
class Choice:
    """The rows of a round by what may become of them.

    Attributes:
        standing: labels and tags
        found: the embeddings
        model: what a model says
        asked: (n,) bool, rows that an earlier round asked for
        pending: (n,) bool, those of them that have not come back
        near_test: (n,) bool, near-duplicates of test images
        exclude_near_test: whether those are not asked for
    """

    standing: Standing
    found: Embeddings
    model: RoundModel
    asked: np.ndarray
    pending: np.ndarray
    near_test: np.ndarray
    exclude_near_test: bool

    @property
    def preselected(self) -> np.ndarray:
        """(n,) bool, what has a label, or will: the batch continues from it."""
        return (self.standing.labelled | self.pending) & self.found.valid

    @property
    def candidates(self) -> np.ndarray:
        """(n,) bool, what may be asked for."""
        standing, model = self.standing, self.model
        free = self.found.valid & ~standing.labelled & ~standing.test & ~standing.skipped & ~self.pending
        if self.exclude_near_test:
            free &= ~self.near_test
        return free if model.predictions is None else free & model.predictions.present

    def left_out(self) -> list[str]:
        """What could not be asked for, with the reason."""
        standing, noun = self.standing, self.standing.rows.noun
        rest = ~standing.labelled & ~standing.test
        predicted = self.model.predictions.present if self.model.predictions is not None else rest | True
        counts = {
            "test images": int(standing.test.sum()),
            "tagged to skip": int(standing.skipped.sum()),
            "asked for and not come back": int((self.pending & rest).sum()),
            "without embedding": int((rest & ~self.found.valid).sum()),
            "without prediction": int((rest & self.found.valid & ~predicted).sum()),
        }
        parts = [f"{count:,} {reason}" for reason, count in counts.items() if count]
        moved = int((self.asked & standing.test).sum())
        if moved:
            parts.append(f"{moved:,} of the test images were asked for by an earlier round, which counts them no more")
        leaks = int((self.near_test & rest & self.found.valid).sum())
        if leaks:
            then = "left out" if self.exclude_near_test else "exclude_test_copies=True leaves them out"
            parts.append(f"{leaks:,} {noun} are near-duplicates of test images ({then})")
        return parts


def near_test_images(standing: Standing, found: Embeddings, seed: int) -> np.ndarray:
    """Finds rows that are near-duplicates of a test image: learned from, they would flatter the test.

    Args:
        standing: which rows are test images
        found: the embeddings
        seed: the random seed

    Returns:
        (n,) bool
    """
    near, test = np.zeros(len(standing), dtype=bool), standing.test & found.valid
    rest = np.flatnonzero(~standing.test & found.valid)
    if not test.any() or not len(rest):
        return near
    unit = unit_rows(found.matrix[test])[0]
    radius = near_duplicate_radius(found.matrix[found.valid], seed=seed)
    step = max(1, _DISTANCES // len(unit))
    for start in range(0, len(rest), step):
        part = rest[start : start + step]
        near[part] = pairwise_distances(unit_rows(found.matrix[part])[0], unit).min(axis=1) <= radius
    return near
