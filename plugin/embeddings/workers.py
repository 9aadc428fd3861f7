"""A process that decodes image files, so that no file can stop or crash the run.

Pillow's decoders are C code: a file that keeps one busy for hours, or crashes it, can only be stopped with its process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from ..errors import CoresetError
from .decode import Box, Decoded, decode, own_process
from .framing import Framing, WholeImage
from .report import Outcome

#: An image of the default ``max_pixels`` (JPEG, PNG or TIFF of 10,000 x 10,000) took 1.2 to 2.0 s of one core; the
#: rest is for a busy machine and a slow disk.
_SECONDS_PER_FILE = 30.0
#: Generous, for a process that is not forked imports the caller's main module first, whatever that is.
_SECONDS_TO_START = 120.0

#: A process inherits the pipes that are open when it starts, and with another's end its death would go unnoticed.
_STARTING = threading.Lock()


class ImageFile(NamedTuple):
    """One file to decode, once.

    Args:
        path: the file
        ids: the sample id, or the ids of the objects to cut out
        boxes: the objects' bounding boxes, or None for the whole image
        content: what is in it, or why that cannot be read, where that is known already
    """

    path: str
    ids: Sequence[str]
    boxes: Sequence[Box] | None = None
    content: bytes | OSError | None = None

    @property
    def source(self) -> str | bytes | OSError:
        """What there is to decode."""
        return self.path if self.content is None else self.content


class DecodingProcess:
    """A process that decodes files, and is started again if a file takes it down.

    Args:
        framing: the model's input size
        max_pixels: see :func:`.decode.decode`
    """

    def __init__(self, framing: Framing | WholeImage, max_pixels: int):
        self._arguments = (framing, max_pixels)
        self._closed = False
        self._start()

    def decode(self, files: Sequence[ImageFile]) -> list[list[Decoded]]:
        """Decodes files in order.

        A file with which the process dies, or exceeds the time limit, is tried once more, for the process may have been
        killed from outside; the second time the file has failed.

        Args:
            files: the files

        Returns:
            the outcomes of each file

        Raises:
            CoresetError: if no process can be started
        """
        done: list[list[Decoded]] = []
        suspect = -1
        self._send(files)
        while len(done) < len(files):
            outcomes, trouble = self._receive(_SECONDS_PER_FILE)
            if outcomes is not None:
                done.append(outcomes)
                continue
            if suspect == len(done):
                done.append([Decoded(None, Outcome.UNDECODABLE, trouble)] * len(files[suspect].ids))
            else:
                suspect = len(done)
            self._start()
            self._send(files[len(done) :])
        return done

    def close(self) -> None:
        """Ends the process, whatever it does; a call of :meth:`decode` in another thread ends with an error."""
        with _STARTING:
            self._closed = True
            self._process.kill()

    def _start(self) -> None:
        with _STARTING:
            if self._closed:
                raise CoresetError("decoding was ended")
            self._pipe, theirs = multiprocessing.Pipe()
            self._process = multiprocessing.Process(
                target=_serve, args=(theirs, *self._arguments), name="decode-images", daemon=True
            )
            try:
                self._process.start()
            except OSError as error:  # no more processes, or no more memory
                raise CoresetError(_no_start(error)) from error
            finally:
                theirs.close()
        self._started = False

    def _send(self, files: Sequence[ImageFile]) -> None:
        if not self._started:
            _, trouble = self._receive(_SECONDS_TO_START)
            if trouble and not self._closed:
                raise CoresetError(_no_start(trouble))
            self._started = True
        with contextlib.suppress(OSError):  # it was killed meanwhile: receiving says so
            self._pipe.send(list(files))

    def _receive(self, seconds: float) -> tuple[Any, str]:
        """The next answer, or None and why there is none; then the process is gone."""
        ready = wait([self._pipe, self._process.sentinel], seconds)
        with contextlib.suppress(EOFError, OSError):
            if self._pipe in ready or self._pipe.poll():
                return self._pipe.recv(), ""
        self._process.kill()
        self._process.join(1)  # not for ever: a process that waits for a lost disk cannot be killed
        if ready:
            return None, f"decoding it crashed a process (exit code {self._process.exitcode})"
        return None, f"decoding it took longer than {seconds:g} seconds"


def _no_start(reason: object) -> str:
    return (
        f"a process for decoding images does not start ({reason}); what was embedded is kept, so call again with "
        "num_workers=0 to continue"
    )


def _serve(pipe: Connection, framing: Framing | WholeImage, max_pixels: int) -> None:
    """Answers lists of files with their outcomes, file by file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    _end_with_parent()
    own_process()
    pipe.send([])
    while True:
        for file in pipe.recv():
            pipe.send(decode(file.source, framing, file.boxes, max_pixels))


def _end_with_parent() -> None:
    """Ends this process when its parent was killed: it would wait for ever to hand over its pixels."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
