"""What a step is expected to need on which machines, said before it starts."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import CoresetError
from .places import Place


@dataclass(frozen=True)
class Machines:
    """Where steps are worked on, so that it can be said what they need.

    Args:
        nodes (1): machines
        workers (1): processes of each machine that work on units
        cores (None): of each worker; all of this machine by default
        memory (None): bytes of each machine
        images_per_second (None): what a worker embeds; needed to say how long images take
        price (None): of a machine for an hour, in whatever currency

    Raises:
        CoresetError: if one of them is not more than 0

    Examples:
        Four machines of 8 GPUs, with 24 cores a GPU::

            cluster = fc.scale.Machines(4, 8, 24, memory=1e12, images_per_second=5_000, price=50)
    """

    nodes: int = 1
    workers: int = 1
    cores: int | None = None
    memory: float | None = None
    images_per_second: float | None = None
    price: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise CoresetError(f"{field.name} must be more than 0, got {value!r}")

    @property
    def n_workers(self) -> int:
        """Workers of all machines."""
        return self.nodes * self.workers

    @property
    def threads(self) -> int:
        """Cores of a worker."""
        return self.cores or os.cpu_count() or 1

    def __str__(self) -> str:
        text = f"{self.nodes} x {self.workers} workers of {self.threads} cores"
        return text if self.memory is None else f"{text}, {size(self.memory)} of memory a machine"


@dataclass(frozen=True)
class Forecast:
    """What a step is expected to need.

    Attributes:
        seconds: by the clock, on idle machines
        memory: bytes of the machine that needs most
        storage: bytes that it will write
        cost: of the machines, or None where their price is not known
    """

    seconds: float
    memory: float
    storage: float
    cost: float | None = None

    def __str__(self) -> str:
        text = f"about {duration(self.seconds)}, {size(self.memory)} of memory, {size(self.storage)} of storage"
        return text if self.cost is None else f"{text}, at a cost of {self.cost:,.2f}"

    def check_space(self, folder: Place) -> None:
        """Refuses what the disk cannot hold; a store has no end.

        Raises:
            CoresetError: if there is not enough space
        """
        if not isinstance(folder, Path):
            return
        free = shutil.disk_usage(folder).free
        if self.storage > free:
            raise CoresetError(
                f"{folder} needs {size(self.storage)} and its disk has {size(free)} left; make room, or plan the run "
                "on another disk"
            )


def size(n_bytes: float) -> str:
    """Bytes in words, e.g. ``"1.5 GB"``."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if n_bytes >= 0.95 * unit:
            return f"{n_bytes / unit:.1f} {name}"
    return f"{n_bytes / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """Seconds in words, e.g. ``"90 min"``."""
    for length, name in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{max(seconds, 1):.0f} s"
