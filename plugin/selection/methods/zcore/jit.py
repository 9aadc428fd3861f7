"""One way to compile a kernel: without the GIL, cached on disk wherever that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

#: Sums may be reordered so that loops vectorise; infinities stay legal. The order is fixed when the kernel is
#: compiled, so results do not depend on threads.
_FASTMATH = {"reassoc", "contract", "nsz", "nnan"}


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a kernel for threads, and keeps the machine code on disk if any cache folder can be written."""
    try:
        return numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)(function)
    except RuntimeError:  # numba found no writable cache folder
        return numba.njit(nogil=True, fastmath=_FASTMATH)(function)
