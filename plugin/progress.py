"""One way to report progress: a terminal bar, the App, or silence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

#: Called with the finished fraction in [0, 1] and what is being done.
ProgressCallback = Callable[[float, str], None]


@contextmanager
def reporting(progress: bool | ProgressCallback | None, title: str) -> Iterator[ProgressCallback]:
    """Gives long work one function to report to, whoever is watching.

    Args:
        progress: ``True`` for a terminal bar, ``False`` for silence, a function ``(fraction, message)`` such as the
            App's, or ``None`` for what FiftyOne's ``show_progress_bars`` setting says
        title: what the terminal bar is called

    Yields:
        a function ``report(fraction, message)``, safe to call at any rate: an error while reporting is logged and
        never ends the work
    """
    if callable(progress):
        yield _safe(progress)
        return
    if progress is None:
        import fiftyone as fo

        progress = fo.config.show_progress_bars
    if not progress:
        yield silence
        return

    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Eta

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        Eta(),
    )
    with Progress(*columns, TextColumn("[dim]{task.fields[message]}")) as bar:
        task = bar.add_task(title, total=1.0, message="")
        yield lambda fraction, message: bar.update(task, completed=fraction, message=message)
        bar.update(task, completed=1.0, message="")


def silence(fraction: float, message: str) -> None:
    """Progress that nobody watches."""


def part_of(report: ProgressCallback, start: float, end: float) -> ProgressCallback:
    """Maps the progress of one step, 0 to 1, into its share of the whole."""
    return lambda fraction, message: report(start + fraction * (end - start), message)


def _safe(report: ProgressCallback) -> ProgressCallback:
    def guarded(fraction: float, message: str) -> None:
        try:
            report(min(max(fraction, 0.0), 1.0), message)
        except Exception as error:  # a lost connection to the App must not cost the result
            logger.warning("could not report progress: %s", error)

    return guarded
