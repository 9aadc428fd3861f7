"""The engine of one machine: this process, whose work uses the cores by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ...progress import ProgressCallback, part_of
from ..forecast import Machines
from .base import Crew, Failure, Result, Task, Work


@dataclass(frozen=True)
class LocalEngine:
    """Works in this process."""

    @contextmanager
    def start(self, work: Work[Task, Result], n_tasks: int) -> Iterator[Crew[Task, Result]]:
        """What the work needs is loaded with the first task; see :class:`.base.Engine`."""
        with ExitStack() as stack:
            yield _Alone(work, stack)


class _Alone:
    def __init__(self, work: Work, stack: ExitStack) -> None:
        self.machines = Machines()
        self._work, self._stack = work, stack
        self._do: Callable | None = None

    def map(
        self, tasks: Iterable[Task], total: int, report: ProgressCallback
    ) -> Iterator[tuple[Task, Result | Failure]]:
        if self._do is None:
            self._do = self._stack.enter_context(self._work.begin(None))
        for place, task in enumerate(tasks):
            yield task, self._do(task, part_of(report, place / total, (place + 1) / total))
