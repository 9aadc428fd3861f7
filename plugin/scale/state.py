"""``status``: what of a run is there, read from its files alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..embeddings.report import Outcome
from .parts import Stage, footer
from .places import Place, entries
from .run import COLUMNS, EMBEDDINGS, RANKING, SCORE, SCORES, SELECT, ScaleRun
from .store import StorePath


@dataclass(frozen=True, repr=False)
class StageState:
    """What of a stage is there.

    Attributes:
        name: of the stage
        n_parts: parts it has when it is complete
        missing: numbers of the parts that are not there, or are damaged
        outcomes: rows by outcome, of the parts that are there
        stale: what was made before rows were appended to the run, a sentence each
    """

    name: str
    n_parts: int
    missing: list[int]
    outcomes: dict[str, int] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all parts are there, and no row is to be tried again."""
        return not self.missing and not self.outcomes.get(Outcome.UNREADABLE.value)

    def __str__(self) -> str:
        text = f"{self.name}: {self.n_parts - len(self.missing):,} of {self.n_parts:,} parts"
        if self.outcomes:
            text += f", {', '.join(f'{count:,} {outcome}' for outcome, count in self.outcomes.items())}"
        if self.missing:
            text += f"; missing: {', '.join(map(str, self.missing[:5]))}{', …' if len(self.missing) > 5 else ''}"
        return "\n".join([text, *self.stale])

    __repr__ = __str__


def stage_state(
    stage: Stage, numbers: Sequence[int], known: Mapping[int, Mapping[str, int]] | None = None
) -> StageState:
    """Looks at the parts of a stage.

    Args:
        stage: the stage
        numbers: of all its parts
        known (None): rows by outcome of the parts that are known to be there

    Raises:
        CoresetError: if a part belongs to something else
    """
    known = known or {}
    left = [number for number in numbers if number not in known]
    read = zip(left, stage.all_facts(left), strict=True)
    there = {**known, **{number: facts.get("outcomes", {}) for number, facts in read if facts is not None}}
    return _state(stage, numbers, there)


def _state(stage: Stage, numbers: Sequence[int], there: Mapping[int, Mapping[str, int]]) -> StageState:
    """What of a stage is there, by the outcomes of its parts."""
    outcomes: Counter[str] = Counter()
    for of_part in there.values():
        outcomes.update(of_part)
    missing = [number for number in numbers if number not in there]
    return StageState(stage.folder.name, len(numbers), missing, dict(outcomes.most_common()))


def score_state(stage: Stage) -> StageState:
    """Looks at the parts of scores, which come in rounds until they are reliable.

    Args:
        stage: the scores

    Returns:
        the parts of all rounds so far, and of the next one unless the scores are there
    """
    n_units = stage.record["n_units"]
    numbers = [int(path.name[len("part-") : -len(".parquet")]) for path in entries(stage.folder, "part-*.parquet")]
    state = stage_state(stage, range((max(numbers, default=0) // n_units + 1) * n_units))
    if state.missing or footer(stage.folder / SCORES, stage.key) is not None:
        return state
    return replace(state, n_parts=state.n_parts + n_units, missing=[*range(state.n_parts, state.n_parts + n_units)])


@dataclass(frozen=True, repr=False)
class RunState:
    """What of a run is there.

    Attributes:
        folder: of the run
        source: what was listed
        n: rows
        stages: the stages that were begun, in the order of the work
        stale: see :class:`StageState`
    """

    folder: Place
    source: str
    n: int
    stages: list[StageState]
    stale: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([f"{self.folder}: {self.n:,} rows of {self.source}", *map(str, self.stages), *self.stale])

    __repr__ = __str__


def selections(run: ScaleRun) -> dict[str, tuple[Stage, bool]]:
    """The selections of a run that were begun.

    Returns:
        the selection, and whether its ranking is there, by its name

    Raises:
        CoresetError: if a ranking belongs to something else
    """
    folders = [folder for folder in entries(run.folder / SELECT) if Stage.exists(folder)]
    stages = {folder.name: Stage.load(folder) for folder in folders}
    return {name: (stage, footer(stage.folder / RANKING, stage.key) is not None) for name, stage in stages.items()}


def stale(run: ScaleRun) -> list[str]:
    """What was made before rows were appended to a run, a sentence each."""
    folders = [run.folder / SCORE, *(run.scratch / name for name in COLUMNS.values())]
    folders += [stage.folder for stage, _ in selections(run).values()]
    stages = [Stage.load(folder) for folder in folders if Stage.exists(folder)]
    found = [(stage.folder, rows) for stage in stages if (rows := run.rows_before(stage)) is not None]
    return [
        f"{folder} is of the first {rows:,} of {len(run):,} rows; delete it and run its step" for folder, rows in found
    ]


def status(out: str | Path | StorePath) -> RunState:
    """Says what of a run is there; nothing is changed, and other machines may be working on it.

    Args:
        out: the folder of the run

    Returns:
        the stages and their parts

    Raises:
        CoresetError: if no run was planned there, or a part belongs to something else

    Examples:
        While others work::

            print(fc.scale.status("run"))
    """
    run = ScaleRun(out)
    stages = [stage_state(run.manifest, range(run.n_units))]
    folder = run.folder / EMBEDDINGS
    there = Stage.exists(folder)
    if there:
        known = {unit: facts["outcomes"] for unit, facts in enumerate(run.vector_facts) if facts is not None}
        stages.append(_state(run.embeddings, range(run.n_units), known))
    folder = run.folder / SCORE
    if Stage.exists(folder):
        stages.append(score_state(Stage.load(folder)))
    for name, (_, complete) in selections(run).items():
        stages.append(StageState(f"{SELECT} {name}", 1, [] if complete else [0]))
    return RunState(
        run.folder, run.record["source"], len(run), stages, stale(run) if there and len(run.ends) > 1 else []
    )
