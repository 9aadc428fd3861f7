"""What earlier rounds asked for: it may not be in the test set, and some of it may not have come back."""

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


def require_random_test(before: RoundsResults | None, standing: Standing, numbers: np.ndarray, tag: str | None) -> None:
    """Refuses test images that a round asked for: what was chosen is harder than the rest, and would judge too low.

    Args:
        before: the campaign so far
        standing: the rows
        numbers: what :func:`asked_by` gave
        tag: that of the test images

    Raises:
        CoresetError: if there are any
    """
    chosen = standing.ids[standing.test & (numbers > 0)]
    if before is not None and len(chosen):
        raise CoresetError(
            f"{len(chosen):,} of the {standing.test.sum():,} test {standing.rows.noun}, such as '{chosen[0]}', were "
            f"asked for by a round of '{before.key}', so they were chosen and cannot judge a model: remove their tag "
            f"'{tag}', and they count as labels again"
        )


def pending_rows(
    before: RoundsResults | None, standing: Standing, numbers: np.ndarray, force: bool, ask_again: bool
) -> np.ndarray:
    """(n,) bool, rows that were asked for and have not come back; refuses if the last round has too many of them."""
    pending = np.zeros(len(standing), dtype=bool)
    if before is None:
        return pending
    waiting = ~standing.labelled & ~standing.skipped
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
