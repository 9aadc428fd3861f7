"""Operator: take the fingerprints by which near-copies are told."""

from __future__ import annotations

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.door import Tag
from .form import Rows, target_rows
from .operator import Answer, CoresetOperator

#: Failures that a result names; the others are counted.
_NAMED_FAILURES = 100


class Params(Rows):
    """Which images."""

    overwrite: bool = Field(
        False, title="Overwrite", description="Take all fingerprints again, e.g. because files changed"
    )
    num_workers: int | None = Field(None, ge=0, le=64, title="Decoding workers")
    tag_failures: Tag | None = Field(None, title="Tag failures with", description="e.g. 'no-fingerprint'")


class ComputeFingerprints(CoresetOperator[Params]):
    """Takes fingerprints of the images, or objects, of a view whose embeddings came from elsewhere."""

    name, label = "compute_fingerprints", "Compute fingerprints"
    description = "Take 256 bytes of every image, by which near-copies are told from look-alikes"
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    long_running = True
    answers = (("taken", "Taken"), ("present", "Taken before"), ("failed", "Failed"))

    def fill(self, form):
        form.rows()
        form.tick("overwrite")
        form.whole_number("num_workers")
        form.text("tag_failures")

    def work(self, ctx, params, progress):
        from ..plugin.embeddings.compute_fingerprints import compute_fingerprints

        report = compute_fingerprints(
            target_rows(ctx, params),
            num_workers=params.num_workers,
            overwrite=params.overwrite,
            progress=progress,
            tag_failures=params.tag_failures,
        )
        named = report.failures[:_NAMED_FAILURES]
        facts = {
            "path": report.field,
            "total": report.total,
            "taken": report.n_embedded,
            "present": report.n_present,
            "failed": report.n_failed,
            "failures": [{"id": one.id, "kind": one.outcome.value, "reason": one.reason} for one in named],
        }
        return Answer(str(report), facts)

    def run_name(self, params):
        return "fingerprints"
