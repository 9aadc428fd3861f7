"""What engines have in common: work that can travel, and crews that do it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from ...progress import ProgressCallback
from ..forecast import Machines

logger = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")
_Taken = TypeVar("_Taken", contravariant=True)
_Given = TypeVar("_Given", covariant=True)


@dataclass(frozen=True)
class Failure:
    """A task that nobody could finish, because each worker that tried it ended.

    Attributes:
        reason: one sentence
    """

    reason: str


class Work(Protocol[_Taken, _Given]):
    """What is done with tasks. It is sent to workers, so it holds paths and numbers; they load the rest."""

    def begin(self, cores: int | None) -> AbstractContextManager[Callable[[_Taken, ProgressCallback], _Given]]:
        """Loads what the work needs.

        Args:
            cores: how many the worker may use; None for all of the machine

        Returns:
            a context manager of the function that does a task and leaves its result in files; a task that is done
            again leaves the same
        """
        ...


class Crew(Protocol):
    """Workers, which stay for all that a step has to do."""

    def machines(self, n_tasks: int) -> Machines:
        """How many workers there will be for so many tasks, and where.

        Raises:
            CoresetError: if there is no such place, or it has less than what is asked for
        """
        ...

    def map(
        self, work: Work[Task, Result], tasks: Iterable[Task], total: int, report: ProgressCallback
    ) -> Iterator[tuple[Task, Result | Failure]]:
        """Does tasks, in any order.

        Args:
            work: what is to be done with them
            tasks: the tasks; each is asked for when a worker is free
            total: how many there are
            report: told how far it is

        Yields:
            each task and its result

        Raises:
            CoresetError: if a task refuses, or see :meth:`machines`
        """
        ...


@runtime_checkable
class Engine(Protocol):
    """Where units are worked on."""

    def start(self) -> AbstractContextManager[Crew]:
        """A crew whose workers start when there is something to do, and end with the context."""
        ...


def do_all(
    crew: Crew,
    work: Work[int, Result],
    numbers: Sequence[int],
    what: str,
    report: ProgressCallback,
    before: Callable[[Machines], object] | None = None,
    made: Callable[[int, Result], object] | None = None,
) -> None:
    """Has numbered parts made; those that nobody could make stay missing, and are told of.

    Args:
        crew: who makes them
        work: makes a part by its number
        numbers: of the parts
        what: a part is called in a warning
        report: told how far it is
        before (None): called before the first part is made, with where that will be
        made (None): told of each part and its result
    """
    if not numbers:
        return
    if before is not None:
        before(crew.machines(len(numbers)))
    for number, result in crew.map(work, numbers, len(numbers), report):
        if isinstance(result, Failure):
            logger.warning("%s %d is set aside: %s", what, number, result.reason)
        elif made is not None:
            made(number, result)
