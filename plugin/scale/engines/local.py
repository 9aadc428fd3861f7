"""The engine of one machine: this process, whose work uses the cores by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from ...progress import ProgressCallback, part_of
from ..forecast import Machines
from .base import Crew, Failure, Result, Task, Work


@dataclass(frozen=True)
class LocalEngine:
    """Works in this process."""

    @contextmanager
    def start(self) -> Iterator[Crew]:
        """See :class:`.base.Engine`."""
        with ExitStack() as stack:
            yield _Alone(stack)


class _Alone:
    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._work: Any = None
        self._do: Any = None

    def machines(self, n_tasks: int) -> Machines:
        return Machines()

    def map(
        self, work: Work[Task, Result], tasks: Iterable[Task], total: int, report: ProgressCallback
    ) -> Iterator[tuple[Task, Result | Failure]]:
        if work is not self._work:
            self._stack.close()
            self._do, self._work = self._stack.enter_context(work.begin(None)), work
        for place, task in enumerate(tasks):
            yield task, self._do(task, part_of(report, place / total, (place + 1) / total))
