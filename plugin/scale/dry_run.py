"""``--dry-run``: what the steps of a run would need, for a pool and machines that are described; no data is touched."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..errors import CoresetError
from ..selection.budget import resolve_budget
from .forecast import Forecast, Machines, duration, size
from .model import Size, embed_need, import_need, plan_need, score_need, select_need
from .scoring import DRAWS_PER_ROW
from .selecting import BY_CELLS, SCORED


@dataclass(frozen=True, repr=False)
class DryRun:
    """What the steps of a run would need.

    Attributes:
        size: how large it is
        machines: where it would be worked on
        steps: what each step needs, by its name
        remarks: how a step is to be called so that it fits, or that it does not fit
    """

    size: Size
    machines: Machines
    steps: dict[str, Forecast]
    remarks: list[str]

    @property
    def total(self) -> Forecast:
        """One step after the other, with all that they write kept."""
        needs = self.steps.values()
        cost = None if self.machines.price is None else sum(need.cost or 0.0 for need in needs)
        sums = sum(need.seconds for need in needs), max(need.memory for need in needs)
        return Forecast(*sums, sum(need.storage for need in needs), cost)

    def __str__(self) -> str:
        lines = [f"{self.size.rows:,} rows of {self.size.dimension:,} numbers, on {self.machines}"]
        priced = self.machines.price is not None
        lines.append(f"{'step':8}{'time':>8}{'memory':>11}{'storage':>11}{'cost':>12}" if priced else _HEAD)
        for name, need in {**self.steps, "all": self.total}.items():
            line = f"{name:8}{duration(need.seconds):>8}{size(need.memory):>11}{size(need.storage):>11}"
            lines.append(line + (f"{need.cost:>12,.2f}" if need.cost is not None else ""))
        return "\n".join([*lines, *self.remarks])

    __repr__ = __str__


_HEAD = f"{'step':8}{'time':>8}{'memory':>11}{'storage':>11}"


def dry_run(
    rows: int,
    dimension: int,
    machines: Machines | None = None,
    *,
    vectors: bool = False,
    rows_per_unit: int = 10_000,
    n_draws: int | None = None,
    n_units: int | None = None,
    column_bits: int = 32,
    method: str = "facility_location",
    keep: int | float | str = "10%",
    rows_per_cell: int = 200_000,
) -> DryRun:
    """Says what the steps of a run would need, in a moment and without data.

    The sums rest on what was measured (docs/scale.md), so they are rough, and rougher the larger the run is. ``score``
    is taken to have one worker a machine, with as many threads as fit into its memory.

    Args:
        rows: images or vectors
        dimension: length of a vector
        machines (None): where; this machine by default
        vectors (False): whether vectors are there already, so that ``embed`` copies them
        rows_per_unit (10,000): see :func:`plan`
        n_draws (None): see :func:`score`
        n_units (None): see :func:`score`; by default 8, or one a machine if that is more
        column_bits (32): see :func:`score`
        method ("facility_location"): see :func:`select`
        keep ("10%"): see :func:`select`; they are imported, too
        rows_per_cell (200,000): see :func:`select`

    Returns:
        time, memory, storage and cost of every step

    Raises:
        CoresetError: if a number is out of range, the method does not work on a run, or images are to be embedded and
            ``machines.images_per_second`` is not given

    Examples:
        A billion vectors on 16 machines:

        >>> print(fc.scale.dry_run(10**9, 512, fc.scale.Machines(16, 4, 24, memory=1e12), vectors=True).total)
        about ...
    """
    on = machines or Machines()
    for name, value in (("rows", rows), ("dimension", dimension), ("rows_per_unit", rows_per_unit)):
        if value < 1:
            raise CoresetError(f"{name} must be at least 1, got {value}")
    if method not in (*BY_CELLS, *SCORED):
        raise CoresetError(f"method '{method}' does not work on a run; choose one of {', '.join((*BY_CELLS, *SCORED))}")
    if not vectors and on.images_per_second is None:
        raise CoresetError(
            "images_per_second is not known; say what a worker embeds, or vectors=True if they are there"
        )
    run = Size(rows, dimension, math.ceil(rows / rows_per_unit))
    kept = resolve_budget(keep, rows)
    seconds_per_row = None if vectors or on.images_per_second is None else 1 / on.images_per_second
    drawing = replace(on, workers=1, cores=on.workers * on.threads)
    threads, remarks = drawing.threads, []
    n_draws, n_units = n_draws or DRAWS_PER_ROW * rows, n_units or max(8, on.nodes)
    score = score_need(run, drawing, n_draws, n_units, column_bits)
    while on.memory is not None and score.memory > on.memory and threads > 1:
        threads -= 1
        score = score_need(run, replace(drawing, cores=threads), n_draws, n_units, column_bits)
    if threads < drawing.threads:
        remarks.append(f"score: {threads} threads fit into the memory of a machine; call it with --workers {threads}")
    n_cells = math.ceil(rows / rows_per_cell) if method in BY_CELLS else 0
    steps = {
        "plan": plan_need(rows, run.units, on),
        "embed": embed_need(run, on, seconds_per_row),
        "score": score,
        "select": select_need(run, on, method, kept, n_cells),
        "import": import_need(dimension, kept, on),
    }
    if on.memory is not None:
        remarks += [f"{name} does not fit into memory" for name, need in steps.items() if need.memory > on.memory]
    return DryRun(run, on, steps, remarks)
