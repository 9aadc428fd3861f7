"""Operator: take a coreset out of FiftyOne, as a page, a table, files, a dataset, or to a tool for labelling."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import fiftyone as fo
import fiftyone.operators.types as types
from pydantic import Field, field_validator

from ..plugin.door import FieldPath, Line, Parameters, RunName, ViewName
from ..plugin.errors import CoresetError
from ..plugin.request import dataset_of
from ..plugin.runs.export import export_table
from ..plugin.runs.load import load_run
from ..plugin.runs.share import share_coreset
from .create_coreset_view import DEFAULT_BUDGET, checked_budget
from .form import IMAGES, chosen_run, label_fields, object_fields
from .operator import Answer, CoresetOperator

if TYPE_CHECKING:
    from ..plugin.results import CoresetResults

_ACTIONS = {
    "page": "A page to show to others: map, images, report",
    "table": "A table of names, ranks and scores",
    "files": "Images and labels in a common format",
    "dataset": "A dataset of its own in FiftyOne",
    "annotate": "Send it to a tool for labelling",
}
_TABLES = {"csv": "CSV", "parquet": "Parquet"}
_FORMATS = {
    "FiftyOneDataset": "FiftyOne",
    "ImageDirectory": "Images only",
    "ImageClassificationDirectoryTree": "A folder for each class",
    "COCODetectionDataset": "COCO",
    "YOLOv5Dataset": "YOLO",
    "VOCDetectionDataset": "Pascal VOC",
    "CVATImageDataset": "CVAT",
}
#: What keeps the path of the folder out of formats that would hold it: the folder is moved when it is whole.
_MOVABLE = {"YOLOv5Dataset": {"include_path": False}, "VOCDetectionDataset": {"include_paths": False}}
#: Marks datasets that an export made, in their ``info``: no other is ever replaced.
_ORIGIN = "coreset_of"
#: What FiftyOne needs to know of a tool for labelling before it can send images there.
_CREDENTIALS = ("username", "api_key", "token")
#: How FiftyOne is told of the tools that it comes with.
_SETTINGS = {
    "cvat": "FIFTYONE_CVAT_URL, FIFTYONE_CVAT_USERNAME and FIFTYONE_CVAT_PASSWORD",
    "labelstudio": "FIFTYONE_LABELSTUDIO_URL and FIFTYONE_LABELSTUDIO_API_KEY",
}


class Params(Parameters):
    """Which coreset, and what becomes of it."""

    brain_key: RunName | None = Field(None, title="Coreset run")
    budget: Any = Field(
        DEFAULT_BUDGET, title="Budget", description="A count (500), a percentage (10%), or '95% coverage'"
    )
    action: Literal["page", "table", "files", "dataset", "annotate"] = Field("page", title="What to make")
    name: ViewName | None = Field(None, title="Name", description="Of the file, folder, dataset or annotation run")
    overwrite: bool = Field(False, title="Overwrite what has this name")
    table: Literal["csv", "parquet"] = Field("csv", title="Kind of table")
    format: Literal[tuple(_FORMATS)] = Field("FiftyOneDataset", title="Format")  # type: ignore[valid-type]
    label_field: FieldPath | None = Field(None, title="Label field")
    backend: Line | None = Field(None, title="Tool")
    classes: Line | None = Field(None, title="Classes", description="Separated by commas")

    _budget = field_validator("budget")(checked_budget)


class ExportCoreset(CoresetOperator[Params]):
    """Makes a page, a table, files or a dataset of a coreset, or sends it to a tool for labelling."""

    name, label = "export_coreset", "Export coreset"
    description = "Take a coreset out: a page to show, a table, files, a dataset of its own, or a labelling task"
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    answers = (("made", "Made"), ("rows", "Images or objects"))
    long_running = True

    def fill(self, form):
        if form.run() is None:
            return
        form.text("budget")
        form.choose("action", _ACTIONS)
        action, default = form.params.action, _default_name(form.dataset, form.params)
        form.text("name", default=default)
        if action == "table":
            form.choose("table", _TABLES)
        elif action == "files":
            form.choose("format", _FORMATS)
            form.suggest("label_field", [*label_fields(form.dataset, IMAGES), *object_fields(form.dataset)])
        elif action == "annotate":
            form.choose("backend", {name: name for name in annotation_tools()}, required=True)
            form.text("label_field", required=True, description="Where the labels are to go; new or existing")
            form.text("classes")
        if action != "annotate":
            form.tick("overwrite")
        form.check(lambda: _check(form.dataset, form.params))

    def work(self, ctx, params, progress):
        dataset = dataset_of(ctx)
        _check(dataset, params)
        results = load_run(dataset, chosen_run(dataset, params.brain_key))
        made = _MAKERS[params.action](dataset, results, params, params.name or _default_name(dataset, params))
        rows = results.budget(params.budget)
        return Answer(f"{rows:,} {results.noun}: {made}", {"made": made, "rows": rows})


def annotation_tools() -> list[str]:
    """Tools for labelling that FiftyOne has an address and an account for."""
    tools = fo.annotation_config.backends
    return [name for name, known in tools.items() if known.get("url") and any(known.get(key) for key in _CREDENTIALS)]


def export_folder() -> Path:
    """Where exports of the App go: a person in a browser names what is made, not a place on the server."""
    return Path(fo.config.default_dataset_dir) / "coreset-exports"


def _default_name(dataset: fo.Dataset, params: Params) -> str:
    return f"{dataset.name}-{chosen_run(dataset, params.brain_key)}-{params.action}"


def _check(dataset: fo.Dataset, params: Params) -> None:
    """Refuses what cannot be made."""
    name = params.name or _default_name(dataset, params)
    if "/" in name or "\\" in name or name.startswith("."):
        raise CoresetError("the name of what is made must not hold a slash or begin with a dot")
    if params.action == "dataset" and fo.dataset_exists(name):
        if not params.overwrite:
            raise CoresetError(f"a dataset '{name}' exists; choose another name or tick 'Overwrite'")
        if _ORIGIN not in fo.load_dataset(name).info:
            raise CoresetError(f"dataset '{name}' was not made by an export, so it stays; choose another name")
    if params.action == "files" and params.label_field and not dataset.has_field(params.label_field):
        raise CoresetError(f"dataset '{dataset.name}' has no field '{params.label_field}'; choose another label field")
    if params.action != "annotate":
        return
    if params.backend not in annotation_tools():
        settings = _SETTINGS.get(params.backend or "") or ", or ".join(_SETTINGS.values())
        raise CoresetError(
            f"{params.backend or 'no tool for labelling'} is {'not ' if params.backend else ''}set up: give FiftyOne "
            f"its address and an account before it starts, e.g. {settings}"
            if params.backend in _SETTINGS or not annotation_tools()
            else f"'Tool' must be one of {', '.join(annotation_tools())}"
        )
    if not params.label_field:
        raise CoresetError("choose the label field that the labels are to go to")


def _make_page(dataset: fo.Dataset, results: CoresetResults, params: Params, name: str) -> str:
    path = export_folder() / f"{name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(share_coreset(dataset, results.key, path, params.budget, overwrite=params.overwrite))


def _make_table(dataset: fo.Dataset, results: CoresetResults, params: Params, name: str) -> str:
    path = export_folder() / f"{name}.{params.table}"
    path.parent.mkdir(parents=True, exist_ok=True)
    export_table(dataset, results.key, path, params.budget, overwrite=params.overwrite)
    return str(path)


def _make_files(dataset: fo.Dataset, results: CoresetResults, params: Params, name: str) -> str:
    folder = export_folder() / name
    if folder.exists() and not params.overwrite:
        raise CoresetError(f"folder '{name}' of an earlier export exists; choose another name or tick 'Overwrite'")
    beside, before = (folder.with_name(f".{uuid.uuid4().hex}") for _ in range(2))
    try:  # beside it, so that a killed process leaves nothing that looks like a whole export
        results.view(params.budget).export(
            export_dir=str(beside),
            dataset_type=getattr(fo.types, params.format),
            label_field=params.label_field,
            progress=False,
            **_MOVABLE.get(params.format, {}),
        )
        if folder.exists():
            folder.replace(before)
        beside.replace(folder)
    except (ValueError, TypeError) as error:  # FiftyOne's words on labels that a format cannot hold
        raise CoresetError(f"{_FORMATS[params.format]} cannot hold this: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    shutil.rmtree(before, ignore_errors=True)
    return str(folder)


def _make_dataset(dataset: fo.Dataset, results: CoresetResults, params: Params, name: str) -> str:
    made = results.view(params.budget).clone(persistent=True)
    made.info[_ORIGIN] = {"dataset": dataset.name, "run": results.key, "budget": str(params.budget)}
    made.save()
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    made.name = name
    return f"dataset '{name}'"


def _send(dataset: fo.Dataset, results: CoresetResults, params: Params, name: str) -> str:
    key = "".join(letter if letter.isalnum() else "_" for letter in name)
    key = key if key.isidentifier() else f"coreset_{key}"  # names of datasets begin with a date unless one is given
    classes = [word.strip() for word in (params.classes or "").split(",") if word.strip()]
    new = {} if dataset.has_field(params.label_field) else {"label_type": "classification"}
    how = {"label_field": params.label_field, "classes": classes or None, "launch_editor": False, **new}
    before = dataset.list_annotation_runs()
    try:
        results.view(params.budget).annotate(key, backend=params.backend, **how)
    except Exception as error:  # every tool's client has exceptions of its own
        if key not in before and dataset.has_annotation_run(key):  # which FiftyOne registers before it sends anything
            dataset.delete_annotation_run(key)
        if isinstance(error, ImportError):
            missing = " ".join(str(error).split())
            raise CoresetError(
                f"the client of {params.backend} is not installed where FiftyOne runs ({missing}); install it with "
                "pip, start FiftyOne again, and send the images again"
            ) from error
        address = fo.annotation_config.backends[params.backend]["url"]
        raise CoresetError(
            f"{params.backend} at {address} did not take the labelling task ({error}); see that it runs, and that "
            "FiftyOne has its address and an account for it"
        ) from error
    return f"annotation run '{key}' in {params.backend}; load_annotations('{key}', unexpected='ignore') fetches labels"


_MAKERS = {"page": _make_page, "table": _make_table, "files": _make_files, "dataset": _make_dataset, "annotate": _send}
