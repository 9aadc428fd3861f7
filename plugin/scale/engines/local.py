"""The engine of one machine: this process, whose work uses the cores by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...progress import ProgressCallback, part_of
from .base import Crew, Failure, Result, Task, Work


@dataclass(frozen=True)
class LocalEngine:
    """Works in this process."""

    @contextmanager
    def start(self, work: Work[Task, Result], n_tasks: int) -> Iterator[Crew[Task, Result]]:
        """Loads what the work needs; see :class:`.base.Engine`."""
        with work.begin(None) as do:
            yield _Alone(do)


class _Alone:
    n_workers = 1

    def __init__(self, do: Callable) -> None:
        self._do = do

    def map(
        self, tasks: Iterable[Task], total: int, report: ProgressCallback
    ) -> Iterator[tuple[Task, Result | Failure]]:
        for place, task in enumerate(tasks):
            yield task, self._do(task, part_of(report, place / total, (place + 1) / total))
