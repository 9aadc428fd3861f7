"""``score``: ZCore by draws, in units of draws whose sums are whole numbers.

Floating-point sums depend on the order in which they are taken, and so on how the work was split. A chunk of draws has
the same effect wherever it is computed; it is rounded to multiples of 2**-30 and added up as a whole number, which is
the same in any order. So the scores have the same bits for any number of units, processes and threads.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback, part_of, reporting, silence
from ..seeds import check_seed
from ..selection.budget import resolve_budget
from ..selection.methods.zcore.engine import Chunk, SeededDraws, Workers, next_look
from ..selection.methods.zcore.params import SYMMETRIC, ZCoreParams
from ..selection.methods.zcore.reliability import Goal, split_half_reliability
from .columns import open_columns
from .engines import Engine, as_engine
from .engines.base import Crew, do_all
from .forecast import Forecast, Machines
from .lock import one_writer
from .model import Size, score_need
from .parts import Stage, read_table, write_table
from .places import Place
from .run import COLUMNS, SCORE, SCORES, ScaleRun
from .share import Share, units_of
from .state import StageState, score_state
from .store import StorePath

if TYPE_CHECKING:
    import pyarrow as pa

#: Draws for each row by default.
DRAWS_PER_ROW = 10
#: Draws for each row after which scores that are still not reliable are taken as they are.
_MOST_DRAWS_PER_ROW = 1_000
#: Bits after the point; an image gains or loses at most 1 a draw, so fewer where there are more than 2**32 draws.
_MOST_BITS, _ALL_BITS = 30, 62
_SUMS = ("coverage_0", "coverage_1", "redundancy_0", "redundancy_1")


def score(
    out: str | Path | StorePath,
    *,
    n_draws: int | None = None,
    reliability: float | None = None,
    budgets: Sequence[int | float | str] | None = None,
    target_overlap: float = 0.85,
    seed: int = 0,
    n_neighbors: int = 1000,
    exponent: float = 4.0,
    n_units: int = 8,
    column_bits: int = 32,
    num_workers: int | None = None,
    units: str | None = None,
    engine: str | Mapping[str, Any] | Engine = "local",
    price: float | None = None,
    progress: bool | ProgressCallback | None = False,
) -> StageState:
    """Scores the rows of a run with ZCore; units of draws that are there are not taken again.

    The draws are those of :func:`~fiftyone_coreset.zcore_scores` with the same ``n_draws`` and ``seed``, and the scores
    differ from its scores by rounding only. The same seed gives the same bits for any ``n_units``, any shares and any
    number of threads (Griffin et al., "Zero-Shot Coreset Selection", WACV 2026).

    Args:
        out: the folder of the run
        n_draws (None): number of draws; by default 10 for each row with a vector
        reliability (None): instead, the correlation to expect between this run and another one with a new seed. Draws
            are added, in rounds of ``n_units`` parts, until it is reached or 1,000 for each row are taken
        budgets (None): instead, what is going to be kept, e.g. ``["5%", 5000]``. Draws are added until another run is
            expected to share ``target_overlap`` of the rows kept at each of them
        target_overlap (0.85): see there
        seed (0): seed of the draws
        n_neighbors (1000): images that share the penalty of a draw, K in the paper
        exponent (4.0): power of the distance by which the penalty falls off, e in the paper
        n_units (8): units of draws, at least as many as there are to be workers; each part takes up to 32 bytes a row
        column_bits (32): of a number in the columns that are read: 32, or 16, which take 2 bytes a number instead of 5;
            scores differ a little then, see docs/scale.md
        num_workers (None): threads; by default all cores this process, or a worker of the engine, may use
        units (None): a share of the units, ``"I/N"`` with I from 1 to N; with ``reliability`` call again until it is
            complete, because a round needs all units of the one before
        engine ("local"): where they are worked on: ``"local"``, in this process, ``"ray"``, or a :class:`RayEngine`
        price (None): of a machine for an hour, to say what the step will cost
        progress (False): True for a terminal bar, or a function ``(fraction, message)``

    Returns:
        which parts are there. When all are, the scores are in ``score/scores.parquet``: ``id``, ``score``, ``coverage``
        and ``redundancy``, null without a vector

    Raises:
        CoresetError: if vectors are missing, another process works on the same units, scores were begun of other
            vectors or with other arguments, an argument is out of range, or the engine has no room

    Examples:
        With a number of draws::

            fc.scale.score("run", n_draws=100_000, seed=0)
    """
    seed, share, run = check_seed(seed), Share.parse(units), ScaleRun(out)
    for name, value in (("n_draws", n_draws), ("n_units", n_units), ("n_neighbors", n_neighbors)):
        if value is not None and value < 1:
            raise CoresetError(f"{name} must be at least 1, got {value}")
    for name, wanted in (("reliability", reliability), ("target_overlap", target_overlap)):
        if wanted is not None and not 0 < wanted < 1:
            raise CoresetError(f"{name} must lie between 0 and 1, got {wanted}")
    if (n_draws, reliability, budgets).count(None) < 2:
        raise CoresetError("give one of n_draws, reliability and budgets: each decides how many draws are taken")
    if budgets is not None and (isinstance(budgets, str) or len(budgets) == 0):
        raise CoresetError(f"budgets must be a list such as ['10%'], got {budgets!r}")
    if column_bits not in COLUMNS:
        raise CoresetError(f"column_bits must be 32 or 16, got {column_bits}")
    if not exponent > 0:
        raise CoresetError(f"exponent must be more than 0, got {exponent}")
    embeddings = run.embeddings_digest()
    n = run.n_usable()
    folder = run.folder / SCORE
    arguments: dict[str, Any] = {"n_draws": n_draws or DRAWS_PER_ROW * n, "seed": seed, "n_units": n_units}
    if reliability is not None:
        arguments |= {"n_draws": None, "reliability": reliability}
    if budgets is not None:
        keeps = sorted({resolve_budget(budget, n) for budget in budgets})
        arguments |= {"n_draws": None, "budgets": keeps, "target_overlap": target_overlap}
    arguments |= {"n_neighbors": n_neighbors, "exponent": exponent}
    if column_bits != 32:
        arguments["column_bits"] = column_bits
    with one_writer(folder, share), reporting(progress, "Scoring") as report:
        run.refuse_shorter(folder, embeddings)
        stage = Stage.begin(folder, {"stage": SCORE, "input": embeddings, **arguments})
        if share is None:
            stage.sweep()
        if not score_state(stage).complete:
            with as_engine(engine).start() as crew:
                _rounds(run, stage, share, n, _Resources(num_workers, crew, price), report)
    return score_state(stage)


def read_scores(run: ScaleRun, vectors: str | None = None) -> pa.Table:
    """The scores of all rows.

    Args:
        run: the run
        vectors (None): what identifies those that are there now, if that is known

    Returns:
        a table with columns ``id``, ``score``, ``coverage`` and ``redundancy``

    Raises:
        CoresetError: if they are not complete, or are of other vectors than those that are there now
    """
    stage = Stage.load(run.folder / SCORE)
    vectors = vectors or run.embeddings_digest()
    if stage.record["input"] != vectors:
        run.refuse_shorter(stage.folder, vectors)
        raise CoresetError(f"{stage.folder} holds scores of other vectors; delete it and run scale score again")
    return read_table(_scores_path(run), stage.key)


def _scores_path(run: ScaleRun) -> Place:
    return run.folder / SCORE / SCORES


@dataclass(frozen=True)
class _Resources:
    """Where draws are taken.

    Attributes:
        num_workers: threads, or None
        crew: who takes them
        price: of a machine for an hour, or None
    """

    num_workers: int | None
    crew: Crew
    price: float | None


@dataclass(frozen=True)
class DrawWork:
    """Makes parts of draws.

    Attributes:
        folder: of the run
        stage: where the parts go
        n: rows with a vector
        num_workers: threads, or None
        round: which round of draws, from 0
        first: the first chunk of the round
        stop: the one after its last, or None where one round takes all
    """

    folder: Place
    stage: Stage
    n: int
    num_workers: int | None
    round: int
    first: int
    stop: int | None

    @property
    def parts(self) -> range:
        """The numbers of the parts of the round."""
        n_units = self.stage.record["n_units"]
        return range(self.round * n_units, (self.round + 1) * n_units)

    @contextmanager
    def begin(self, cores: int | None) -> Iterator[Callable[[int, ProgressCallback], None]]:
        """Maps the columns into memory; see :class:`.engines.base.Work`."""
        with Workers(self.num_workers or cores) as workers:
            draws = _draws(ScaleRun(self.folder), self.stage.record, workers, silence)
            chunks = list(itertools.islice(draws.chunks(), self.first, self.stop))

            def do(part: int, report: ProgressCallback) -> None:
                mine = chunks[part - self.parts.start :: len(self.parts)]
                self.stage.write(part, *_add_up(mine, self.n, _bits(self.stage, self.n), workers, report))

            yield do


def _draws(run: ScaleRun, record: dict[str, Any], workers: Workers, report: ProgressCallback) -> SeededDraws:
    """The draws of a run, without end where their number is not known."""
    columns = open_columns(run, record["input"], _column_bits(record), workers, report)
    params = ZCoreParams(min(record["n_neighbors"], len(columns.rows) - 1), record["exponent"], SYMMETRIC)
    return SeededDraws(columns.values, 2, record["n_draws"], record["seed"], params, workers, columns.tables)


def _goal(record: dict[str, Any]) -> Goal | None:
    """What draws are added for, or None where their number is given."""
    if "budgets" in record:
        return Goal(record["target_overlap"], tuple(record["budgets"]))
    return Goal(record["reliability"]) if "reliability" in record else None


def _column_bits(record: dict[str, Any]) -> int:
    """Bits of a number in the columns that scores are made from."""
    return record.get("column_bits", 32)


def _rounds(
    run: ScaleRun, stage: Stage, share: Share | None, n: int, places: _Resources, report: ProgressCallback
) -> None:
    """Takes draws, as far as the share goes, until there are as many as were wanted or they agree as wanted."""
    goal, stop = _goal(stage.record), None
    if goal is not None:
        need = _need(run, stage, n, places)
        report(0.0, f"draws until {goal.name} {goal.target}: 10 for each row are expected to take {need}")
        with Workers(places.num_workers) as workers:
            stop = _draws(run, stage.record, workers, report).fewest_chunks
    sums, draws = np.zeros((2, 2, n), dtype=np.int64), np.zeros(2, dtype=np.int64)
    work = DrawWork(run.folder, stage, n, places.num_workers, 0, 0, stop)
    while True:
        todo = stage.missing([work.parts[unit] for unit in units_of(share, len(work.parts))])
        if todo:
            _draw(run, todo, work, places, report)
        if stage.missing(work.parts):
            return
        for part in work.parts:
            table, facts = stage.part(part)
            sums += np.stack([table[name].to_numpy() for name in _SUMS]).reshape(sums.shape)
            draws += facts["draws"]
        if goal is None or work.stop is None:
            _write_scores(run, stage, sums, draws)
            return
        reached = goal.agreement(*_halves(sums, draws))
        if reached >= goal.target or draws.sum() >= _MOST_DRAWS_PER_ROW * n:
            _write_scores(run, stage, sums, draws, {goal.name: reached})
            return
        report(0.5, f"{draws.sum():,} draws, {goal.name} {reached:.2f} of {goal.target:.2f}")
        stop = next_look(work.stop, goal.draws_factor(reached))
        work = replace(work, round=work.round + 1, first=work.stop, stop=stop)


def _draw(run: ScaleRun, todo: list[int], work: DrawWork, places: _Resources, report: ProgressCallback) -> None:
    def before(machines: Machines) -> None:
        if work.stop is None:
            n_draws = round(work.stage.record["n_draws"] * len(todo) / len(work.parts))
            forecast = _need(run, work.stage, work.n, places, machines, n_draws, len(todo))
            forecast.check_space(work.stage.folder)
            report(0.0, f"{n_draws:,} draws expected to take {forecast}")
        with Workers(work.num_workers) as workers:
            # once, before the workers of the engine map them
            record = work.stage.record
            open_columns(run, record["input"], _column_bits(record), workers, part_of(report, 0.0, 0.2))

    do_all(places.crew, work, todo, "unit of draws", part_of(report, 0.2, 1.0), before)


def _need(
    run: ScaleRun,
    stage: Stage,
    n: int,
    places: _Resources,
    machines: Machines | None = None,
    n_draws: int | None = None,
    n_parts: int = 1,
) -> Forecast:
    """What some draws are expected to need; by default 10 for each row on this machine."""
    on = machines or Machines()
    on = replace(on, cores=places.num_workers or on.cores, price=places.price)
    size = Size(n, run.dimension(), run.n_units)
    return score_need(size, on, n_draws or DRAWS_PER_ROW * n, n_parts, _column_bits(stage.record))


def _bits(stage: Stage, n: int) -> int:
    """Bits after the point."""
    n_draws = stage.record["n_draws"] or _MOST_DRAWS_PER_ROW * n
    return min(_MOST_BITS, _ALL_BITS - math.ceil(math.log2(n_draws)))


def _add_up(
    chunks: list[Chunk], n: int, bits: int, workers: Workers, report: ProgressCallback
) -> tuple[pa.Table, dict[str, Any]]:
    """The effects of some chunks as whole numbers, and how many draws they hold, by half."""
    import pyarrow as pa

    sums, draws = np.zeros((2, 2, n), dtype=np.int64), [0, 0]
    scale = 2.0**bits
    effects = workers.map(lambda chunk: (chunk, chunk.effect()), iter(chunks))
    for number, (chunk, effect) in enumerate(effects, start=1):
        for quantity in (0, 1):
            sums[quantity, chunk.half] += np.rint(effect[quantity] * scale).astype(np.int64)
        draws[chunk.half] += chunk.n_draws
        report(number / len(chunks), f"{sum(draws):,} draws of a unit")
    return pa.table(dict(zip(_SUMS, sums.reshape(4, n), strict=True))), {"draws": draws}


def _halves(sums: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """(2, n) float64 scores by either half of the draws; as :func:`_write_scores` takes its arguments."""
    return (sums[0] - sums[1]) / draws[:, None]


def _write_scores(
    run: ScaleRun, stage: Stage, sums: np.ndarray, draws: np.ndarray, reached: Mapping[str, float] | None = None
) -> None:
    """Writes the scores of all rows.

    Args:
        run: the run
        stage: the scores
        sums: (2, 2, n) int64 coverage and redundancy, by half
        draws: (2,) int64 draws of either half
        reached (None): what was asked for and reached, by its name
    """
    import pyarrow as pa

    wanted = stage.record["n_draws"]
    if wanted not in (None, draws.sum()):
        raise CoresetError(f"{stage.folder} holds {draws.sum():,} of {wanted:,} draws; delete it and score again")
    rows, scale = run.usable_rows(), 2.0 ** _bits(stage, sums.shape[2])
    net = sums[0] - sums[1]
    values = {"score": net.sum(axis=0), "coverage": sums[0].sum(axis=0), "redundancy": sums[1].sum(axis=0)}
    ids = [run.manifest.read(unit, ["id"])["id"] for unit in range(run.n_units)]
    spread = {"id": pa.chunked_array([chunk for column in ids for chunk in column.chunks])}
    without = np.ones(len(run), dtype=bool)
    without[rows] = False
    for name, found in values.items():
        whole = np.zeros(len(run))
        whole[rows] = found / scale
        spread[name] = pa.array(whole, mask=without)
    reliability = float("nan") if 0 in draws else split_half_reliability(*_halves(sums, draws))
    facts = {"n_draws": int(draws.sum()), "reliability": None if math.isnan(reliability) else reliability}
    facts = {**(reached or {}), **facts}
    write_table(_scores_path(run), pa.table(spread), stage.key, facts, run.unit_rows)
