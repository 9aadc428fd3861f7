"""One writer for each part: locks that the system frees, however their process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import CoresetError
from .places import Place
from .share import Share
from .store import StorePath


@contextmanager
def one_writer(folder: Place, share: Share | None = None) -> Iterator[None]:
    """Holds the right to write parts of a stage.

    Whoever works on all units is alone; whoever works on a share may work beside other shares. A store has no locks:
    there, two that work on the same units make the same parts twice.

    Args:
        folder: the folder of the stage
        share (None): the share of the units; all by default

    Raises:
        CoresetError: if another process holds it
    """
    if isinstance(folder, StorePath):
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        held.enter_context(_locked(folder, "lock", fcntl.LOCK_EX if share is None else fcntl.LOCK_SH))
        if share is not None:
            held.enter_context(_locked(folder, f"lock-{share.place}-of-{share.of}", fcntl.LOCK_EX))
        yield


@contextmanager
def one_builder(folder: Place, name: str) -> Iterator[None]:
    """Holds the right to make something that all shares need; waits while another process makes it.

    In a store all may make it, and the first stays.
    """
    if isinstance(folder, StorePath):
        yield
        return
    with _locked(folder, f"lock-{name}", fcntl.LOCK_EX, wait=True):
        yield


@contextmanager
def _locked(folder: Path, name: str, kind: int, wait: bool = False) -> Iterator[None]:
    descriptor = os.open(folder / f".{name}", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CoresetError(
                f"another process is working on {folder}; wait for it, or give each process a share of its own with "
                "units='I/N'"
            ) from error
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child that was forked meanwhile has the descriptor too
        os.close(descriptor)
