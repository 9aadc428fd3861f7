"""What is installed and what must be, and what a number must be, checked before any long work starts."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from numbers import Integral
from typing import Any

from .errors import CoresetError

#: Importable module -> what to install for it.
_DISTRIBUTIONS = {
    "torch": "torch",
    "open_clip": "open_clip_torch",
    "umap": "umap-learn",
    "numba": "numba",
    "sklearn": "scikit-learn",
    "pyarrow": "pyarrow",
    "fsspec": "fsspec",
    "matplotlib": "matplotlib",
    "ray": "ray",
    "lance": "pylance",
}

#: Importable module -> the extra of this package that brings it, in versions that fit each other.
_EXTRAS = {
    "torch": "clip",
    "open_clip": "clip",
    "matplotlib": "plot",
    "pyarrow": "scale",
    "fsspec": "scale",
    "ray": "ray",
    "lance": "lance",
}


def package_version() -> str:
    """The version of this package.

    Examples:
        >>> package_version().count(".")
        2
    """
    from .. import __version__

    return __version__


def check_count(name: str, value: Any, least: int) -> None:
    """Checks a number of things; None stands for what suits the machine.

    Args:
        name: the argument
        value: what was given
        least: the least that works

    Raises:
        CoresetError: if it is neither None nor a whole number from ``least``
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least):
        raise CoresetError(f"{name} must be a whole number from {least}, or None, got {value!r}")


def require(modules: Iterable[str]) -> None:
    """Checks that optional packages can be imported, without importing them.

    Args:
        modules: importable names, e.g. ``("torch", "open_clip")``

    Raises:
        CoresetError: names all that are missing, with the line that installs them
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        names = ", ".join(_DISTRIBUTIONS[module] for module in missing)
        bringing = dict.fromkeys(
            f"'fiftyone-coreset[{_EXTRAS[module]}]'" if module in _EXTRAS else _DISTRIBUTIONS[module]
            for module in missing
        )
        raise CoresetError(f"{names} must be installed first: pip install {' '.join(bringing)}")
