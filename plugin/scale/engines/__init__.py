"""Where units are worked on: in this process, or by the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import CoresetError
from .base import Engine
from .local import LocalEngine
from .ray import RayEngine

__all__ = ["Engine", "LocalEngine", "RayEngine", "as_engine"]


def as_engine(engine: str | Mapping[str, Any] | Engine) -> Engine:
    """What the ``engine`` of a step means.

    Args:
        engine: ``"local"``, ``"ray"``, the arguments of :class:`RayEngine` by their names, or an engine

    Raises:
        CoresetError: if it is none of these

    Examples:
        >>> as_engine({"workers": 4})
        RayEngine(address=None, workers=4, cpus_per_worker=None, gpus_per_worker=0)
    """
    if engine == "local":
        return LocalEngine()
    if engine == "ray":
        return RayEngine()
    if isinstance(engine, Mapping):
        try:
            return RayEngine(**engine)
        except TypeError as error:
            known = ", ".join(RayEngine.__dataclass_fields__)
            raise CoresetError(f"engine takes the arguments {known}; got {', '.join(map(str, engine))}") from error
    if not isinstance(engine, Engine):
        raise CoresetError(f"engine must be 'local', 'ray' or a RayEngine, got {engine!r}")
    return engine
