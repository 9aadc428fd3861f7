"""The vectors of ranked rows as an update needs them: all of them roughly, those around what was added exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..dataset.vector_copy import read_copy
from ..errors import CoresetError
from ..results import CoresetResults
from ..vectors.added_rows import HALF_PRECISION
from ..vectors.neighbors import unit_rows

#: Rows all over the run that are compared with its copy, a few milliseconds; beside those that an update reads anyway.
_CHECKED = 64


class OutdatedCopyError(CoresetError):
    """The run's copy is not of the vectors that the field has now."""


@dataclass(frozen=True)
class RankedVectors:
    """Vectors of the ranked rows.

    Attributes:
        results: the run
        unit: (n, d) float32 vectors of unit length, of half precision if they are the run's copy; NaN where missing
        exact: (n, d) vectors as they were read; None if ``unit`` is the run's copy
    """

    results: CoresetResults
    unit: np.ndarray
    exact: np.ndarray | None

    @classmethod
    def of(cls, results: CoresetResults, alive: np.ndarray) -> RankedVectors:
        """Reads the run's copy, and all vectors where it has none, or an outdated one.

        Args:
            results: the run
            alive: (n,) the rows that were not deleted
        """
        unit = read_copy(results.config.vector_copies, len(results))
        if unit is None:
            return cls.whole(results.embeddings(), results)
        unit[~alive] = np.nan
        found = cls(results, unit, None)
        living = np.flatnonzero(alive & np.isfinite(unit[:, 0]))
        try:
            found.of_rows(living[np.linspace(0, len(living) - 1, min(_CHECKED, len(living))).astype(np.int64)])
        except OutdatedCopyError:
            return cls.whole(results.embeddings(), results)
        return found

    @classmethod
    def whole(cls, embeddings: np.ndarray, results: CoresetResults) -> RankedVectors:
        """Made of all vectors, NaN where missing."""
        return cls(results, unit_rows(embeddings)[0], embeddings)

    @property
    def usable(self) -> np.ndarray:
        """(u,) rows that have a vector."""
        return np.flatnonzero(np.isfinite(self.unit[:, 0]))

    def of_rows(self, rows: np.ndarray) -> np.ndarray:
        """(m, d) vectors of some rows, as the field has them.

        Raises:
            OutdatedCopyError: if they are not those that were copied
        """
        if self.exact is not None:
            return self.exact[rows]
        ids, results = self.results.ids[rows], self.results
        try:
            found = results.source().matrix_of(results.rows().select(ids.tolist()), ids)
        except CoresetError as error:
            raise OutdatedCopyError(str(error)) from error
        if found.shape[1] != self.unit.shape[1]:
            raise OutdatedCopyError(f"vectors have {found.shape[1]} numbers")
        if not (np.linalg.norm(unit_rows(found)[0] - self.unit[rows], axis=1) <= 2 * HALF_PRECISION).all():
            raise OutdatedCopyError("vectors were changed")
        return found
