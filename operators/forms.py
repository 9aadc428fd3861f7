"""Form fields that several operators share, and the rules they check while the user types."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import fiftyone.operators.types as types

from ..plugin.errors import CoresetError
from ..plugin.runs.load import list_runs
from ..plugin.selection.method import Option

DEFAULT_EMBEDDINGS = "clip_embeddings"
DEFAULT_KEY = "coreset"

#: Form value that stands for "the images themselves, not objects in them".
IMAGES = "images"


def refuse(inputs: types.Object, message: str) -> None:
    """Shows a red notice and keeps the form from being executed."""
    notice = inputs.view("refused", types.Error(label="Cannot run yet", description=message))
    notice.invalid = True
    notice.error_message = message  # what callers from Python are told


def choose(inputs: types.Object, name: str, choices: dict[str, str], default: str, **kwargs: Any) -> None:
    """A dropdown of value -> label."""
    dropdown = types.DropdownView()
    for value, label in choices.items():
        dropdown.add_choice(value, label=label)
    inputs.enum(name, dropdown.values(), default=default, view=dropdown, **kwargs)


def suggest(inputs: types.Object, name: str, suggestions: list[str], default: str | None, **kwargs: Any) -> None:
    """A text field that completes from suggestions and takes other values too."""
    view = types.AutocompleteView()
    for value in suggestions:
        view.add_choice(value, label=value)
    inputs.str(name, default=default, view=view, **kwargs)


def ask_option(inputs: types.Object, name: str, option: Option, default: Any) -> None:
    """A field for a parameter of a method."""
    if option.choices is None:
        inputs.int(name, min=1, label=option.label, description=option.description)
    else:
        choose(inputs, name, dict(option.choices), default, label=option.label, description=option.description)


def choose_rows(ctx: Any, inputs: types.Object) -> None:
    """Images, or the objects of one label field."""
    fields = object_fields(ctx.dataset)
    if fields:
        choices = {IMAGES: "Images"} | {field: f"Objects in '{field}'" for field in fields}
        choose(inputs, "rows", choices, default=IMAGES, label="What to use")


def choose_run(ctx: Any, inputs: types.Object) -> str | None:
    """A dropdown of coreset runs; refuses when there is none yet.

    Returns:
        the chosen run, or None
    """
    runs = list_runs(ctx.dataset)
    if not runs:
        refuse(inputs, "This dataset has no coreset run yet. Run 'Compute coreset scores' first.")
        return None
    choose(inputs, "brain_key", {run: run for run in runs}, default=runs[-1], label="Coreset run")
    return chosen_run(ctx)


def chosen_run(ctx: Any) -> str:
    """The run named in the parameters, else the latest.

    Raises:
        CoresetError: if the dataset has no coreset run
    """
    runs = list_runs(ctx.dataset)
    if not runs:
        raise CoresetError(f"dataset '{ctx.dataset.name}' has no coreset run; run 'Compute coreset scores' first")
    return ctx.params.get("brain_key") or runs[-1]


def target_rows(ctx: Any) -> fo.core.collections.SampleCollection:
    """The collection the operator is to work on: the chosen view, as patches if objects were chosen."""
    rows = ctx.params.get("rows") or IMAGES
    samples = ctx.target_view()
    return samples if rows == IMAGES else samples.to_patches(rows)


def object_fields(dataset: fo.Dataset) -> list[str]:
    """Label fields that hold several objects an image."""
    schema = dataset.get_field_schema(ftype=fo.EmbeddedDocumentField)
    return [name for name, field in schema.items() if field.document_type in (fo.Detections, fo.Polylines)]


def vector_fields(ctx: Any) -> list[str]:
    """Fields that hold embeddings of the chosen rows."""
    rows = ctx.params.get("rows") or IMAGES
    prefix = "" if rows == IMAGES else f"{ctx.dataset._get_label_field_path(rows)[1]}."
    schema = ctx.dataset.get_field_schema(flat=True)
    vectors = [
        path
        for path, field in schema.items()
        if isinstance(field, fo.VectorField)
        or (isinstance(field, fo.ListField) and isinstance(field.field, fo.FloatField))
    ]
    names = [path.removeprefix(prefix) for path in vectors if path.startswith(prefix)]
    return [name for name in names if "." not in name and not name.endswith("_xy")]


def label_fields(ctx: Any) -> list[str]:
    """Fields that hold one label for each of the chosen rows."""
    if (ctx.params.get("rows") or IMAGES) != IMAGES:
        return ["label"]
    schema = ctx.dataset.get_field_schema(ftype=fo.EmbeddedDocumentField)
    labels = [name for name, field in schema.items() if field.document_type is fo.Classification]
    strings = ctx.dataset.get_field_schema(ftype=fo.StringField)
    return labels + [name for name in strings if name != "filepath"]


def default_embeddings(vectors: list[str]) -> str:
    """The embeddings field to suggest."""
    return DEFAULT_EMBEDDINGS if DEFAULT_EMBEDDINGS in vectors or not vectors else vectors[0]


def chosen_embeddings(ctx: Any) -> list[str]:
    """The embeddings fields in the parameters, else the suggested one."""
    given = ctx.params.get("embeddings") or default_embeddings(vector_fields(ctx))
    names = given.split(",") if isinstance(given, str) else given
    return [name.strip() for name in names if name.strip()]


def check_embeddings(ctx: Any) -> None:
    """Refuses fields that do not exist.

    Raises:
        CoresetError: with the fields there are
    """
    known = vector_fields(ctx)
    for field in chosen_embeddings(ctx):
        if field not in known:
            remedy = f"choose from: {', '.join(known)}" if known else "run 'Compute CLIP embeddings' first"
            raise CoresetError(f"'{field}' is not an embeddings field of this dataset; {remedy}")
