"""Long work in the App: a bar that moves and can be stopped, and errors that are seen, in the form's words.

FiftyOne shows progress only of generators, but swallows their exceptions; of plain functions it shows exceptions, but
no progress (1.22). So the work runs in a thread, the generator passes its progress on, and an error is announced before
it is raised.
"""

from __future__ import annotations

import queue
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import fiftyone.operators.types as types

from ..plugin.door import title
from ..plugin.errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.operators.message import GeneratedMessage

    from .operator import CoresetOperator

_DONE, _STOPPING = object(), object()

#: Smallest change of the bar worth a message to the browser.
_STEP = 0.005

_CANCEL = "@fiftyone-coreset/coreset/cancel_computation"

#: Work in progress: what asks it to stop, by the name that its Cancel button knows.
_running: dict[str, Callable[[], None]] = {}


class Cancelled(BaseException):
    """The person pressed Cancel. As with ``KeyboardInterrupt``, nothing on the way takes it for an ordinary error."""


def cancel(job: str) -> bool:
    """Asks work to stop at its next sign of progress.

    Args:
        job: the name of the work

    Returns:
        whether it was still running
    """
    stop = _running.get(job)
    if stop is not None:
        stop()
    return stop is not None


def stream(operator: CoresetOperator, ctx: Any, params: Any) -> Iterator[GeneratedMessage]:
    """Works in a thread and yields what the App shows meanwhile and afterwards."""
    job, stopped = uuid.uuid4().hex, threading.Event()
    signs: queue.SimpleQueue = queue.SimpleQueue()
    outcome: dict[str, Any] = {}

    def progress(fraction: float, message: str) -> None:
        if stopped.is_set():
            raise Cancelled
        signs.put((fraction, message))

    def stop() -> None:
        stopped.set()
        signs.put(_STOPPING)

    def work() -> None:
        try:
            outcome["answer"] = operator.work(ctx, params, progress)
        except BaseException as error:
            outcome["error"] = error
        finally:
            _running.pop(job, None)
            signs.put(_DONE)

    _running[job] = stop
    threading.Thread(target=work, name="coreset-operator", daemon=True).start()
    shown = (-1.0, "")
    while (sign := signs.get()) is not _DONE:
        if sign is _STOPPING:
            yield ctx.ops.set_progress(label="Stopping at the next step", progress=max(shown[0], 0.0))
            continue
        fraction, message = sign
        if fraction - shown[0] >= _STEP or message != shown[1]:
            shown = (fraction, message)
            yield ctx.ops.show_output(_bar(message, job), {"progress": fraction})
    error = outcome.get("error")
    if isinstance(error, Cancelled):
        message = f"{operator.label} was cancelled. {operator.cancelled}"
        yield ctx.ops.show_output(_notice(types.Notice(label="Cancelled", description=message)), {})
        yield ctx.ops.notify(message, variant="warning")
        return
    if error is not None:
        message = _in_the_forms_words(operator, error)
        yield ctx.ops.show_output(_notice(types.Error(label="Could not finish", description=message)), {})
        yield ctx.ops.notify(message, variant="error")
        raise error
    answer = outcome["answer"]
    yield ctx.ops.set_progress(label=answer.message, progress=1.0)
    yield ctx.ops.reload_dataset()
    yield from answer.steps
    yield ctx.ops.notify(answer.message, variant="success")


def _bar(message: str, job: str) -> dict[str, Any]:
    """How far the work is, and a button that stops it."""
    outputs = types.Object()
    outputs.float("progress", view=types.ProgressView(label=message))
    outputs.btn("cancel", "Cancel", on_click=_CANCEL, params={"job": job}, variant="outlined")
    return types.Property(outputs).to_json()


def _notice(view: types.View) -> dict[str, Any]:
    outputs = types.Object()
    outputs.view("outcome", view)
    return types.Property(outputs).to_json()


def _in_the_forms_words(operator: CoresetOperator, error: BaseException) -> str:
    """What a person is told: our own errors with the form's words for arguments; of any other the kind and a line."""
    if not isinstance(error, CoresetError):
        first_line = (str(error).splitlines() or [""])[0]
        return f"{type(error).__name__}: {first_line}"

    def words(match: re.Match) -> str:
        name, value = match["name"], match["value"]
        if name not in operator.params.model_fields:
            return match[0]
        called = title(operator.params, name)
        return f"tick '{called}'" if value == "True" else f"set '{called}' to {value}"

    text = re.sub(r"(?:pass |give |with |use )?\b(?P<name>[a-z_]+)=(?P<value>'[^']*'|[\w.]+)", words, str(error))
    for name in operator.params.model_fields:
        if "_" in name:
            text = re.sub(rf"\b{name}\b", f"'{title(operator.params, name)}'", text)
    return text
