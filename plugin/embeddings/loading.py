"""Batches of decoded images, from worker processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import CoresetError
from .decode import Box, Decoded, decode
from .framing import Framing
from .report import Failure

#: More workers than this feed no single device faster.
_MAX_WORKERS = 16


class ImageFile(NamedTuple):
    """One file to decode, once.

    Args:
        path: the file
        ids: the sample id, or the ids of the objects to cut out
        boxes: the objects' bounding boxes, or None for the whole image
    """

    path: str
    ids: Sequence[str]
    boxes: Sequence[Box] | None = None


class Batch(NamedTuple):
    """The images of a few files.

    Args:
        ids: ids of the m decoded images or objects
        pixels: their (m, height, width, 3) uint8 pixels
        failures: those that could not be decoded
    """

    ids: list[str]
    pixels: np.ndarray
    failures: list[Failure]


class ImageFiles:
    """A map-style dataset of image files for a DataLoader."""

    def __init__(self, files: Sequence[ImageFile], framing: Framing):
        self.files = files
        self.framing = framing

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[ImageFile, list[Decoded]]:
        file = self.files[index]
        return file, decode(file.path, self.framing, file.boxes)


def collate(items: Sequence[tuple[ImageFile, list[Decoded]]]) -> Batch:
    """Puts what could be decoded into one array.

    The array is numpy's, not torch's, so that it travels through a pipe: shared memory is scarce in containers, and
    stays behind when a process is killed.
    """
    ids, pixels, failures = [], [], []
    for file, outcomes in items:
        for image_id, decoded in zip(file.ids, outcomes, strict=True):
            if decoded.pixels is None:
                failures.append(Failure(image_id, decoded.outcome, decoded.reason))
            else:
                ids.append(image_id)
                pixels.append(decoded.pixels)
    return Batch(ids, np.stack(pixels) if pixels else np.empty((0, 0, 0, 3), np.uint8), failures)


def batches(files: Sequence[ImageFile], framing: Framing, batch_size: int, num_workers: int) -> Iterator[Batch]:
    """Decodes files batch by batch, in order.

    Args:
        files: the files
        framing: the model's input size
        batch_size: files in a batch
        num_workers: worker processes; 0 decodes in this process

    Yields:
        the batches

    Raises:
        CoresetError: if a worker process dies
    """
    from torch.utils.data import DataLoader

    loader: DataLoader = DataLoader(
        ImageFiles(files, framing),  # type: ignore[arg-type]  # any class with __len__ and __getitem__ will do
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=collate,
        worker_init_fn=_end_with_parent,
    )
    iterator = iter(loader)
    try:
        while (batch := next(iterator, None)) is not None:
            yield batch
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise CoresetError(
            f"a process decoding images died ({error}); what was embedded is kept, so call again to continue, "
            "with num_workers=0 if it dies again"
        ) from error
    finally:
        del iterator  # ends the workers now, whoever holds on to a traceback


def _end_with_parent(worker: int) -> None:
    """Ends a worker whose parent was killed: it would wait for ever to hand over its batch."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


def choose_workers(num_workers: int | None, n_files: int, batch_size: int, on_cpu: bool) -> int:
    """Worker processes for decoding.

    Args:
        num_workers: the caller's wish, or None
        n_files: number of files
        batch_size: files in a batch
        on_cpu: whether the model computes on the CPU too

    Returns:
        the wish if there is one, 0 for a single batch, half of the cores beside a model on the CPU, else all;
        always 0 where a child process could not import this package
    """
    if not _importable_in_child():
        return 0
    if num_workers is not None:
        return num_workers
    if n_files <= batch_size or sys.platform == "win32":  # a process starts slowly on Windows
        return 0
    cores = os.cpu_count() or 1
    return min(_MAX_WORKERS, max(1, cores // 2) if on_cpu else cores)


def _importable_in_child() -> bool:
    """Whether a new process finds this package: not if it is a plugin folder that was never installed."""
    # asking without allow_none would forbid the user to choose a method later; the default is listed first
    method = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    if method == "fork":
        return True
    package = __name__.partition(".")[0]
    return any(finder.find_spec(package, None) is not None for finder in sys.meta_path if hasattr(finder, "find_spec"))
