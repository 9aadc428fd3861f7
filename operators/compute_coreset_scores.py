"""Operator: rank images by how much they are worth keeping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..plugin.errors import CoresetError
from ..plugin.requirements import require
from ..plugin.runs.compute import compute_coreset
from ..plugin.runs.load import list_runs
from ..plugin.selection.method import Method
from ..plugin.selection.registry import get_method, list_methods
from . import class_texts_form, forms
from .configs import operator_config
from .streaming import run_with_progress

if TYPE_CHECKING:
    from ..plugin.results import CoresetResults

_DEFAULT_METHOD = "auto"
_PROJECTIONS = {"umap": "UMAP", "pca": "PCA (fast)", "none": "None"}


class ComputeCoresetScores(foo.Operator):
    """Ranks the images, or objects, of a view."""

    @property
    def config(self):
        return operator_config(
            "compute_coreset_scores",
            "Compute coreset scores",
            "Rank images or objects by how much they are worth labelling and training on",
            types.RiskLevel.MEDIUM,
            long_running=True,
        )

    def resolve_input(self, ctx):
        inputs = types.Object()
        ctx.target_view()  # adds the choice of the target view to the form
        forms.choose_rows(ctx, inputs)
        vectors = forms.vector_fields(ctx)
        forms.suggest(
            inputs, "embeddings", vectors, forms.default_embeddings(vectors), label="Embeddings field",
            description="Several fields, separated by commas, are balanced and concatenated",
        )  # fmt: skip
        forms.choose(inputs, "method", _methods(), _DEFAULT_METHOD, label="Method", description="How to rank")
        method = _method(ctx)
        forms.suggest(
            inputs, "label_field", forms.label_fields(ctx), None, label="Label field",
            description="The labels that images are to agree with" if method.needs_text
            else "Optional: lets reports say which classes a coreset keeps",
        )  # fmt: skip
        checks = [forms.check_embeddings, _check_key, lambda _: require(("umap", "numba", "sklearn"))]
        if method.needs_text:
            checks.append(_check_class_texts)
            class_texts_form.add_inputs(ctx, inputs)
        _ask_options(inputs, method, advanced=False)
        inputs.str("brain_key", default=forms.DEFAULT_KEY, label="Name of the run")
        inputs.bool("overwrite", default=False, label="Overwrite a run of this name")
        inputs.bool("advanced", default=False, label="Advanced settings", view=types.SwitchView())
        if ctx.params.get("advanced"):
            forms.choose(inputs, "projection", _PROJECTIONS, "umap", label="Map")
            inputs.int("seed", default=0, label="Seed", description="The same seed gives the same ranking")
            _ask_options(inputs, method, advanced=True)
        for check in checks:
            try:
                check(ctx)
            except CoresetError as error:
                forms.refuse(inputs, str(error))
                break
        return types.Property(inputs, view=types.View(label="Compute coreset scores"))

    def execute(self, ctx):
        return run_with_progress(ctx, lambda report: _compute(ctx, report))


def _compute(ctx: Any, report: Any) -> str:
    params = ctx.params
    projection = params.get("projection") or "umap"
    results = compute_coreset(
        forms.target_rows(ctx),
        embeddings=forms.chosen_embeddings(ctx),
        brain_key=params.get("brain_key") or forms.DEFAULT_KEY,
        method=_method(ctx).name,
        label_field=params.get("label_field") or None,
        projection=None if projection == "none" else projection,
        seed=params.get("seed") or 0,
        overwrite=bool(params.get("overwrite")),
        progress=report,
        **_method_arguments(ctx),
    )
    return summary(results)


def summary(results: CoresetResults) -> str:
    """What a run ranked and left out, how reliable it is, and what the method read from the images."""
    config = results.config
    sentences = [f"Ranked {len(results):,} by {config.method} as run '{results.key}'."]
    facts = config.facts
    left_out = {"a usable embedding": config.n_missing, "a label": facts.get("n_unlabelled", 0)}
    sentences += [f"{count:,} without {lack} were left out." for lack, count in left_out.items() if count]
    if config.reliability is not None:
        sentences.append(f"Reliability {config.reliability:.2f}.")
    if facts.get("why"):
        sentences.append(f"{facts['why'][:1].upper()}{facts['why'][1:]}.")
    return " ".join(sentences)


def _method_arguments(ctx: Any) -> dict[str, Any]:
    method = _method(ctx)
    chosen = {name: ctx.params.get(name) or method.parameters[name].default for name in method.options}
    given = {name: value for name, value in chosen.items() if value is not None}
    return class_texts_form.arguments(ctx) | given if method.needs_text else given


def _ask_options(inputs: types.Object, method: Method, advanced: bool) -> None:
    for name, option in method.options.items():
        if option.advanced == advanced:
            forms.ask_option(inputs, name, option, method.parameters[name].default)


def _method(ctx: Any) -> Method:
    return get_method(ctx.params.get("method") or _DEFAULT_METHOD)


def _methods() -> dict[str, str]:
    """The methods that rank a whole dataset with nothing but what the form asks for."""
    return {
        name: f"{name}: {description}"
        for name, description in list_methods().items()
        if get_method(name).nested and not get_method(name).required
    }


def _check_class_texts(ctx: Any) -> None:
    class_texts_form.check(ctx, forms.chosen_embeddings(ctx))


def _check_key(ctx: Any) -> None:
    key = ctx.params.get("brain_key") or forms.DEFAULT_KEY
    if not key.isidentifier():
        raise CoresetError(f"'{key}' must be a valid variable name, e.g. 'coreset'")
    if key in list_runs(ctx.dataset):
        if not ctx.params.get("overwrite"):
            raise CoresetError(f"run '{key}' exists; choose another name or tick 'Overwrite'")
    elif key in ctx.dataset.list_brain_runs():
        raise CoresetError(f"'{key}' names a brain run of another type; choose another name")
