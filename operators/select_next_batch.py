"""Operator: select the images to label next."""

from __future__ import annotations

import fiftyone as fo
import fiftyone.operators.types as types
import fiftyone.plugins as fop
from pydantic import Field

from ..plugin.dataset.boxes import holds_boxes
from ..plugin.dataset.predictions import prediction_fields
from ..plugin.dataset.rows import Rows as LibraryRows
from ..plugin.door import FieldPath, Line, Lines, RunName, Seed, Tag
from ..plugin.rounds.anchors import ANCHORS
from ..plugin.rounds.batch import FIRST_METHOD, METHOD, next_batch
from ..plugin.rounds.load import list_campaigns
from ..plugin.rounds.read_model import HEAD
from ..plugin.rounds.standing import describe_standing
from ..plugin.rounds.texts import TEXTS
from ..plugin.selection.registry import list_methods
from .constraints_form import number_fields
from .form import IMAGES, EmbeddedRows, chosen_embeddings, label_fields, target_rows
from .operator import Answer, CoresetOperator
from .rounds_form import DEFAULT_CAMPAIGN

#: Stands for the method that fits the labels there are.
_RECOMMENDED = "recommended"

#: The method that looks for a rare class.
_SEARCH = "seek"

#: FiftyOne's own operator that sends a view to a tool for labelling, and its plugin.
_ANNOTATION, _REQUEST = "@voxel51/annotation", "@voxel51/annotation/request_annotations"

#: Models that need no field of predictions.
_MODELS = {
    HEAD: "A light model on the embeddings",
    TEXTS: "Class names, as the CLIP model of the embeddings reads them; the light model takes over",
}


class Params(EmbeddedRows):
    """What is labelled, who says what is uncertain, and how many."""

    label_field: FieldPath = Field("ground_truth", title="Label field", description="May not exist yet")
    predictions: FieldPath = Field(HEAD, title="Predictions")
    budget: int = Field(100, ge=1, le=1_000_000, title="Images to label")
    classes: Lines | None = Field(
        None, title="Class names", description="For class texts; by default those of the dataset and of the labels"
    )
    method: str = Field(_RECOMMENDED, max_length=100, title="Method")
    brain_key: RunName = Field(DEFAULT_CAMPAIGN, title="Name of the rounds")
    test: Tag = Field("test", title="Tag of test images", description="These are never asked for")
    skip: str = Field("skip, off_topic", max_length=200, title="Tags of images to leave out")
    cost: FieldPath | None = Field(
        None,
        title="Cost of a label",
        description="Optional: a field of minutes or money, or 'boxes' that a detector expects; the number above is "
        "then what may be spent",
    )
    random_share: float = Field(
        0.0, ge=0, lt=1, title="Share drawn at random", description="Shows without bias how good the model is"
    )
    blind: float = Field(
        0.1,
        ge=0,
        lt=1,
        title="Share of images without any predicted box",
        description="The detector is certain of them, and no batch would ever show what it cannot see",
    )
    target_class: Line | None = Field(
        None,
        title="Rare class to look for",
        description="Optional: what most probably shows it comes first, however small the probability",
    )
    anchors: bool = Field(False, title="Only near labelled images: for rare classes in a very large pool")
    balance: bool = Field(False, title="Balance the classes, as the model predicts them")
    preview: bool = Field(False, title="Only show which images it would be")
    annotate: bool = Field(False, title="Then open the form that sends them to a tool for labelling")
    ask_again: bool = Field(False, title="Also what was asked for in recorded rounds and has not come back")
    exclude_test_copies: bool = Field(False, title="Leave out near-duplicates of test images")
    force: bool = Field(False, title="Even if the last batch is not labelled")
    seed: Seed = Field(0, title="Random seed")
    advanced: bool = Field(False, title="Advanced settings")


class SelectNextBatch(CoresetOperator[Params]):
    """Begins a labelling round and opens its batch."""

    name, label = "select_next_batch", "Select next batch"
    description = "Choose the images that are worth labelling next"
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    long_running = True
    answers = (("round", "Round"), ("selected", "To label"), ("view", "Saved view"))

    def resolve_placement(self, ctx):
        if ctx.dataset is None or not list_campaigns(ctx.dataset):
            return None
        return types.Placement(
            types.Places.SAMPLES_GRID_SECONDARY_ACTIONS,
            types.Button(label="Select next batch", icon="/assets/icon.svg", prompt=True),
        )

    def fill(self, form):
        params = form.params
        form.rows()
        form.embeddings()
        form.suggest("label_field", label_fields(form.dataset, params.rows) + _other_fields(form.dataset, params.rows))
        fields = prediction_fields(form.dataset, but=params.label_field)
        form.choose("predictions", _MODELS | fields, default=HEAD)
        if params.predictions == TEXTS:
            form.text("classes")
        form.whole_number("budget")
        rows = LibraryRows(target_rows(form.ctx, params))
        form.say(
            "standing",
            describe_standing(
                rows, params.label_field, params.test, _skip(params), params.predictions, _class_names(params)
            ),
        )
        form.tick("preview")
        if _can_annotate():
            form.tick("annotate")
        form.switch("advanced")
        if params.advanced:
            first = f"Recommended: {METHOD} once two classes are labelled, {FIRST_METHOD} before"
            form.choose("method", {_RECOMMENDED: first} | {name: name for name in list_methods()}, default=_RECOMMENDED)
            form.text("brain_key")
            form.text("test")
            form.text("skip")
            form.suggest("cost", number_fields(form.dataset, params.rows))
            form.number("random_share")
            if holds_boxes(rows, params.predictions):
                form.number("blind")
            form.text("target_class")
            form.tick("anchors")
            form.tick("balance")
            form.tick("ask_again")
            form.tick("exclude_test_copies")
            form.tick("force")
            form.whole_number("seed")
        form.check(lambda: chosen_embeddings(form.dataset, params))

    def work(self, ctx, params, progress):
        batch = next_batch(
            target_rows(ctx, params),
            params.budget,
            params.brain_key,
            params.label_field,
            chosen_embeddings(ctx.dataset, params),
            params.predictions,
            method=_method(params),
            test=params.test,
            skip=_skip(params),
            cost=params.cost,
            random_share=params.random_share,
            blind=params.blind,
            classes=_class_names(params),
            pool=ANCHORS if params.anchors else "all",
            balance=params.balance,
            preview=params.preview,
            ask_again=params.ask_again,
            exclude_test_copies=params.exclude_test_copies,
            force=params.force,
            seed=params.seed,
            progress=progress,
            **({} if params.target_class is None else {"target_class": params.target_class}),
        )
        facts = {
            "brain_key": params.brain_key,
            "round": batch.number,
            "selected": len(batch),
            "view": None if batch.is_preview else batch.name,
            "labelled": batch.labelled,
        }
        steps = [ctx.ops.reload_dataset(), ctx.ops.set_view(view=batch.view)]
        if params.annotate and not batch.is_preview and _can_annotate():
            steps.append(ctx.prompt(_REQUEST))
        what = "Preview, no round was begun" if batch.is_preview else f"Round {batch.number}"
        return Answer(f"{what}: {batch.why}", facts, steps)

    def run_name(self, params):
        return f"next {params.budget:,} to label in '{params.label_field}'"


def _method(params: Params) -> str | None:
    """The method that is named; else the search for a rare class, if there is one; else that of the library."""
    if params.method != _RECOMMENDED:
        return params.method
    return None if params.target_class is None else _SEARCH


def _skip(params: Params) -> list[str]:
    """Tags between commas."""
    return [tag.strip() for tag in params.skip.split(",") if tag.strip()]


def _can_annotate() -> bool:
    """Whether FiftyOne's plugin for annotation is there."""
    return any(plugin.name == _ANNOTATION for plugin in fop.list_plugins())


def _other_fields(dataset: fo.Dataset, rows: str) -> list[str]:
    """Fields of boxes and of numbers, which images can be labelled with."""
    schema = dataset.get_field_schema(ftype=fo.EmbeddedDocumentField) if rows == IMAGES else {}
    return [name for name, field in schema.items() if field.document_type in (fo.Detections, fo.Regression)]


def _class_names(params: Params) -> list[str] | None:
    """The names for class texts, between commas or on lines of their own."""
    text = params.classes if params.predictions == TEXTS else None
    names = [name.strip() for name in (text or "").replace("\n", ",").split(",")]
    return [name for name in names if name] or None
