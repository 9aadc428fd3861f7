"""Work that ends the process that does it, as often as it was told."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DeadlyWork:
    """Squares numbers.

    Attributes:
        folder: where attempts are counted
        deaths: of the workers that try a number, by the number
    """

    folder: Path
    deaths: dict[int, int]

    @contextmanager
    def begin(self, cores):
        yield self._do

    def _do(self, number, report):
        attempts = len(list(self.folder.glob(f"{number}-*")))
        (self.folder / f"{number}-{attempts}").touch()
        if attempts < self.deaths.get(number, 0):
            os._exit(1)
        return number**2
