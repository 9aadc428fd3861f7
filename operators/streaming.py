"""Long work in the App: a progress bar that moves, and errors that are seen.

FiftyOne shows progress only of generators, but swallows their exceptions; of plain functions it shows exceptions, but
no progress (1.22). So the work runs in a thread, the generator passes its progress on, and an error is announced before
it is raised.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..plugin.errors import CoresetError
from ..plugin.progress import Report

_DONE = object()

#: Smallest change of the bar worth a message to the browser.
_STEP = 0.005


def run_with_progress(
    ctx: Any, work: Callable[[Report], str], then: Callable[[], Any] | None = None
) -> Iterator[Any] | dict[str, str]:
    """Runs the work of an operator.

    Args:
        ctx: the execution context
        work: a function that takes ``report(fraction, message)`` and returns one sentence on what was done
        then (None): a function that returns what the App is to do once the work is done, e.g. ``ctx.ops.set_view()``,
            or None

    Returns:
        in the App a generator of messages; in a delegated run, where no App listens, the finished result
    """
    if ctx.delegated:
        return {"message": work(lambda fraction, message: ctx.set_progress(fraction, message))}
    return _stream(ctx, work, then)


def _stream(ctx: Any, work: Callable[[Report], str], then: Callable[[], Any] | None) -> Iterator[Any]:
    reports: queue.SimpleQueue = queue.SimpleQueue()
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["message"] = work(lambda fraction, message: reports.put((fraction, message)))
        except BaseException as error:
            outcome["error"] = error
        finally:
            reports.put(_DONE)

    worker = threading.Thread(target=run, name="coreset-operator", daemon=True)
    worker.start()
    shown = (-1.0, "")
    while (item := reports.get()) is not _DONE:
        fraction, message = item
        if fraction - shown[0] >= _STEP or message != shown[1]:
            shown = (fraction, message)
            yield ctx.ops.set_progress(label=message, progress=fraction)
    worker.join()
    if "error" in outcome:
        message = _in_a_sentence(outcome["error"])
        yield ctx.ops.set_progress(label=f"Failed: {message}", progress=1.0)
        yield ctx.ops.notify(message, variant="error")
        raise outcome["error"]
    yield ctx.ops.set_progress(label=outcome["message"], progress=1.0)
    yield ctx.ops.reload_dataset()
    if then is not None and (step := then()) is not None:
        yield step
    yield ctx.ops.notify(outcome["message"], variant="success")


def _in_a_sentence(error: BaseException) -> str:
    """What a user is told: our own errors in full, of any other the kind and the first line."""
    if isinstance(error, CoresetError):
        return str(error)
    first_line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}"
