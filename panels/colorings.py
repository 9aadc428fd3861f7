"""What the map can be coloured by, and the colours.

How to add a colouring: one entry of :data:`COLORINGS`, whose function gives codes and a legend, as
:func:`~.payload.ordered_coloring` and :func:`~.payload.category_coloring` make them. The browser offers it by itself:
it draws any codes with the palette that the legend names (``web/src/protocol.ts: Channel``). Only a colouring that must
follow the slider without a request is computed there (``web/src/Workspace.tsx: STATUS_CHANNEL``).
"""

from __future__ import annotations

import ntpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fiftyone as fo
import numpy as np

from ..plugin.dataset.rows import IN_FRAMES, container
from ..plugin.errors import CoresetError
from ..plugin.runs.load import load_run
from ..plugin.selection.registry import explain_columns
from .payload import category_coloring, ordered_coloring, shared_coloring
from .rounds import CHANNEL, round_coloring

if TYPE_CHECKING:
    from .runs import PanelRun


@dataclass(frozen=True)
class Coloring:
    """A colouring that any run can have.

    Attributes:
        label: what people see
        explanation: what it means, in a few words
        paint: codes and legend of a run at a budget, ``(run, k)``, rows in rank order
        live (False): whether it depends on the budget
        offered (always): whether a run can be coloured so
    """

    label: str
    explanation: str
    paint: Callable[[PanelRun, int], dict[str, Any]]
    live: bool = False
    offered: Callable[[PanelRun], bool] = lambda run: True


#: Largest number of multiplications spent on exact distances when a colouring asks for them, about 5 s.
_MAX_WORK = 3e11

_NUMBERS = (fo.FloatField, fo.IntField, fo.FrameNumberField, fo.FrameSupportField)
_CATEGORIES = (fo.StringField, fo.BooleanField)
_LABELS = (fo.Classification, fo.Regression)


def channels(run: PanelRun) -> list[dict[str, Any]]:
    """Everything the map of a run can be coloured by, besides what the browser knows itself."""
    explained = explain_columns(run.config.method)
    found = [
        _channel(name, name.replace("_", " ").capitalize(), explained.get(name, f"the run's figure '{name}'"))
        for name in run.results.columns
    ]
    found += [
        _channel(name, entry.label, entry.explanation, entry.live)
        for name, entry in COLORINGS.items()
        if entry.offered(run)
    ]
    return found + [_channel(f"field:{path}", path, f"the dataset's field '{path}'") for path in _fields(run)]


def _channel(name: str, label: str, explanation: str, live: bool = False) -> dict[str, Any]:
    return {"id": name, "label": label, "explanation": explanation, "live": live}


def _fields(run: PanelRun) -> list[str]:
    """Paths of the dataset's numbers, categories and single labels; those of objects or frames if these were ranked."""
    dataset, patches_field = run.dataset, run.config.patches_field
    root, schema = "", dataset.get_field_schema()
    if run.are_frames:
        root, schema = IN_FRAMES, dataset.get_frame_field_schema()
    elif patches_field is not None:
        path = container(dataset, patches_field)
        root, schema = f"{path}.", _object_schema(dataset, path)
    own = {path.rsplit(".", 1)[-1] for path in map(run.path, [*run.config.fields, "xy"])}
    paths = []
    for name, field in schema.items():
        if name in own or name.startswith("_") or name in ("id", "filepath"):
            continue
        if isinstance(field, _NUMBERS + _CATEGORIES):
            paths.append(f"{root}{name}")
        elif isinstance(field, fo.EmbeddedDocumentField) and issubclass(field.document_type, _LABELS):
            leaf = "label" if issubclass(field.document_type, fo.Classification) else "value"
            paths.append(f"{root}{name}.{leaf}")
    return paths


def _object_schema(dataset: fo.Dataset, root: str) -> dict[str, Any]:
    field = dataset.get_field(root)
    document = field.field if isinstance(field, fo.ListField) else field
    return document.get_field_schema()


def coloring(run: PanelRun, channel: str, k: int) -> dict[str, Any]:
    """Codes and legend of a colouring, rows in rank order.

    Args:
        run: the run
        channel: the id of one of :func:`channels`, ``"run:<key>"`` for what another run keeps at the same budget,
            or one of :data:`.rounds.ROUND_COLORINGS` as ``"rounds:<campaign>:<id>"``
        k: the budget, for colourings that depend on it

    Raises:
        CoresetError: if there is no such channel, or its values cannot be had
    """
    if channel in run.results.columns:
        return ordered_coloring(run.results.columns[channel][run.order])
    if channel in COLORINGS:
        return COLORINGS[channel].paint(run, k)
    if channel.startswith("field:"):
        return _field_coloring(run, channel.removeprefix("field:"))
    if channel.startswith(CHANNEL):
        return round_coloring(run, channel)
    if channel.startswith("run:"):
        other = channel.removeprefix("run:")
        return shared_coloring(np.arange(run.n) < k, _kept_by(run, other, k), run.key, other)
    raise CoresetError(f"There is nothing called '{channel}' to colour by.")


def distances(run: PanelRun, k: int) -> np.ndarray:
    """(n,) distance of every row to the nearest kept one, NaN where it was not measured.

    Large runs are measured on the rows that their coverage curve follows.
    """
    from ..plugin.diagnostics.nearest_selected import nearest_selected

    measured = np.full(run.n, np.nan)
    curve = run.results.curve()
    if run.n * k * run.points.dim <= _MAX_WORK:
        nearest = nearest_selected(run.points, run.kept_rows(k))
        measured[nearest.rows] = nearest.distance
    else:
        measured[np.argsort(run.order)[curve.rows]] = curve.distances_at(k)
    return measured


#: Colourings besides a run's own figures, the dataset's fields and other runs, by their ids.
COLORINGS = {
    "distance": Coloring(
        "Distance to nearest kept",
        "how far the nearest kept one is",
        lambda run, k: ordered_coloring(distances(run, k)),
        live=True,
        offered=lambda run: run.results.has_embeddings,
    ),
    "video": Coloring(
        "Video",
        "the video that the frame is of",
        lambda run, k: category_coloring(_videos(run)),
        offered=lambda run: run.are_frames,
    ),
}


def _videos(run: PanelRun) -> list[str | None]:
    """The file name of the video of every frame, by rank."""
    name = {video: ntpath.basename(path) for video, path in zip(*run.dataset.values(["id", "filepath"]), strict=True)}
    rows = run.results.rows()
    video_of = dict(zip(rows.ids(), rows.values("sample_id"), strict=True))
    return [name.get(video_of.get(row_id)) for row_id in run.ids.tolist()]


def _kept_by(run: PanelRun, other: str, k: int) -> np.ndarray:
    """(n,) bool, the rows that another run's first k hold."""
    results = load_run(run.dataset, other)
    return np.isin(run.ids, results.ids[results.ranking[:k]])


def _field_coloring(run: PanelRun, path: str) -> dict[str, Any]:
    if not run.dataset.has_field(path):
        raise CoresetError(f"The field '{path}' was deleted.")
    rows = run.results.rows()
    root = "" if rows.patches_field is None else f"{container(run.dataset, rows.patches_field)}."
    by_id = dict(zip(rows.ids(), rows.values(path.removeprefix(root)), strict=True))
    in_order = [by_id.get(row_id) for row_id in run.ids]
    if isinstance(run.dataset.get_field(path), _NUMBERS):
        return ordered_coloring(np.array([np.nan if value is None else value for value in in_order], dtype=np.float64))
    return category_coloring(in_order)
