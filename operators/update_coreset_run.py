"""Operator: take what came to a dataset into a run's ranking."""

from __future__ import annotations

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.door import Parameters, RunName
from ..plugin.request import dataset_of
from ..plugin.runs.load import load_run
from .form import chosen_run
from .operator import Answer, CoresetOperator

#: Images of the view that opens; it names them in their order, so it stays short.
_MOST_SHOWN = 1_000


class Params(Parameters):
    """Which run, and whether to show what was added."""

    brain_key: RunName | None = Field(None, title="Coreset run")
    show: bool = Field(True, title="Then show what was added, best first")


class UpdateCoresetRun(CoresetOperator[Params]):
    """Ranks what was added to a dataset behind what a run ranked."""

    name, label = "update_coreset_run", "Update coreset run"
    description = "Rank what was added since a run behind what is there, and let go what was deleted"
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    long_running = True
    cancelled = "The run is as it was."
    answers = (("added", "Added"), ("new", "New"), ("removed", "Let go"))

    def fill(self, form):
        key = form.run()
        form.tick("show")
        if key is not None:
            form.check(lambda: form.say("since", load_run(form.dataset, key).changes() or "Nothing changed since."))

    def work(self, ctx, params, progress):
        from ..plugin.runs.update import update_coreset

        dataset = dataset_of(ctx)
        done = update_coreset(dataset, chosen_run(dataset, params.brain_key), progress=progress)
        facts = {
            "brain_key": done.results.key,
            "added": len(done.ids),
            "removed": done.removed,
            **{kind.replace("-", "_"): done.kinds.count(kind) for kind in ("new", "look-alike", "near-copy")},
            "without_embedding": done.without_embedding,
        }
        steps = [ctx.ops.reload_dataset()]
        if params.show and done.ids:
            steps.append(ctx.ops.set_view(view=done.view().limit(_MOST_SHOWN)))
        return Answer(done.summary(), facts, steps)

    def run_name(self, params):
        return f"update of '{params.brain_key}'" if params.brain_key else self.label
