"""Packages made of numba kernels, imported also where numba can write its cache nowhere."""

from __future__ import annotations

import importlib
import tempfile
from types import ModuleType

from ..errors import CoresetError

_NO_CACHE = "cannot cache function"

#: Kept for as long as this process lives.
_folders: list[tempfile.TemporaryDirectory] = []


def import_kernels(name: str) -> ModuleType:
    """Imports a package whose kernels are to be cached.

    Such a package does not import where neither its own folder nor the user's cache can be written to, e.g. on
    read-only media. Its code then goes to a folder that is deleted when this process ends.

    Args:
        name: the package, e.g. ``"umap"``

    Returns:
        the package

    Raises:
        CoresetError: if there is no folder for temporary files either
    """
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if _NO_CACHE not in str(error):
            raise
    import numba

    try:
        _folders.append(tempfile.TemporaryDirectory(prefix="coreset-numba-"))
    except OSError as error:
        raise CoresetError(
            f"{name} needs a folder to write its code to ({error}); set NUMBA_CACHE_DIR to one"
        ) from error
    numba.config.CACHE_DIR = _folders[-1].name  # type: ignore[attr-defined]
    return importlib.import_module(name)
