"""The selection methods by name; how to add one is told at :func:`.method.register`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil

from ..errors import CoresetError
from . import methods
from .method import METHODS, Method


def get_method(name: str) -> Method:
    """Gets a selection method by name.

    Args:
        name: a name from :func:`list_methods`

    Returns:
        the method; call its ``select()``

    Raises:
        CoresetError: if there is no such method

    Examples:
        >>> kcenter = fc.get_method("kcenter")
        >>> kcenter.select(embeddings, 10).indices.size
        10
    """
    found = _load()
    if name not in found:
        close = difflib.get_close_matches(name, found, n=1)
        meant = f"did you mean {close[0]!r}? All: " if close else "choose one of "
        raise CoresetError(f"there is no selection method {name!r}; {meant}{', '.join(sorted(found))}")
    return found[name]


def list_methods() -> dict[str, str]:
    """Lists the selection methods.

    Returns:
        a dict of name to one-line description, sorted by name

    Examples:
        >>> fc.list_methods()["random"]
        'Uniform at random: the baseline every other method must beat'
    """
    return {name: method.description for name, method in sorted(_load().items())}


def explain_columns(name: str) -> dict[str, str]:
    """What the columns of a run mean.

    Args:
        name: a method, which may be one that an earlier version had

    Returns:
        a dict of column to explanation in a curator's words; empty if there is no such method now
    """
    method = _load().get(name)
    return {} if method is None else dict(method.columns)


def _load() -> dict[str, Method]:
    for module in pkgutil.iter_modules(methods.__path__):
        importlib.import_module(f"{methods.__name__}.{module.name}{'.selector' * module.ispkg}")
    return METHODS
