"""Operator: embed images with CLIP."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..plugin.errors import CoresetError
from ..plugin.requirements import require
from . import forms
from .configs import operator_config
from .streaming import run_with_progress

#: Offered first; any open_clip name can be typed.
_MODELS = ["ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-B-16-SigLIP", "coreset-mini"]
_DEFAULT_MODEL = "ViT-B-32"
_NEEDS = ("torch", "open_clip")


class ComputeEmbeddings(foo.Operator):
    """Embeds the images, or objects, of a view."""

    @property
    def config(self):
        return operator_config(
            "compute_embeddings",
            "Compute CLIP embeddings",
            "Embed images or objects with a CLIP model; only what is missing is computed",
            types.RiskLevel.MEDIUM,
            long_running=True,
        )

    def resolve_input(self, ctx):
        inputs = types.Object()
        ctx.target_view()  # adds the choice of the target view to the form
        forms.choose_rows(ctx, inputs)
        forms.suggest(
            inputs, "model", _MODELS, _DEFAULT_MODEL, label="CLIP model",
            description="Any open_clip or hf-hub: model. 'coreset-mini' needs no download, but is only a demo model.",
        )  # fmt: skip
        forms.suggest(
            inputs, "embeddings_field", forms.vector_fields(ctx), forms.DEFAULT_EMBEDDINGS, label="Embeddings field",
            description="Vectors that are there already are kept, unless you overwrite them",
        )  # fmt: skip
        inputs.bool("overwrite", default=False, label="Overwrite", description="Compute all vectors again")
        inputs.bool("advanced", default=False, label="Advanced settings", view=types.SwitchView())
        if ctx.params.get("advanced"):
            inputs.str("pretrained", label="Pretrained tag", description="By default the model's usual tag")
            inputs.str("checkpoint", label="Checkpoint file", description="Local weights of the model; no download")
            inputs.int("batch_size", min=1, label="Batch size", description="By default chosen from the device")
            inputs.int("num_workers", min=0, label="Decoding workers")
            inputs.str("tag_failures", label="Tag failures with", description="e.g. 'no-embedding'")
        try:
            require(_NEEDS)
        except CoresetError as error:
            forms.refuse(inputs, str(error))
        return types.Property(inputs, view=types.View(label="Compute CLIP embeddings"))

    def execute(self, ctx):
        return run_with_progress(ctx, lambda report: _compute(ctx, report))


def _compute(ctx: Any, report: Any) -> str:
    from ..plugin.embeddings.compute import compute_embeddings

    require(_NEEDS)
    given = {
        name: ctx.params[name]
        for name in ("pretrained", "checkpoint", "batch_size", "num_workers", "tag_failures")
        if ctx.params.get(name) not in (None, "")
    }
    outcome = compute_embeddings(
        forms.target_rows(ctx),
        embeddings_field=ctx.params.get("embeddings_field") or forms.DEFAULT_EMBEDDINGS,
        model=ctx.params.get("model") or _DEFAULT_MODEL,
        overwrite=bool(ctx.params.get("overwrite")),
        progress=report,
        **given,
    )
    return str(outcome)
