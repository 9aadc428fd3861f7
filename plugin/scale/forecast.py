"""What a step is expected to need, said before it starts."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ..errors import CoresetError


@dataclass(frozen=True)
class Forecast:
    """What a step is expected to need.

    Attributes:
        seconds: by the clock
        memory: bytes of this process and its helpers
        storage: bytes that it will write
    """

    seconds: float
    memory: float
    storage: float

    def __str__(self) -> str:
        return f"about {_duration(self.seconds)}, {size(self.memory)} of memory, {size(self.storage)} of storage"

    def check_space(self, folder: Path) -> None:
        """Refuses what the disk cannot hold.

        Raises:
            CoresetError: if there is not enough space
        """
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


def _duration(seconds: float) -> str:
    for length, name in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{max(seconds, 1):.0f} s"
