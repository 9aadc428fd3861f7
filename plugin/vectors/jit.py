"""One way to compile a kernel: without the GIL, cached on disk wherever that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

#: Sums may be reordered so that loops vectorise; infinities stay legal. The order is fixed when the kernel is
#: compiled, so results do not depend on threads.
_FASTMATH = {"reassoc", "contract", "nsz", "nnan"}


def jit(function: Callable[..., Any], *, error_model: str = "python") -> Callable[..., Any]:
    """Compiles a kernel for threads, and keeps the machine code on disk if any cache folder can be written.

    Kernels become part of those that call them. Otherwise a call would run the callee's own machine code in the process
    that compiles, but the copy within the caller's where that is loaded from disk; as sums may be reordered, the two
    differ in the last bits.

    Args:
        function: the kernel
        error_model ("python"): what dividing by zero does; with "numpy" it raises nothing, so that loops which divide
            vectorise
    """
    options: dict[str, Any] = {
        "nogil": True,
        "forceinline": True,
        "fastmath": _FASTMATH,
        "error_model": error_model,
    }
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no writable cache folder
        return numba.njit(**options)(function)
