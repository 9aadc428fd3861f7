"""Batches of decoded images, from worker processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from .decode import MAX_PIXELS, Decoded, decode
from .framing import Framing, WholeImage
from .report import Failure
from .workers import DecodingProcess, ImageFile

#: Batches that each worker may be ahead of the model: one to hand over, and one in the making.
_BATCHES_AHEAD = 2

#: More workers than this feed no single device faster.
_MAX_WORKERS = 16


class Batch(NamedTuple):
    """The images of a few files.

    Args:
        ids: ids of the m decoded images or objects
        pixels: their (m, height, width, 3) uint8 pixels; a list of m arrays if they keep their own sizes
        fingerprints: their (m, 256) uint8 fingerprints
        taken_at: when each was taken, None where unknown
        failures: those that could not be decoded
    """

    ids: list[str]
    pixels: Any
    fingerprints: np.ndarray
    taken_at: list[datetime | None]
    failures: list[Failure]


def batches(
    files: Sequence[ImageFile],
    framing: Framing | WholeImage,
    batch_size: int,
    num_workers: int,
    max_pixels: int = MAX_PIXELS,
    fetch: Callable[[Sequence[ImageFile]], Sequence[ImageFile]] = lambda files: files,
) -> Iterator[Batch]:
    """Decodes files batch by batch, in order.

    Pixels travel through pipes: shared memory is scarce in containers, and stays behind when a process is killed.

    Args:
        files: the files
        framing: the model's input size
        batch_size: files in a batch
        num_workers: processes that decode; 0 decodes in this process, which a file may then keep busy or crash
        max_pixels (100,000,000): see :func:`.decode.decode`
        fetch: reads the content of the files of a batch, beside decoding; by default decoding reads them

    Yields:
        the batches

    Raises:
        CoresetError: if no process can be started
    """
    parts = (files[start : start + batch_size] for start in range(0, len(files), batch_size))
    if num_workers == 0:
        for part in parts:
            yield _batch(part, [decode(file.source, framing, file.boxes, max_pixels) for file in fetch(part)])
        return
    processes: list[DecodingProcess] = []
    idle: SimpleQueue[DecodingProcess] = SimpleQueue()

    def work(part: Sequence[ImageFile]) -> Batch:
        process = idle.get()
        try:
            return _batch(part, process.decode(fetch(part)))
        finally:
            idle.put(process)

    threads = ThreadPoolExecutor(num_workers, thread_name_prefix="decode-images")  # they only fetch and wait
    pending: deque[Future[Batch]] = deque()
    try:
        for _ in range(num_workers):
            processes.append(DecodingProcess(framing, max_pixels))
            idle.put(processes[-1])
        for part in parts:
            pending.append(threads.submit(work, part))
            if len(pending) > _BATCHES_AHEAD * num_workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for process in processes:
            process.close()
        threads.shutdown(cancel_futures=True)


def _batch(files: Sequence[ImageFile], outcomes: Sequence[Sequence[Decoded]]) -> Batch:
    """Puts what could be decoded into one array."""
    ids, pixels, fingerprints, taken, failures = [], [], [], [], []
    for file, of_file in zip(files, outcomes, strict=True):
        for image_id, decoded in zip(file.ids, of_file, strict=True):
            if decoded.pixels is None or decoded.fingerprint is None:
                failures.append(Failure(image_id, decoded.outcome, decoded.reason))
            else:
                ids.append(image_id)
                pixels.append(decoded.pixels)
                fingerprints.append(decoded.fingerprint)
                taken.append(decoded.taken_at)
    if not ids:
        return Batch([], np.empty((0, 0, 0, 3), np.uint8), np.empty((0, 0), np.uint8), [], failures)
    of_one_size = len({image.shape for image in pixels}) == 1
    return Batch(ids, np.stack(pixels) if of_one_size else pixels, np.stack(fingerprints), taken, failures)


def choose_workers(
    num_workers: int | None, n_files: int, batch_size: int, on_cpu: bool, cores: int | None = None
) -> int:
    """Worker processes for decoding.

    Args:
        num_workers: the caller's wish, or None
        n_files: number of files
        batch_size: files in a batch
        on_cpu: whether the model computes on the CPU too
        cores (None): that may be used; all of the machine by default

    Returns:
        the wish if there is one, half of the cores beside a model on the CPU, else all; for a single batch 1 if
        processes are forked, which takes a fraction of a second, else 0; always 0 where there can be no child process
        that imports this package
    """
    if multiprocessing.current_process().daemon or not _importable_in_child():
        return 0
    if num_workers is not None:
        return num_workers
    if sys.platform == "win32":  # a process starts slowly there
        return 0
    if n_files <= batch_size:
        return int(_start_method() == "fork")
    cores = cores or os.cpu_count() or 1
    return min(_MAX_WORKERS, max(1, cores // 2) if on_cpu else cores)


def _start_method() -> str:
    # asking without allow_none would forbid the user to choose a method later; the default is listed first
    return multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]


def _importable_in_child() -> bool:
    """Whether a new process finds this package: not if it is a plugin folder that was never installed."""
    if _start_method() == "fork":
        return True
    package = __name__.partition(".")[0]
    return any(finder.find_spec(package, None) is not None for finder in sys.meta_path if hasattr(finder, "find_spec"))
