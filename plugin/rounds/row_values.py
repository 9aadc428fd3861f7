"""What the rounds of a campaign say of its rows, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .history import in_record_order

if TYPE_CHECKING:
    from .campaign import RoundsResults


def places(known: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Where rows stand in a campaign.

    Args:
        known: (n,) ids of the campaign
        ids: (m,) ids of rows

    Returns:
        (m,) int64 places in ``known``, -1 for rows that it does not know

    Examples:
        >>> places(np.array(["b", "a"]), np.array(["a", "c", "b"])).tolist()
        [1, -1, 0]
    """
    place = {row_id: at for at, row_id in enumerate(known.tolist())}
    return np.array([place.get(row_id, -1) for row_id in ids.tolist()], dtype=np.int64)


def placed(values: np.ndarray, at: np.ndarray, missing: Any) -> np.ndarray:
    """Values of a campaign's rows, for rows in another order.

    Args:
        values: (n,) values in the order of the campaign's ids
        at: (m,) what :func:`places` gave
        missing: the value of rows that the campaign does not know

    Returns:
        (m,) values
    """
    found = np.full(len(at), missing, dtype=values.dtype)
    found[at >= 0] = values[at[at >= 0]]
    return found


def latest(results: RoundsResults, name: str, missing: float) -> np.ndarray:
    """What the last round that knows it says of every row; of what is measured the one recorded last.

    Args:
        results: the campaign
        name: ``"confidence"`` or ``"correct"``
        missing: the value of rows that the round did not see

    Returns:
        (n,) values in the order of the campaign's ids
    """
    entries = in_record_order(results.history) if name == "correct" else results.history
    stored = (results.arrays.get(f"{name}_{entry.number}") for entry in reversed(entries))
    return _padded(next((values for values in stored if values is not None), np.empty(0)), len(results.ids), missing)


def predicted_classes(results: RoundsResults, rounds_ago: int = 0) -> np.ndarray | None:
    """The classes that a round with predictions predicted.

    Args:
        results: the campaign
        rounds_ago (0): how many rounds with predictions came after it

    Returns:
        (n,) names in the order of the campaign's ids, None where there is none; None if there is no such round
    """
    entries = [entry for entry in results.history if f"predicted_{entry.number}" in results.arrays]
    if len(entries) <= rounds_ago:
        return None
    entry = entries[-1 - rounds_ago]
    numbers = _padded(results.arrays[f"predicted_{entry.number}"], len(results.ids), -1)
    return np.array([*entry.classes, None], dtype=object)[numbers.astype(np.int64)]


def _padded(values: np.ndarray, n: int, missing: float) -> np.ndarray:
    """Values of the rows that were known then, and of those that came later."""
    return np.concatenate([values, np.full(n - len(values), missing)])
