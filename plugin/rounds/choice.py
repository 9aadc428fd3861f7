"""What a round has to choose from, and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..dataset.embeddings import Embeddings
from ..vectors.near_duplicates import near_duplicate_radius
from ..vectors.neighbors import nearest_neighbors, unit_rows
from .coverage import within
from .model import RoundModel
from .standing import Standing


@dataclass(frozen=True)
class Choice:
    """The rows of a round by what may become of them.

    Attributes:
        standing: labels and tags
        found: the embeddings
        model: what a model says
        pending: (n,) bool, rows that an earlier round asked for and that have not come back
        exclude_near_test: whether near-duplicates of test images are not asked for
        seed: the random seed
        near_anchors: (n,) bool, the rows to choose among, if not among all
    """

    standing: Standing
    found: Embeddings
    model: RoundModel
    pending: np.ndarray
    exclude_near_test: bool
    seed: int
    near_anchors: np.ndarray | None = None

    @cached_property
    def near_duplicate_radius(self) -> float:
        """The distance within which two rows count as near-duplicates, read from all of them."""
        return near_duplicate_radius(self.found.matrix[self.found.valid], seed=self.seed)

    @cached_property
    def near_test(self) -> np.ndarray:
        """(n,) bool, near-duplicates of test images: learned from, they would flatter the test."""
        near, test = np.zeros(len(self.standing), dtype=bool), self.standing.test & self.found.valid
        rest = np.flatnonzero(~self.standing.test & self.found.valid)
        if test.any() and len(rest):
            unit = unit_rows(self.found.matrix[rest])[0]
            near[rest] = within(unit, unit_rows(self.found.matrix[test])[0], self.near_duplicate_radius)
        return near

    def neighbors(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows of every row, and how far they are; a row without embedding has itself."""
        used = np.flatnonzero(self.found.valid)
        indices = np.repeat(np.arange(len(self.standing))[:, None], k, axis=1)
        distances = np.zeros(indices.shape, dtype=np.float32)
        near, far = nearest_neighbors(unit_rows(self.found.matrix[used])[0], k, seed=self.seed)
        indices[used, : near.shape[1]], distances[used, : near.shape[1]] = used[near], far
        return indices, distances

    @cached_property
    def preselected(self) -> np.ndarray:
        """(n,) bool, what has a label, or will: the batch continues from it."""
        return (self.standing.labelled | self.pending) & self.found.valid

    @cached_property
    def candidates(self) -> np.ndarray:
        """(n,) bool, what may be asked for."""
        standing, model = self.standing, self.model
        free = self.found.valid & ~standing.labelled & ~standing.test & ~standing.skipped & ~self.pending
        if self.exclude_near_test:
            free &= ~self.near_test
        if self.near_anchors is not None:
            free &= self.near_anchors
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
        if self.near_anchors is not None:
            far = int((~self.near_anchors & rest & ~standing.skipped & self.found.valid).sum())
            parts.append(f"{far:,} far from the labelled {noun}")
        leaks = int((self.near_test & rest & self.found.valid).sum())
        if leaks:
            then = "left out" if self.exclude_near_test else "exclude_test_copies=True leaves them out"
            parts.append(f"{leaks:,} {noun} are near-duplicates of test images ({then})")
        return parts
