"""Operator: stop a computation; the Cancel button beside its progress calls it."""

from __future__ import annotations

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.door import Line, Parameters
from ..plugin.errors import CoresetError
from .operator import Answer, CoresetOperator
from .streaming import cancel


class Params(Parameters):
    """What to stop."""

    job: Line = Field(title="Computation")


class CancelComputation(CoresetOperator[Params]):
    """Stops a computation that was started in the App."""

    name, label = "cancel_computation", "Cancel a computation"
    description = "Stop a computation that was started in the App"
    risk_level = types.RiskLevel.LOW
    params = Params
    unlisted = True

    def fill(self, form):
        form.text("job")

    def work(self, ctx, params, progress):
        if not cancel(params.job):
            raise CoresetError("This computation has ended already.")
        return Answer("The computation stops at its next step.")

    def resolve_output(self, ctx):
        return None  # the computation itself shows how it ended
