"""What earlier rounds asked for and has not come back."""

from __future__ import annotations

import numpy as np

from ..errors import CoresetError
from .campaign import RoundsResults
from .row_values import placed, places
from .standing import Standing

#: Share of a batch that may be without label when the next one is asked for.
_OPEN = 0.1


def asked_by(before: RoundsResults | None, standing: Standing) -> np.ndarray:
    """(n,) int16 number of the round that asked for a row, as the campaign has it."""
    if before is None:
        return np.full(len(standing), -1, dtype=np.int16)
    return placed(before.round, places(before.ids, standing.ids), -1)


def pending_rows(
    before: RoundsResults | None, standing: Standing, numbers: np.ndarray, force: bool, ask_again: bool
) -> np.ndarray:
    """(n,) bool, rows that were asked for and have not come back; refuses if the last round has too many of them."""
    pending = np.zeros(len(standing), dtype=bool)
    if before is None:
        return pending
    waiting = ~standing.labelled & ~standing.skipped & ~standing.test
    for entry in before.history:
        if entry.is_open or not ask_again:
            mine = (numbers == entry.number) & waiting
            if entry is before.last and entry.is_open and mine.sum() > _OPEN * entry.size and not force:
                raise CoresetError(
                    f"round {entry.number} of '{before.key}' is open: {mine.sum():,} of its {entry.size:,} "
                    f"{standing.rows.noun} have no label in '{before.config.label_field}'; label them, record_round(), "
                    "or pass force=True"
                )
            pending |= mine
    return pending
