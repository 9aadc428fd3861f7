"""Long work in the App: a bar that moves, and errors that are seen, in the form's words.

FiftyOne shows progress only of generators, but swallows their exceptions; of plain functions it shows exceptions, but
no progress (1.22). So the work runs in a thread, the generator passes its progress on, and an error is announced before
it is raised.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..plugin.door import title
from ..plugin.errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.operators.message import GeneratedMessage

    from .operator import CoresetOperator

_DONE = object()

#: Smallest change of the bar worth a message to the browser.
_STEP = 0.005


def silence(fraction: float, message: str) -> None:
    """Progress that nobody watches."""


def stream(operator: CoresetOperator, ctx: Any, params: Any) -> Iterator[GeneratedMessage]:
    """Works in a thread and yields what the App shows meanwhile and afterwards."""
    signs: queue.SimpleQueue = queue.SimpleQueue()
    outcome: dict[str, Any] = {}

    def work() -> None:
        try:
            outcome["answer"] = operator.work(ctx, params, lambda fraction, message: signs.put((fraction, message)))
        except BaseException as error:
            outcome["error"] = error
        finally:
            signs.put(_DONE)

    threading.Thread(target=work, name="coreset-operator", daemon=True).start()
    shown = (-1.0, "")
    while (sign := signs.get()) is not _DONE:
        fraction, message = sign
        if fraction - shown[0] >= _STEP or message != shown[1]:
            shown = (fraction, message)
            yield ctx.ops.set_progress(label=message, progress=fraction)
    if "error" in outcome:
        message = _in_the_forms_words(operator, outcome["error"])
        yield ctx.ops.set_progress(label=f"Failed: {message}", progress=max(shown[0], 0.0))
        yield ctx.ops.notify(message, variant="error")
        raise outcome["error"]
    answer = outcome["answer"]
    yield ctx.ops.set_progress(label=answer.message, progress=1.0)
    yield ctx.ops.reload_dataset()
    yield from answer.steps
    yield ctx.ops.notify(answer.message, variant="success")


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
