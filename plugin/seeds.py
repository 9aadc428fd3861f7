"""Seeds: what is one, checked in one place."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from .errors import CoresetError


def check_seed(seed: Any) -> int:
    """Reads a random seed.

    Args:
        seed: a whole number from 0 to 2**32 - 1, of Python or numpy: scikit-learn takes no others

    Returns:
        it as a Python int

    Raises:
        CoresetError: if it is anything else, True and False included

    Examples:
        >>> check_seed(7)
        7
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < 2**32:
        raise CoresetError(f"seed must be a whole number from 0 to 2**32 - 1, got {seed!r}")
    return int(seed)
