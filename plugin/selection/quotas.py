"""Quotas: how a budget is divided among groups, in the words of users."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from ..dataset.rows import counted
from ..errors import CoresetError
from .apportion import apportion

#: What a quota may be called, and the share of a group of size s before normalisation.
_RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "proportional": lambda sizes: sizes,
    "sqrt": np.sqrt,
    "uniform": lambda sizes: np.ones(len(sizes)),
}


def is_missing(label: Any) -> bool:
    """True for the usual spellings of "no label": None, NaN, negative numbers, empty names."""
    if label is None or label != label:
        return True
    return bool(label < 0) if isinstance(label, int | float | np.integer | np.floating) else label == ""


def factorize(values: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, list[Hashable]]:
    """Numbers groups in an order that does not depend on the order of the rows.

    Args:
        values: n hashable group names; None and NaN form the group None

    Returns:
        a tuple of (n,) int64 group numbers and the list of group names
    """
    names = [None if value is None or value != value else value for value in np.asarray(values, dtype=object)]
    ordered = sorted(set(names), key=lambda name: (str(type(name)), str(name)))
    number = {name: position for position, name in enumerate(ordered)}
    return np.fromiter((number[name] for name in names), dtype=np.int64, count=len(names)), ordered


def rule_shares(quota: str, sizes: np.ndarray) -> np.ndarray:
    """What groups get in proportion to.

    Args:
        quota: ``"proportional"``, ``"sqrt"`` or ``"uniform"``
        sizes: (g,) positive int images of each group

    Returns:
        (g,) float64

    Raises:
        CoresetError: if there is no such rule
    """
    if quota not in _RULES:
        raise CoresetError(f"quota must be one of {', '.join(_RULES)} or a mapping of counts, got {quota!r}")
    return _RULES[quota](sizes).astype(float)


def resolve_quota(
    quota: str | Mapping[Any, float],
    names: Sequence[Hashable],
    sizes: np.ndarray,
    k: int,
    *,
    taken: np.ndarray | None = None,
    min_per_group: int = 0,
) -> np.ndarray:
    """Turns a quota rule into a number of images per group.

    Args:
        quota: ``"proportional"``, ``"sqrt"`` or ``"uniform"``, or a mapping of group name to a count (ints that add up
            to ``k``) or to a share (floats); groups that a mapping does not name get nothing
        names: g group names
        sizes: (g,) int images available per group, those in ``taken`` included
        k: the budget
        taken (None): (g,) int images per group that are kept in any case
        min_per_group (0): least number of images per group; smaller groups are kept whole

    Returns:
        (g,) int64 quotas, ``taken`` included, that add up to ``k``

    Raises:
        CoresetError: if the quota cannot be met; the message says what is feasible
    """
    taken = np.zeros(len(names), dtype=np.int64) if taken is None else taken
    lower = least_counts(min_per_group, sizes, taken)
    if lower.sum() > k:
        raise CoresetError(
            f"min_per_group={min_per_group} over {counted(len(names), 'groups')} needs "
            f"{counted(int(lower.sum()), 'images')} but the budget is {k}; raise the budget to at least {lower.sum()} "
            "or lower min_per_group"
        )
    if isinstance(quota, str):
        return apportion(rule_shares(quota, sizes), k, lower, sizes)
    if not isinstance(quota, Mapping):
        raise CoresetError(f"quota must be one of {', '.join(_RULES)} or a mapping of counts, got {quota!r}")
    return _explicit(quota, names, sizes, k, lower)


def least_counts(min_per_group: int, sizes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """(g,) int64 images that each group keeps at least: ``min_per_group`` or all it has, and those in ``taken``."""
    return np.maximum(taken, np.minimum(min(min_per_group, int(sizes.max(initial=0))), sizes))


def _explicit(
    quota: Mapping[Any, float], names: Sequence[Hashable], sizes: np.ndarray, k: int, lower: np.ndarray
) -> np.ndarray:
    unknown = [name for name in quota if name not in names]
    if unknown:
        named = counted(len(unknown), "groups")
        them = "it" if len(unknown) == 1 else "them"
        raise CoresetError(f"quota names {named} that no image has, e.g. {unknown[0]!r}; remove {them}")
    wanted = np.array([quota.get(name, 0) for name in names], dtype=float)
    if not np.isfinite(wanted).all() or (wanted < 0).any() or wanted.sum() == 0:
        raise CoresetError("quota must map groups to finite numbers >= 0, not all 0")
    if all(isinstance(value, int | np.integer) for value in quota.values()):
        if wanted.sum() != k:
            raise CoresetError(f"quota counts add up to {wanted.sum():.0f} but the budget is {k}; make them agree")
        counts = wanted.astype(np.int64)
    else:
        counts = apportion(np.maximum(wanted, 1e-12), k, np.zeros_like(sizes), np.full_like(sizes, k))
    for bad, limit, what in ((counts > sizes, sizes, "has only"), (counts < lower, lower, "must keep at least")):
        if bad.any():
            group = int(np.flatnonzero(bad)[0])
            raise CoresetError(
                f"quota asks for {counted(int(counts[group]), 'images')} of group {names[group]!r}, which {what} "
                f"{limit[group]}"
            )
    return counts
