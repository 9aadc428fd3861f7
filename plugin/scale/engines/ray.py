"""The engine of a cluster: workers of Ray, each of which does one unit after the other.

Ray only carries tasks. What is done is known from the files of the run, so a driver, a worker or a machine may be lost
at any time: the unit it had is done again by another.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ...errors import CoresetError
from ...progress import ProgressCallback, silence
from ...requirements import package_version, require
from ..forecast import Machines
from .base import Crew, Failure, Result, Task, Work

logger = logging.getLogger(__name__)

#: Workers that a task may cost before it is set aside, and how often all may end in a row before any has begun.
_ATTEMPTS = 3
#: Seconds between two looks at an interrupt.
_LOOK = 1.0
#: Cores of a worker where a node has as many: what decoding for one GPU asks (docs/scale.md).
_CORES = 8
#: How often a Ray of this machine's own is started: its raylet dies if other parts take over 15 seconds to start.
_STARTS = 3
#: What Ray says, over several lines, where a cluster has another version of Ray or Python.
_OTHER_VERSION = "Version mismatch"
#: What Ray reads when it is imported, unless the user set it: nothing is sent home, a driver under "uv run" ships no
#: files, workers of a laptop are no less urgent than other programs, and a busy machine has time to start.
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_worker_niceness": "0",
    "RAY_raylet_start_wait_time_s": "90",
}


@dataclass(frozen=True)
class RayEngine:
    """Workers of a Ray cluster, which all see the folder of the run and have this package installed.

    Args:
        address (None): of a cluster, ``"auto"``, ``"host:6379"`` or ``"ray://host:10001"``; by default that of
            ``RAY_ADDRESS``, else a Ray of this machine's own, which ends with the step
        workers (None): as many as the cluster has room for by default
        cpus_per_worker (None): cores of each, for decoding and for threads; 8 by default, or all of the largest node
        gpus_per_worker (0): GPUs of each

    Examples:
        Eight workers with a GPU each, on a cluster that runs::

            cluster = fc.scale.RayEngine(address="auto", workers=8, gpus_per_worker=1)
            fc.scale.embed("run", engine=cluster)
    """

    address: str | None = None
    workers: int | None = None
    cpus_per_worker: int | None = None
    gpus_per_worker: float = 0

    def __post_init__(self) -> None:
        for name in ("workers", "cpus_per_worker"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise CoresetError(f"{name} must be a whole number of at least 1, got {value!r}")
        if not isinstance(self.gpus_per_worker, int | float) or not self.gpus_per_worker >= 0:
            raise CoresetError(f"gpus_per_worker must be at least 0, got {self.gpus_per_worker!r}")

    @contextmanager
    def start(self) -> Iterator[Crew]:
        """See :class:`.base.Engine`; Ray is connected to when there is something to do."""
        with ExitStack() as stack:
            yield _Workers(self, stack)

    def connect(self, stack: ExitStack) -> None:
        """Connects to Ray until the stack is closed, unless that was done outside.

        Raises:
            CoresetError: if Ray is not installed, or no cluster answers
        """
        require(["ray"])
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        import ray

        if not ray.is_initialized():
            init_ray(self.address)
            stack.callback(ray.shutdown)

    def room(self, nodes: list[dict[str, float]]) -> tuple[int, int]:
        """Cores of a worker, and how many workers there may be.

        Ray waits in silence for what a cluster does not have, so that is refused here.
        """
        largest = int(max((node.get("CPU", 0) for node in nodes), default=0))
        cpus = self.cpus_per_worker or min(_CORES, max(largest, 1))
        room = 0
        for node in nodes:
            fit = node.get("CPU", 0) // cpus
            if self.gpus_per_worker:
                fit = min(fit, node.get("GPU", 0) // self.gpus_per_worker)
            room += int(fit)
        if room < (self.workers or 1):
            asked = f"{self.workers or 1} workers of {cpus} CPUs" + (
                f" and {self.gpus_per_worker:g} GPUs" if self.gpus_per_worker else ""
            )
            cpu, gpu = (sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU"))
            raise CoresetError(
                f"{asked} are asked for, and the Ray cluster has room for {room}: {len(nodes)} nodes with {cpu:g} CPUs "
                f"and {gpu:g} GPUs in all; ask for fewer, or start more nodes first"
            )
        return cpus, self.workers or room


def init_ray(address: str | None, **own: Any) -> None:
    """Connects to a cluster, or starts one of this machine's own, if need be a second and a third time.

    Args:
        address: as in :class:`RayEngine`
        own: what ``ray.init`` takes for a Ray of this machine's own

    Raises:
        CoresetError: if no cluster answers, or none can be started
    """
    import ray

    address = address or os.environ.get("RAY_ADDRESS") or "local"
    is_own = address == "local"
    options: dict[str, Any] = {"include_dashboard": False} | own if is_own else {}
    for start in range(1, _STARTS + 1):
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
            return
        except Exception as error:  # a node that does not come up in time is a plain Exception
            ray.shutdown()
            if is_own and start < _STARTS and not isinstance(error, ConnectionError | RuntimeError | ValueError):
                continue
            lines = str(error).strip().splitlines()
            reason = " ".join(str(error).split()) if _OTHER_VERSION in lines[0] else lines[0]
            raise CoresetError(f"Ray could not be reached at '{address}': {reason}") from error


def _reason(error: Exception) -> str:
    """What Ray says of a lost worker, less the facts about the actor, which it indents."""
    first, *others = str(error).strip().splitlines()
    return next((line for line in others if line and not line[0].isspace()), first)


class _Worker:
    """The actor: loads a work with its first task, so that a refusal is that of a task."""

    def __init__(self, cores: int) -> None:
        # Ray's workers have threads, beside which a forked child may wait for a lock for ever.
        multiprocessing.set_start_method("spawn", force=True)
        self._cores = cores
        self._stack = ExitStack()
        self._number = 0
        self._do: Any = None

    def come(self) -> str:
        """Answers when the worker has its place, with the version of the package there."""
        return package_version()

    def do(self, number: int, work: bytes, task: Any) -> Any:
        if number != self._number:
            from ray import cloudpickle

            self._stack.close()
            try:
                loaded = cloudpickle.loads(work)
            except ImportError as error:
                raise _cannot_load(f"{type(error).__name__}: {error}") from None
            self._do, self._number = self._stack.enter_context(loaded.begin(self._cores)), number
        return self._do(task, silence)


def _cannot_load(reason: str) -> CoresetError:
    return CoresetError(
        f"the workers of Ray cannot load the work ({reason}); install the same version of fiftyone-coreset on every "
        "machine"
    )


def _nodes() -> list[dict[str, float]]:
    """What the machines of the cluster have that are there."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


class _Workers:
    """Actors, each with one task at a time, which stay from one work to the next.

    Args:
        engine: what was asked for
        stack: ends them, and the connection, when it is closed
    """

    def __init__(self, engine: RayEngine, stack: ExitStack) -> None:
        self._engine, self._stack = engine, stack
        self._work: Any = None
        self._number = 0
        self._idle: list[Any] = []
        self._coming: dict[Any, Any] = {}
        self._never_came = 0

    @cached_property
    def _room(self) -> tuple[int, int, int]:
        """Connects: nodes, cores of a worker, and how many workers there may be."""
        self._engine.connect(self._stack)
        nodes = _nodes()
        return len(nodes), *self._engine.room(nodes)

    def machines(self, n_tasks: int) -> Machines:
        nodes, cpus, room = self._room
        n_workers = min(room, n_tasks)
        return Machines(min(nodes, n_workers), math.ceil(n_workers / nodes), cpus)

    def map(
        self, work: Work[Task, Result], tasks: Iterable[Task], total: int, report: ProgressCallback
    ) -> Iterator[tuple[Task, Result | Failure]]:
        n_workers = min(self._room[2], total)
        import ray
        from ray import cloudpickle

        if work is not self._work:
            self._work, self._sent, self._number = work, ray.put(cloudpickle.dumps(work)), self._number + 1
        waiting, again = iter(tasks), deque[tuple[Task, int]]()
        busy: dict[Any, tuple[Any, Task, int]] = {}
        done = 0
        while done < total:
            while self._idle and done + len(busy) < total:
                worker, (task, attempts) = self._idle.pop(), again.popleft() if again else (next(waiting), 0)
                busy[worker.do.remote(self._number, self._sent, task)] = worker, task, attempts + 1
            for _ in range(len(busy) + len(self._coming), min(n_workers, total - done)):
                self._hire()
            answers = ray.wait([*busy, *self._coming], timeout=_LOOK)[0]
            if not busy and not answers:
                replace(self._engine, workers=None).room(_nodes())  # refuses to wait where every machine was lost
            for answer in answers:
                if answer in self._coming:
                    self._welcome(answer)
                    continue
                worker, task, attempts = busy.pop(answer)
                try:
                    result = ray.get(answer)
                except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
                    ray.kill(worker)  # which may only be out of reach
                    reason = _reason(error)
                    logger.warning("a worker ended while it worked on %s (attempt %d): %s", task, attempts, reason)
                    if attempts < _ATTEMPTS:
                        again.append((task, attempts))
                        continue
                    result = Failure(f"{attempts} workers ended while they worked on it: {reason}")
                except ray.exceptions.RayTaskError as error:
                    self._idle.append(worker)
                    raise error.cause from None
                else:
                    self._idle.append(worker)
                done += 1
                report(done / total, f"{done:,} of {total:,} units, by {n_workers} workers")
                yield task, result

    def _hire(self) -> None:
        """Asks for a new worker, which ends with the step even while it is at work: a unit is whole or not there.

        It has a task when it has come: where a machine was lost there may be no room for it, which Ray does not say.
        """
        import ray

        cpus, gpus = self._room[1], self._engine.gpus_per_worker
        kind = ray.remote(_Worker).options(num_cpus=cpus, num_gpus=gpus, max_restarts=0, max_task_retries=0)
        worker: Any = kind.remote(cpus)
        self._stack.callback(ray.kill, worker)
        self._coming[worker.come.remote()] = worker

    def _welcome(self, answer: Any) -> None:
        """Takes in a worker that has come; one that ended on its way is asked for again."""
        import ray

        worker = self._coming.pop(answer)
        try:
            version = ray.get(answer)
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            if getattr(error, "actor_init_failed", False):
                raise _cannot_load(str(error).strip().splitlines()[-1]) from error
            logger.warning("a worker ended before it had begun: %s", _reason(error))
            self._never_came += 1
            if self._never_came > _ATTEMPTS * self._room[2]:
                ended = f"{self._never_came} workers of Ray ended, one after the other, before they had begun"
                raise CoresetError(f"{ended}: {_reason(error)}") from error
        else:
            if version != (here := package_version()):
                raise CoresetError(
                    f"a worker of Ray has fiftyone-coreset {version}, and this process {here}; install the same "
                    "version on every machine"
                )
            self._never_came = 0
            self._idle.append(worker)
