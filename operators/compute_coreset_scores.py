"""Operator: rank images by how much they are worth keeping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import fiftyone.operators.types as types
from pydantic import Field, field_validator

from ..plugin.dataset.embeddings import dimension_of
from ..plugin.dataset.rows import FRAMES, IN_FRAMES, rows_of
from ..plugin.door import FieldPath, RunName, Seed, ViewName
from ..plugin.errors import CoresetError
from ..plugin.requirements import require
from ..plugin.runs.compute import compute_coreset
from ..plugin.runs.load import list_runs
from ..plugin.selection.cost import USUAL_DIMENSIONS, expected_cost
from ..plugin.selection.registry import get_method, list_methods
from . import class_texts_form, constraints_form
from .form import (
    DEFAULT_KEY,
    EmbeddedRows,
    Form,
    chosen_embeddings,
    chosen_rows,
    label_fields,
    require_free,
    target_rows,
    with_options,
)
from .operator import Answer, CoresetOperator

if TYPE_CHECKING:
    from ..plugin.results import CoresetResults
    from ..plugin.selection.method import Method, Option

_PROJECTIONS = {"umap": "UMAP", "pca": "PCA (fast)", "none": "None"}


#: Arguments without which some methods do not work, and which the form asks for.
_ASKED = {"score", "target"}


class Params(class_texts_form.Texts, constraints_form.Constraints, EmbeddedRows):
    """What is ranked, how, and what the run is called."""

    method: str = Field("auto", max_length=100, title="Method", description="How to rank")
    target: ViewName | None = Field(
        None, title="Target", description="A saved view of images as they will be met, e.g. in deployment"
    )
    score: FieldPath | None = Field(None, title="Ranked by", description="A field of numbers, the highest first")
    label_field: FieldPath | None = Field(None, title="Label field")
    constrained: bool = Field(False, title="Keep, leave out, balance")
    brain_key: RunName = Field(DEFAULT_KEY, title="Name of the run")
    overwrite: bool = Field(False, title="Overwrite a run of this name")
    advanced: bool = Field(False, title="Advanced settings")
    projection: Literal["umap", "pca", "none"] = Field("umap", title="Map")
    seed: Seed = Field(0, title="Seed", description="The same seed gives the same ranking")

    @field_validator("method")
    @classmethod
    def _is_offered(cls, method: str) -> str:
        if method not in methods():
            raise CoresetError(f"there is no method '{method}' here; choose from {', '.join(methods())}")
        return method


def methods() -> dict[str, str]:
    """The methods that rank a whole dataset with nothing but what the form asks for."""
    return {
        name: f"{name}: {description}"
        for name, description in list_methods().items()
        if get_method(name).nested and _ASKED.issuperset(get_method(name).required) and not get_method(name).needs_model
    }


def params_of_all_methods() -> type[Params]:
    """The parameters with the options of every method; what a method takes of them, it says itself."""
    return with_options(Params, (option for name in methods() for option in get_method(name).options.items()))


class ComputeCoresetScores(CoresetOperator[Params]):
    """Ranks the images, or objects, of a view."""

    name, label = "compute_coreset_scores", "Compute coreset scores"
    description = "Rank images or objects by how much they are worth labelling and training on"
    risk_level = types.RiskLevel.MEDIUM
    params = params_of_all_methods()
    long_running = True
    answers = (("brain_key", "Run"), ("ranked", "Ranked"), ("left_out", "Left out"))

    def fill(self, form):
        form.rows()
        form.embeddings(description="Several fields, separated by commas, are balanced and concatenated")
        form.choose("method", methods())
        method = get_method(form.params.method)
        agree, optional = (
            "The labels that images are to agree with",
            "Optional: lets reports say which classes a coreset keeps",
        )
        rows = chosen_rows(form.dataset, form.params)
        labels = label_fields(form.dataset, rows)
        form.suggest("label_field", labels, description=agree if method.needs_text else optional)
        if method.needs_text:
            class_texts_form.add_inputs(form)
        if "score" in method.required:
            form.suggest("score", constraints_form.number_fields(form.dataset, rows), required=True)
        if "target" in method.required:
            views = form.dataset.list_saved_views()
            form.choose("target", {name: name for name in views}, required=True)
        _ask_options(form, method, advanced=False)
        form.switch("constrained")
        if form.params.constrained:
            constraints_form.add_inputs(form)
        form.text("brain_key")
        form.tick("overwrite")
        form.switch("advanced")
        if form.params.advanced:
            form.choose("projection", _PROJECTIONS)
            form.whole_number("seed")
            _ask_options(form, method, advanced=True)
        form.check(lambda: _check(form.dataset, form.params), lambda: _tell_cost(form))

    def work(self, ctx, params, progress):
        _check(ctx.dataset, params)
        results = compute_coreset(
            target_rows(ctx, params),
            embeddings=chosen_embeddings(ctx.dataset, params),
            brain_key=params.brain_key,
            method=params.method,
            label_field=params.label_field,
            projection=None if params.projection == "none" else params.projection,
            seed=params.seed,
            overwrite=params.overwrite,
            progress=progress,
            **_method_arguments(ctx.dataset, params),
            **constraints_form.arguments(params),
        )
        config = results.config
        facts = {
            "brain_key": results.key,
            "method": config.method,
            "ranked": len(results),
            "left_out": config.n_unranked or 0,
            "reliability": config.reliability,
            "fields": config.build().get_fields(ctx.dataset, results.key),
            "facts": config.facts,
        }
        return Answer(summary(results), facts)

    def run_name(self, params):
        on = " + ".join(params.embeddings) if params.embeddings else "embeddings"
        return f"{params.method} on {on} as '{params.brain_key}'"


def summary(results: CoresetResults) -> str:
    """What a run ranked and left out, how reliable it is, and what the method read from the images."""
    config = results.config
    sentences = [f"Ranked {len(results):,} by {config.method} as run '{results.key}'."]
    facts = config.facts
    left_out = {"a usable embedding": config.n_missing, "a label": facts.get("n_unlabelled", 0)}
    sentences += [f"{count:,} without {lack} were left out." for lack, count in left_out.items() if count]
    if config.reliability is not None:
        sentences.append(f"Reliability {config.reliability:.2f}.")
    settled = facts.get("agreement", {})
    if settled.get("measure") == "overlap":
        sentences.append(f"Another seed would keep {settled['reached']:.0%} of the same at the sizes asked for.")
    if facts.get("why"):
        sentences.append(f"{facts['why'][:1].upper()}{facts['why'][1:]}.")
    return " ".join(sentences)


def _method_arguments(dataset: Any, params: Params) -> dict[str, Any]:
    method = get_method(params.method)
    chosen = {
        name: getattr(params, name) or method.parameters[name].default
        for name, option in method.options.items()
        if not _replaced(params, option)
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    if "score" in method.required:
        given["score"] = params.score
    if "target" in method.required:
        given["target"] = dataset.load_saved_view(params.target)
    return class_texts_form.arguments(params) | given if method.needs_text else given


def _ask_options(form: Form[Params], method: Method, advanced: bool) -> None:
    for name, option in method.options.items():
        if option.advanced == advanced and not _replaced(form.params, option):
            form.option(name, option, method.parameters[name].default)


def _replaced(params: Params, option: Option) -> bool:
    return option.unless is not None and bool(getattr(params, option.unless))


def _tell_cost(form: Form[Params]) -> None:
    """Says what the ranking is expected to take, where that was measured."""
    names = chosen_embeddings(form.dataset, form.params)
    rows = rows_of(target_rows(form.ctx, form.params), names)
    of_frames = rows.patches_field == FRAMES and not rows.samples._is_frames
    n = rows.samples.count(f"{IN_FRAMES}id" if of_frames else "id")
    cost = expected_cost(form.params.method, n, dimension_of(rows, names[0]) or USUAL_DIMENSIONS)
    if cost is not None:
        form.say("cost", f"Ranking {n:,} is expected to take {cost}")


def _check(dataset: Any, params: Params) -> None:
    """Refuses what cannot work, before anything is read."""
    embeddings = chosen_embeddings(dataset, params)
    require_free("run", params.brain_key, list_runs(dataset), params.overwrite)
    method = get_method(params.method)
    if method.needs_text:
        class_texts_form.check(dataset, params, embeddings)
    if "target" in method.required and params.target not in dataset.list_saved_views():
        raise CoresetError(
            f"'Target' must be a saved view of this dataset for method '{method.name}', got {params.target!r}"
            if params.target
            else f"method '{method.name}' needs a target; choose a saved view of images as they will be met"
        )
    if "score" in method.required:
        constraints_form.require_field(dataset, chosen_rows(dataset, params), "Ranked by", params.score)
    constraints_form.check(dataset, params)
    require(("umap", "numba", "sklearn"))
