"""Locks in the database: one computation of a run, one writer of a field, one change of the schema at a time.

A lock is an entry of FiftyOne's execution store with a time to live. Its owner renews it; the database removes it when
nobody does; and whoever wants it takes it at once from a process of this machine that has ended. Renewal, release and
takeover compare the owner first, so an owner that slept past its time finds out, and never frees its successor's lock.
"""

from __future__ import annotations

import functools
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from pymongo.errors import ConnectionFailure, CursorNotFound, OperationFailure, PyMongoError

from ..errors import CoresetError
from .journal import journal

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

_STORE = "fiftyone-coreset-locks"

#: Seconds after which MongoDB may remove the lock of an owner that does not renew it; it looks once a minute.
_LIFETIME = 60
_RENEWAL = 15.0

#: Seconds to wait for the turn to change the schema. A turn takes a second; at a million images, a minute.
_TURN_WAIT = 600.0
_TURN_POLL = 0.05

#: What a released lock holds until the database removes it.
_FREE = {"owner": None}


class LockTakenError(CoresetError):
    """Another process, or another thread, holds the lock."""


class Lock:
    """A lock that is held.

    Args:
        store: the execution store
        name: the name of the lock in it
        claim: what the store holds while the lock is ours
        what: what it protects, for messages
    """

    def __init__(self, store: Any, name: str, claim: dict[str, Any], what: str):
        self._store = store
        self._name = name
        self._claim = claim
        self._what = what

    def renew(self) -> bool:
        """Extends the lock; False if it is no longer ours."""
        return self._store.compare_and_set(self._name, self._claim, self._claim, ttl=_LIFETIME)

    def release(self) -> None:
        """Frees the lock, unless it has become another's."""
        self._store.compare_and_set(self._name, self._claim, _FREE, ttl=1)

    def check(self) -> None:
        """Makes sure that the lock is still ours; to be called before writing.

        Raises:
            CoresetError: if it was lost, e.g. because this process was suspended
        """
        if not self.renew():
            raise CoresetError(
                f"{self._what} was given to another process while this one was suspended or cut off from the database "
                f"for more than {_LIFETIME} s; nothing more is written, call again"
            )


@contextmanager
def locked(dataset: Dataset, name: str, what: str, wait: float = 0.0) -> Iterator[Lock]:
    """Holds a lock on a dataset, and renews it until the work ends.

    Args:
        dataset: the dataset
        name: the name of the lock
        what: what it protects, to begin a sentence with, e.g. ``"run 'coreset'"``
        wait (0.0): seconds to wait for another owner

    Yields:
        the lock; call its ``check()`` before writing

    Raises:
        LockTakenError: if another process, or another thread, holds it
    """
    from fiftyone.operators.store import ExecutionStore

    store = ExecutionStore.create(_STORE, dataset_id=dataset._doc.id)
    claim = {"owner": uuid.uuid4().hex, **_this_process(), "since": datetime.now(timezone.utc).isoformat()}
    until = time.monotonic() + wait
    while (holder := _claimed_by(store, name, claim)) is not None:
        if time.monotonic() >= until:
            raise LockTakenError(_refusal(what, dataset.name, holder))
        time.sleep(_TURN_POLL)
    lock = Lock(store, name, claim, what)
    journal()  # a claim that the database forgot would be another's
    done = threading.Event()

    def keep() -> None:
        while not done.wait(_RENEWAL):
            with suppress(PyMongoError):  # the owner finds out in check()
                lock.renew()

    renewal = threading.Thread(target=keep, name=f"lock-{name}", daemon=True)
    renewal.start()
    try:
        yield lock
    finally:
        done.set()
        renewal.join()
        with suppress(PyMongoError):  # the database frees it
            lock.release()


def run_lock(dataset: Dataset, brain_key: str) -> Any:
    """The right to compute, rename or tidy one run; see :func:`locked`."""
    return locked(dataset, f"run:{brain_key}", f"run '{brain_key}'")


@contextmanager
def schema_turn(dataset: Dataset) -> Iterator[None]:
    """A writer's turn to change which fields, runs and views a dataset has, on its state as it is in the database.

    FiftyOne keeps the list of fields in memory and writes it whole: of two writers, the last would win.

    Args:
        dataset: the dataset; it is reloaded, its samples in memory are not

    Yields:
        nothing

    Raises:
        CoresetError: if another writer does not finish
    """
    with locked(dataset, "schema", f"the list of fields of dataset '{dataset.name}'", wait=_TURN_WAIT):
        dataset._reload(hard=True)
        yield


@contextmanager
def database_faults(remedy: str) -> Iterator[None]:
    """Turns the loss of the database, or of room on its disk, into one sentence.

    Args:
        remedy: what became of the work and what to do, the end of the sentence

    Raises:
        CoresetError: if the database does not answer any more, or cannot write
    """
    try:
        yield
    except (ConnectionFailure, CursorNotFound) as error:  # a restarted mongod knows no cursors
        raise CoresetError(f"the database does not answer ({type(error).__name__}); {remedy}") from error
    except OperationFailure as error:
        if "No space left on device" not in str(error):
            raise
        raise CoresetError(f"the database cannot write, because its disk is full; {remedy}") from error


def _claimed_by(store: Any, name: str, claim: dict[str, Any]) -> dict[str, Any] | None:
    """Tries to take the lock once; returns None, or who holds it."""
    while not store.set_if_absent(name, claim, ttl=_LIFETIME):
        held = store.get(name)
        if held is None:
            continue  # removed since
        if held != _FREE and not _has_ended(held):
            return held
        if store.compare_and_set(name, held, claim, ttl=_LIFETIME):
            break
    return None


def _refusal(what: str, dataset: str, holder: dict[str, Any]) -> str:
    since = datetime.fromisoformat(holder["since"])
    return (
        f"{what} of dataset '{dataset}' is being written by process {holder['pid']} on {holder['host']} since "
        f"{since:%Y-%m-%d %H:%M:%S} UTC; wait for it, or end that process: it is free at once then, and within two "
        "minutes if that machine is gone"
    )


def _this_process() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
    }


@functools.cache
def _machine() -> str:
    """What tells process numbers of this machine from those of others, and of containers with the same host name."""
    parts = [socket.gethostname(), str(int(psutil.boot_time()))]
    namespace = Path("/proc/self/ns/pid")
    if namespace.exists():
        parts.append(str(namespace.stat().st_ino))
    return ":".join(parts)


def _has_ended(holder: dict[str, Any]) -> bool:
    """Whether the owner was a process of this machine that is gone; process numbers are used again."""
    if holder["machine"] != _machine():
        return False
    try:
        process = psutil.Process(holder["pid"])
        return process.status() == psutil.STATUS_ZOMBIE or process.create_time() != holder["started"]
    except psutil.NoSuchProcess:
        return True
