"""The form of an operator: built from the declaration of its parameters, and checked while a person types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Union

import fiftyone as fo
import fiftyone.operators.types as types
from pydantic import AfterValidator, BeforeValidator, Field, create_model

from ..plugin.dataset.brain_vectors import runs_with_vectors
from ..plugin.dataset.names import require_free_view
from ..plugin.dataset.rows import FRAMES, IN_FRAMES
from ..plugin.dataset.rows import Rows as DatasetRows
from ..plugin.door import FieldPath, P, Parameters, read
from ..plugin.embeddings.sources import named_vectors, object_fields
from ..plugin.errors import CoresetError
from ..plugin.request import dataset_of, target_view
from ..plugin.runs.load import list_runs

if TYPE_CHECKING:
    from ..plugin.selection.method import Option

DEFAULT_EMBEDDINGS = "clip_embeddings"
DEFAULT_KEY = "coreset"

#: Form value that stands for "the images themselves, not objects in them".
IMAGES = "images"


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


#: Several fields: a list, or as typed, separated by commas.
FieldPaths = Annotated[list[FieldPath], BeforeValidator(_split), Field(max_length=16)]


class Rows(Parameters):
    """What an operator works on: the images of the target view, or the objects in them."""

    rows: FieldPath = Field(IMAGES, title="What to use")


class EmbeddedRows(Rows):
    """Images or objects, and the fields of their embeddings."""

    embeddings: FieldPaths | None = Field(None, title="Embeddings field")


def option_type(option: Option) -> Any:
    """The type of what an option takes."""
    if option.choices is not None:
        return Literal[tuple(option.choices)]
    if option.reads is not None:
        return Annotated[list[Annotated[Any, AfterValidator(option.reads)]], BeforeValidator(_split)]
    return Annotated[int, Field(ge=1, le=option.at_most)]


def with_options(kind: type[P], options: Iterable[tuple[str, Option]]) -> type[P]:
    """Adds a parameter for each option, so that an option is declared where its method is and nowhere else.

    Args:
        kind: the parameters without them
        options: names and options, of several methods; a name may come more than once

    Returns:
        a subclass of ``kind`` with None for what is left empty
    """
    fields: dict[str, Any] = {}
    for name, option in options:
        others = fields[name][0] if name in fields else None
        fields[name] = (Union[others, option_type(option)], Field(None, title=option.label))  # noqa: UP007
    return create_model(kind.__name__, __base__=kind, __module__=kind.__module__, __doc__=kind.__doc__, **fields)


class Form(Generic[P]):
    """The inputs of an operator, in the order in which they are added.

    Attributes:
        ctx: the execution context
        params: what the person has filled in so far, with defaults instead of what cannot be used
        problem: one sentence on why the form cannot be executed yet, or None
    """

    def __init__(self, ctx: Any, kind: type[P]):
        self.ctx = ctx
        self.params, self.problem = read(kind, ctx.params)
        self._kind = kind
        self._inputs = types.Object()

    @property
    def dataset(self) -> fo.Dataset:
        """The dataset that is open.

        Raises:
            CoresetError: if none is
        """
        return dataset_of(self.ctx)

    def text(self, name: str, **words: Any) -> None:
        """A line of text."""
        self._inputs.str(name, **self._words(name, words))

    def lines(self, name: str, **words: Any) -> None:
        """Several lines of text."""
        view = types.TextFieldView(componentsProps={"field": {"multiline": True, "maxRows": 12}})
        self.text(name, view=view, **words)

    def whole_number(self, name: str, **words: Any) -> None:
        """A whole number."""
        self._inputs.int(name, **self._words(name, words))

    def number(self, name: str, **words: Any) -> None:
        """A number."""
        self._inputs.float(name, **self._words(name, words))

    def tick(self, name: str, **words: Any) -> None:
        """A box to tick."""
        self._inputs.bool(name, **self._words(name, words))

    def switch(self, name: str) -> None:
        """A switch that shows more of the form."""
        self._inputs.bool(name, **self._words(name, {"view": types.SwitchView()}))

    def choose(self, name: str, choices: Mapping[Any, str], **words: Any) -> None:
        """A dropdown of value -> label."""
        dropdown = types.DropdownView()
        for value, label in choices.items():
            dropdown.add_choice(value, label=label)
        self._inputs.enum(name, dropdown.values(), **self._words(name, {"view": dropdown, **words}))

    def option(self, name: str, option: Option, default: Any) -> None:
        """A dropdown, a list or a whole number, as an option of a method says, which has its own words and default."""
        words = {"label": option.label, "description": option.description, "default": default}
        if option.choices is not None:
            self.choose(name, dict(option.choices), **words)
        elif option.reads is not None:
            self.text(name, **words)
        else:
            self.whole_number(name, **words)

    def suggest(self, name: str, suggestions: Iterable[str], **words: Any) -> None:
        """A line of text that completes from suggestions and takes other values too."""
        view = types.AutocompleteView()
        for value in suggestions:
            view.add_choice(value, label=value)
        self.text(name, view=view, **words)

    def say(self, name: str, label: str, description: str = "", warning: bool = False) -> None:
        """A notice, or a warning."""
        kind = types.Warning if warning else types.Notice
        self._inputs.view(name, kind(label=label, description=description))

    def rows(self) -> None:
        """What to work on: the target view, and its images or the objects of one label field."""
        target_view(self.ctx)  # also adds the choice of the target view to the form
        fields = object_fields(self.dataset)
        if fields:
            self.choose("rows", {IMAGES: "Images"} | {field: f"Objects in '{field}'" for field in fields})

    def embeddings(self, **words: Any) -> None:
        """Where the embeddings of these rows are."""
        vectors = embeddings_of(self.dataset, self.params.rows)  # type: ignore[attr-defined]
        self.suggest("embeddings", vectors, default=default_embeddings(vectors), **words)

    def run(self, runs: list[str] | None = None) -> str | None:
        """A dropdown of coreset runs; refuses when there is none yet.

        Args:
            runs (None): the runs to choose from; all coreset runs by default

        Returns:
            the chosen run, or None
        """
        runs = list_runs(self.dataset) if runs is None else runs
        if not runs:
            self.refuse("This dataset has no coreset run yet. Run 'Compute coreset scores' first.")
            return None
        self.choose("brain_key", {run: run for run in runs}, default=runs[-1])
        return self.params.brain_key or runs[-1]  # type: ignore[attr-defined]

    def refuse(self, problem: str) -> None:
        """Keeps the form from being executed; the first reason is the one that is shown."""
        self.problem = self.problem or problem

    def check(self, *checks: Callable[[], Any]) -> None:
        """Makes checks in turn; the first that fails refuses."""
        try:
            for check in checks:
                check()
        except CoresetError as error:
            self.refuse(str(error))

    def built(self, label: str) -> types.Property:
        """The finished form, with a red notice if it cannot be executed."""
        if self.problem is not None:
            notice = self._inputs.view("refused", types.Error(label="Cannot run yet", description=self.problem))
            notice.invalid = True
            notice.error_message = self.problem  # what callers from Python are told
        return types.Property(self._inputs, view=types.View(label=label))

    def _words(self, name: str, words: dict[str, Any]) -> dict[str, Any]:
        """Label, description and default as the parameter declares them, unless given."""
        field = self._kind.model_fields[name]
        declared = {"label": field.title or name, "description": field.description, "default": field.default}
        return {word: value for word, value in (declared | words).items() if value is not None}


def chosen_run(dataset: fo.Dataset, brain_key: str | None) -> str:
    """The run that is named, else the latest.

    Raises:
        CoresetError: if the dataset has no coreset run
    """
    runs = list_runs(dataset)
    if not runs:
        raise CoresetError(f"dataset '{dataset.name}' has no coreset run; run 'Compute coreset scores' first")
    return brain_key or runs[-1]


def target_rows(ctx: Any, params: Rows) -> fo.core.collections.SampleCollection:
    """The collection to work on: the chosen view, as patches if objects were chosen.

    Raises:
        CoresetError: if there are no such objects
    """
    samples = target_view(ctx)
    if params.rows == IMAGES:
        return samples
    fields = object_fields(ctx.dataset)
    if params.rows not in fields:
        known = f"choose from {', '.join([IMAGES, *fields])}"
        raise CoresetError(f"'{params.rows}' holds no objects of this dataset; {known}")
    return samples.to_patches(params.rows)


def chosen_rows(dataset: fo.Dataset, params: EmbeddedRows) -> str:
    """What is ranked: what was chosen, or the frames of videos where it is their embeddings that are named."""
    named = params.embeddings or [default_embeddings(embeddings_of(dataset, params.rows))]
    return FRAMES if params.rows == IMAGES and all(name.startswith(IN_FRAMES) for name in named) else params.rows


def path_of(dataset: fo.Dataset, rows: str, field: str) -> str:
    """The path of a field of the rows within the dataset."""
    if rows == IMAGES:
        return field
    if rows == FRAMES:
        return f"{IN_FRAMES}{field}"
    if rows not in object_fields(dataset):
        raise CoresetError(f"'{rows}' holds no objects of this dataset")
    return f"{dataset._get_label_field_path(rows)[1]}.{field}"


def embeddings_of(dataset: fo.Dataset, rows: str) -> list[str]:
    """Fields that hold embeddings of the chosen rows, of groups also those of each slice, then brain runs that do."""
    fields = vector_fields(dataset, rows)
    if rows == IMAGES and dataset.media_type == "group":
        fields += [f"{slice_name}.{field}" for slice_name in dataset.group_slices for field in fields]
    return fields + runs_with_vectors(dataset, None if rows == IMAGES else rows)


def vector_fields(dataset: fo.Dataset, rows: str) -> list[str]:
    """Fields that hold embeddings of the chosen rows."""
    return named_vectors(dataset, path_of(dataset, rows, ""))


def label_fields(dataset: fo.Dataset, rows: str) -> list[str]:
    """Fields that hold one label for each of the chosen rows."""
    if rows not in (IMAGES, FRAMES):
        return ["label"]
    schema_of = dataset.get_frame_field_schema if rows == FRAMES else dataset.get_field_schema
    schema = schema_of(ftype=fo.EmbeddedDocumentField)
    labels = [name for name, field in schema.items() if field.document_type is fo.Classification]
    return labels + [name for name in schema_of(ftype=fo.StringField) if name != "filepath"]


def group_fields(dataset: fo.Dataset, rows: str) -> list[str]:
    """Fields by which the chosen rows can be grouped: of one label or of several, and the videos that frames are of."""
    fields = label_fields(dataset, rows)
    if rows == FRAMES:
        return ["sample_id", *fields]
    schema = dataset.get_field_schema(ftype=fo.EmbeddedDocumentField)
    several = (fo.Classifications, fo.Detections, fo.Polylines)
    return fields + [name for name, field in schema.items() if rows == IMAGES and field.document_type in several]


def has_field(dataset: fo.Dataset, rows: str, name: str) -> bool:
    """Whether the chosen rows have a field."""
    path_of(dataset, rows, name)  # refuses rows that there are none of
    return DatasetRows(dataset, None if rows == IMAGES else rows).has(name)


def require_free(what: str, name: str, taken: Iterable[str], overwrite: bool) -> None:
    """Refuses a name that is taken, in the words of the form.

    Raises:
        CoresetError: if it is, unless what has it may be replaced
    """
    if name in taken and not overwrite:
        raise CoresetError(f"{what} '{name}' exists; choose another name or tick 'Overwrite'")


def require_free_view_name(dataset: fo.Dataset, name: str, overwrite: bool) -> None:
    """Refuses the name of a saved view that exists, or whose address in the App is taken.

    Raises:
        CoresetError: if it is
    """
    require_free("a saved view", name, dataset.list_saved_views(), overwrite)
    require_free_view(dataset, name, overwrite)


def default_embeddings(vectors: list[str]) -> str:
    """The embeddings field to suggest."""
    return DEFAULT_EMBEDDINGS if DEFAULT_EMBEDDINGS in vectors or not vectors else vectors[0]


def chosen_embeddings(dataset: fo.Dataset, params: EmbeddedRows) -> list[str]:
    """The embeddings fields and similarity indexes of the parameters, else the suggested one.

    Raises:
        CoresetError: if there is no such field or index; names those there are
    """
    known = embeddings_of(dataset, params.rows)
    chosen = params.embeddings or [default_embeddings(known)]
    for field in chosen:
        if field not in known and not _is_undeclared(dataset, params.rows, field):
            remedy = f"choose from: {', '.join(known)}" if known else "run 'Compute CLIP embeddings' first"
            raise CoresetError(f"'{field}' is not an embeddings field or similarity index of this dataset; {remedy}")
    return chosen


def _is_undeclared(dataset: fo.Dataset, rows: str, name: str) -> bool:
    """Whether objects have an attribute of this name that the dataset does not declare."""
    return rows in object_fields(dataset) and DatasetRows(dataset, rows).has_values(name)
