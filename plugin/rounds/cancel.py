"""Taking an open round back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..dataset.lock import database_faults, run_lock, schema_turn
from ..errors import CoresetError
from .history import view_name
from .write import differences, write_round

if TYPE_CHECKING:
    from .campaign import RoundsResults


def cancel_round(results: RoundsResults, number: int) -> RoundsResults:
    """Takes an open round back, see :meth:`.RoundsResults.cancel`.

    Args:
        results: the campaign
        number: the round

    Returns:
        the campaign without it

    Raises:
        CoresetError: if there is no such round, it was recorded, or the campaign changed since it was loaded
    """
    dataset, key = results.samples._root_dataset, results.key
    unharmed = "the round is taken back whole or not at all: see that mongod runs, and call again"
    with database_faults(unharmed), run_lock(dataset, key) as lock:
        _require_open(results, number)
        asked = results.round == number
        after = results.successor(
            history=[entry for entry in results.history if entry.number != number],
            round=np.where(asked, -1, results.round).astype(results.round.dtype),
            order=np.where(asked, -1, results.order).astype(results.order.dtype),
            arrays={name: array for name, array in results.arrays.items() if not name.endswith(f"_{number}")},
        )
        write_round(after, lock, differences(after, results), results)
        with schema_turn(dataset):
            if view_name(key, number) in after.backend.views(dataset, key):
                dataset.delete_saved_view(view_name(key, number))
    return after


def _require_open(results: RoundsResults, number: int) -> None:
    dataset, key, open_rounds = results.samples._root_dataset, results.key, results.open_rounds
    dataset._reload(hard=True)
    stored = dataset.get_brain_info(key).config
    if (stored.run_id, stored.revision) != (results.config.run_id, results.config.revision):
        raise CoresetError(f"'{key}' has changed since it was loaded; call load_rounds() again")
    if all(entry.number != number for entry in open_rounds):
        known = ", ".join(str(entry.number) for entry in open_rounds) or "none"
        raise CoresetError(f"round {number!r} of '{key}' cannot be taken back; open rounds: {known}")
