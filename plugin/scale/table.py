"""The rows of a part of embeddings: what became of each, and its vector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..embeddings.report import Outcome

if TYPE_CHECKING:
    import pyarrow as pa


class UnitRows:
    """The rows of a unit while their vectors are made.

    Args:
        rows: the unit's part of the manifest, with columns ``id`` and ``uri``
    """

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._vectors: np.ndarray | None = None
        self._outcomes = [Outcome.MISSING.value] * len(rows)
        self._reasons: list[str | None] = [None] * len(rows)

    def succeed(self, places: Sequence[int] | np.ndarray, vectors: np.ndarray) -> None:
        """Gives some rows their vectors.

        Args:
            places: (m,) places in the unit
            vectors: (m, d) float32
        """
        if self._vectors is None:
            self._vectors = np.zeros((len(self._rows), vectors.shape[1]), dtype=np.float32)
        self._vectors[places] = vectors
        for place in places:
            self._outcomes[place] = Outcome.OK.value

    def fail(self, place: int, outcome: Outcome, reason: str) -> None:
        """Says why a row has no vector."""
        self._outcomes[place], self._reasons[place] = outcome.value, reason

    @property
    def counts(self) -> dict[str, int]:
        """Rows by outcome."""
        return dict(Counter(self._outcomes))

    @property
    def dimension(self) -> int | None:
        """Length of the vectors, None if there is none."""
        return None if self._vectors is None else self._vectors.shape[1]

    def first_failure(self) -> str:
        """Which row failed first, and why."""
        place = next(place for place, reason in enumerate(self._reasons) if reason is not None)
        return f"{self._rows['uri'][place].as_py() or self._rows['id'][place].as_py()}: {self._reasons[place]}"

    def table(self, dimension: int) -> pa.Table:
        """The rows as they are stored.

        Args:
            dimension: length of the vectors of the run
        """
        import pyarrow as pa

        vectors = np.zeros((len(self._rows), dimension), dtype=np.float32) if self._vectors is None else self._vectors
        without = np.array([outcome != Outcome.OK.value for outcome in self._outcomes])
        vectors[without] = 0  # null would say more, but Arrow before 26 cannot store it beside vectors of one length
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dimension)
        return pa.table(
            {
                "id": self._rows["id"].combine_chunks(),
                "uri": self._rows["uri"].combine_chunks(),
                "vector": column,
                "outcome": pa.array(self._outcomes, pa.string()).dictionary_encode(),
                "reason": pa.array(self._reasons, pa.string()),
            }
        )
