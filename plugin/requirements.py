"""What must be installed, checked before any long work starts."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from .errors import CoresetError

#: Importable module -> what to install for it.
_DISTRIBUTIONS = {
    "torch": "torch",
    "open_clip": "open_clip_torch",
    "umap": "umap-learn",
    "numba": "numba",
    "sklearn": "scikit-learn",
    "pyarrow": "pyarrow",
}


def require(modules: Iterable[str]) -> None:
    """Checks that optional packages can be imported, without importing them.

    Args:
        modules: importable names, e.g. ``("torch", "open_clip")``

    Raises:
        CoresetError: names all that are missing, with the line that installs them
    """
    missing = [_DISTRIBUTIONS[module] for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise CoresetError(f"{', '.join(missing)} must be installed first: pip install {' '.join(missing)}")
