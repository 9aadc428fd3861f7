"""Operator: embed images with CLIP."""

from __future__ import annotations

import time
from typing import Any

import fiftyone.operators.types as types
from pydantic import Field, field_validator

from ..plugin.door import Line, NewField, Tag
from ..plugin.errors import CoresetError
from ..plugin.requirements import require
from .form import DEFAULT_EMBEDDINGS, Rows, target_rows, vector_fields
from .operator import Answer, CoresetOperator

#: Offered first; any name of open_clip or of FiftyOne's model zoo can be typed.
_MODELS = [
    "ViT-B-32",
    "ViT-B-16",
    "ViT-L-14",
    "ViT-B-16-SigLIP",
    "coreset-mini",
    "dinov2-vits14-torch",
    "clip-vit-base32-torch",
    "resnet50-imagenet-torch",
]
_NEEDS = ("torch", "open_clip")

#: Failures that a result names; the others are counted.
_NAMED_FAILURES = 100

#: Seconds for which the hub's silence is remembered: a form is resolved at every key.
_REMEMBERED = 60.0

_NO_HUB = (
    "The model hub does not answer. A model that was downloaded before still loads; 'coreset-mini', which is part of "
    "this plugin, needs no download."
)


class Params(Rows):
    """Which images, by which model, into which field."""

    model: Line = Field(
        "ViT-B-32", title="CLIP model",
        description="Any open_clip or hf-hub: model, or one of FiftyOne's zoo that gives embeddings. 'coreset-mini' "
        "needs no download, but is only a demo model.",
    )  # fmt: skip
    embeddings_field: NewField = Field(
        DEFAULT_EMBEDDINGS, title="Embeddings field",
        description="Vectors that are there already are kept, unless you overwrite them",
    )  # fmt: skip
    overwrite: bool = Field(False, title="Overwrite", description="Compute all vectors again")
    advanced: bool = Field(False, title="Advanced settings")
    pretrained: Line | None = Field(None, title="Pretrained tag", description="By default the model's usual tag")
    batch_size: int | None = Field(
        None, ge=1, le=8_192, title="Batch size", description="By default chosen from the device"
    )
    num_workers: int | None = Field(None, ge=0, le=64, title="Decoding workers")
    tag_failures: Tag | None = Field(None, title="Tag failures with", description="e.g. 'no-embedding'")
    checkpoint: Any = Field(None, title="Checkpoint file")

    @field_validator("checkpoint")
    @classmethod
    def _only_in_python(cls, value: Any) -> None:
        # Whoever could name a file here would learn whether it exists, and its hash.
        raise CoresetError(
            "a checkpoint file is given in Python only: fiftyone_coreset.compute_embeddings(dataset, checkpoint=...)"
        )


class ComputeEmbeddings(CoresetOperator[Params]):
    """Embeds the images, or objects, of a view."""

    name, label = "compute_embeddings", "Compute CLIP embeddings"
    description = "Embed images or objects with a CLIP model; only what is missing is computed"
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    long_running = True
    cancelled = "What was embedded is kept; execute it again to go on."
    answers = (
        ("embeddings_field", "Field"),
        ("embedded", "Embedded"),
        ("present", "Embedded before"),
        ("failed", "Failed"),
    )

    def fill(self, form):
        form.rows()
        form.suggest("model", _MODELS)
        form.suggest("embeddings_field", vector_fields(form.dataset, form.params.rows))
        form.tick("overwrite")
        form.switch("advanced")
        if form.params.advanced:
            form.text("pretrained")
            form.whole_number("batch_size")
            form.whole_number("num_workers")
            form.text("tag_failures")
        form.check(lambda: require(_NEEDS))
        if form.params.model != "coreset-mini" and not _hub_answers():
            form.say("no_hub", "No model hub", _NO_HUB, warning=True)

    def work(self, ctx, params, progress):
        from ..plugin.embeddings.compute import compute_embeddings

        require(_NEEDS)
        report = compute_embeddings(
            target_rows(ctx, params),
            embeddings_field=params.embeddings_field,
            model=params.model,
            pretrained=params.pretrained,
            batch_size=params.batch_size,
            num_workers=params.num_workers,
            overwrite=params.overwrite,
            progress=progress,
            tag_failures=params.tag_failures,
        )
        named = report.failures[:_NAMED_FAILURES]
        facts = {
            "embeddings_field": params.embeddings_field,
            "path": report.field,
            "model": report.model,
            "total": report.total,
            "embedded": report.n_embedded,
            "present": report.n_present,
            "failed": report.n_failed,
            "failures": [{"id": one.id, "kind": one.outcome.value, "reason": one.reason} for one in named],
        }
        return Answer(str(report), facts)

    def run_name(self, params):
        return f"{params.model} into {params.embeddings_field}"


_heard: dict[str, float | bool] = {}


def _hub_answers() -> bool:
    """Whether models can be downloaded; asked once a minute."""
    from huggingface_hub import constants

    from ..plugin.embeddings.clip import hub_answers

    now = time.monotonic()
    if now - _heard.get("at", -_REMEMBERED) >= _REMEMBERED:
        _heard.update(answers=hub_answers(constants.ENDPOINT), at=now)
    return bool(_heard["answers"])
