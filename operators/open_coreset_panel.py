"""Operator: open the panel from the operator browser, which the keyboard reaches."""

from __future__ import annotations

import fiftyone.operators.types as types

from ..plugin.door import Parameters
from .operator import Answer, CoresetOperator


class OpenCoresetPanel(CoresetOperator[Parameters]):
    """Opens the Coreset panel beside the grid."""

    name, label = "open_coreset_panel", "Open the Coreset panel"
    description = "See on a map what a coreset keeps, covers and leaves out"
    risk_level = types.RiskLevel.LOW
    params = Parameters

    @property
    def config(self):
        config = super().config
        config.dynamic = False  # or the App waits for a form
        return config

    def work(self, ctx, params, progress):
        ctx.ops.open_panel("coreset", layout="horizontal")
        return Answer("The Coreset panel is open.")

    def resolve_input(self, ctx):
        return None  # nothing to ask

    def resolve_output(self, ctx):
        return None  # the panel itself is the answer
