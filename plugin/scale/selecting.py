"""``select``: the rows to keep, chosen cell by cell or by a score."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback, part_of, reporting
from ..seeds import check_seed
from ..selection.budget import resolve_budget
from ..selection.registry import get_method
from .cells import Cells, assign, find_centers, read_centers
from .engines import Engine, as_engine
from .engines.base import Crew, do_all
from .forecast import Machines
from .lock import one_builder, one_writer
from .model import Size, among_need, select_need
from .parts import Stage, footer, read_table, write_table
from .places import Place
from .run import RANKING, SCORE, SELECT, ScaleRun
from .scoring import read_scores
from .share import Share, units_of
from .state import StageState, stage_state
from .store import StorePath
from .turns import merge_turns, turn_counts

if TYPE_CHECKING:
    import pyarrow as pa

#: Methods that pick by a number of each row, so they need no cells.
SCORED = ("random", "zcore")
#: Methods that work cell by cell; their picks are nested, so that every prefix of the ranking is a selection.
BY_CELLS = ("facility_location", "maxherding", "stratified")
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def select(
    out: str | Path | StorePath,
    method: str = "facility_location",
    keep: int | float | str = "10%",
    *,
    name: str | None = None,
    among: str | None = None,
    deduplicate: bool = False,
    seed: int = 0,
    rows_per_cell: int = 200_000,
    num_workers: int | None = None,
    units: str | None = None,
    engine: str | Mapping[str, Any] | Engine = "local",
    price: float | None = None,
    progress: bool | ProgressCallback | None = False,
) -> StageState:
    """Chooses the rows of a run that are to be kept, first to keep first.

    ``random`` and ``zcore`` rank all rows at once. The other methods work on one k-means cell of the run after the
    other, each of which gives its share, and the cells take turns; so every prefix of the ranking is divided among the
    cells in proportion to their rows. In a run of one cell they choose what they choose on one machine. Near-copies are
    looked for within cells, and only if asked. Any method that needs vectors alone can choose ``among`` the rows that
    one of these has chosen; it then works on one machine, and each of them counts once.

    Args:
        out: the folder of the run
        method ("facility_location"): ``"facility_location"``, ``"maxherding"``, ``"stratified"``, ``"random"`` or
            ``"zcore"``, which needs scores; see ``docs/methods.md``
        keep ("10%"): how many rows to rank: a count, a fraction or a percentage of those with a vector
        name (None): the name of the selection; that of the method by default
        deduplicate (False): keep one row of each group of near-copies before any second one, as far as they lie in one
            cell; not for ``random`` and ``zcore`` of the whole run
        among (None): the name of a selection, so that only its rows are candidates, for any method
        seed (0): of all randomness
        rows_per_cell (200,000): rows of a cell, about; memory and time of a cell grow with it
        num_workers (None): threads, of each worker of the engine; the result does not depend on them
        units (None): a share of the units and cells, ``"I/N"`` with I from 1 to N; call again until it is complete,
            because cells need all units
        engine ("local"): where they are worked on: ``"local"``, in this process, ``"ray"``, or a :class:`RayEngine`
        price (None): of a machine for an hour, to say what the step will cost
        progress (False): True for a terminal bar, or a function ``(fraction, message)``

    Returns:
        which cells are done. When all are, the ranking is in ``select/<name>/ranking.parquet``: ``row``, ``id``,
        ``uri``, ``rank`` and ``cell``

    Raises:
        CoresetError: if vectors or scores are missing, a selection of this name was begun of other vectors or with
            other arguments, another process works on the same units, the method does not work at scale, ``keep``
            exceeds the rows with a vector, or the engine has no room

    Examples:
        The first ten of five percent::

            fc.scale.select("run", "facility_location", keep="5%")
            print(fc.scale.read_ranking("run", "facility_location").slice(0, 10))
    """
    run, share, seed = ScaleRun(out), Share.parse(units), check_seed(seed)
    name = method if name is None else name
    if among is not None:
        _check_among(method)
    elif method not in (*SCORED, *BY_CELLS):
        raise CoresetError(
            f"method '{method}' does not work on a run; choose one of {', '.join((*BY_CELLS, *SCORED))}, or among= the "
            "rows that one of these has chosen"
        )
    if deduplicate and among is None and method in SCORED:
        raise CoresetError(
            f"method '{method}' ranks all rows at once, and near-copies are looked for within cells only"
        )
    if not _NAME.fullmatch(name):
        raise CoresetError(f"name must consist of letters, digits, - and _, got {name!r}")
    if rows_per_cell < 1:
        raise CoresetError(f"rows_per_cell must be at least 1, got {rows_per_cell}")
    embeddings = run.embeddings_digest()
    n = run.n_usable()
    arguments: dict[str, Any] = {"method": method, "keep": resolve_budget(keep, n), "seed": seed}
    if among is None and method in BY_CELLS:
        arguments["rows_per_cell"] = rows_per_cell
    if deduplicate:
        arguments["deduplicate"] = True
    folder = run.folder / SELECT / name
    with one_writer(folder, share), reporting(progress, "Selecting") as report:
        candidates, scores = None, None
        if among is not None:
            candidates = np.sort(read_ranking(out, among)["row"].to_numpy())
            if arguments["keep"] > len(candidates):
                raise CoresetError(
                    f"keep asks for {arguments['keep']:,} rows, and selection '{among}' has {len(candidates):,} "
                    "candidates; ask for fewer"
                )
            arguments["among"] = {"name": among, "key": Stage.load(run.folder / SELECT / among).key}
        elif method == "zcore":
            scores = read_scores(run)["score"].to_numpy()
            arguments["scores"] = Stage.load(run.folder / SCORE).key
        stage = Stage.begin(folder, {"stage": SELECT, "input": embeddings, **arguments})
        if share is None:
            stage.sweep()
        if footer(ranking_path(run, name), stage.key) is not None:
            return StageState(name, 1, [])
        if candidates is not None:
            order = _among(run, stage.record, candidates, num_workers, price, report)
            _write_ranking(run, stage, order, np.zeros(len(order), dtype=np.int64))
            return StageState(name, 1, [])
        if method in SCORED:
            size = Size(n, run.dimension(), run.n_units)
            need = select_need(size, Machines(price=price), method, arguments["keep"], 0)
            report(0.0, f"{n:,} rows expected to take {need}")
            order = _by_score(run, scores, stage.record)
            _write_ranking(run, stage, order, np.zeros(len(order), dtype=np.int64))
            return StageState(name, 1, [])
        with as_engine(engine).start() as crew:
            return _by_cells(run, stage, share, num_workers, crew, price, report)


def ranking_path(run: ScaleRun, name: str) -> Place:
    """The file of a ranking."""
    return run.folder / SELECT / name / RANKING


def read_ranking(out: str | Path | StorePath, name: str) -> pa.Table:
    """The rows that a selection keeps, first to keep first.

    Args:
        out: the folder of the run
        name: the name of the selection

    Returns:
        a table with columns ``row``, ``id``, ``uri``, ``rank`` and ``cell``

    Raises:
        CoresetError: if there is no such selection, it is not complete, or it is of other vectors than those that are
            there now
    """
    run = ScaleRun(out)
    stage = Stage.load(run.folder / SELECT / name)
    if stage.record["input"] != run.embeddings_digest():
        raise CoresetError(f"{stage.folder} holds a selection of other vectors; delete it and select again")
    return read_table(ranking_path(run, name), stage.key)


def _check_among(method: str) -> None:
    """Refuses a method that needs more than vectors."""
    kind = get_method(method)
    if kind.needs_labels or kind.needs_text or kind.needs_model:
        raise CoresetError(f"method '{method}' needs labels or predictions, and a run has vectors alone")


def _among(
    run: ScaleRun,
    record: dict[str, Any],
    rows: np.ndarray,
    num_workers: int | None,
    price: float | None,
    report: ProgressCallback,
) -> np.ndarray:
    """(k,) int64 rows that a method chooses of some rows, on this machine."""
    size = Size(len(rows), run.dimension(), run.n_units)
    need = among_need(size, Machines(cores=num_workers, price=price), record["method"], record["keep"])
    report(0.0, f"{len(rows):,} candidates expected to take {need}")
    vectors = np.empty((len(rows), run.dimension()), dtype=np.float32)
    for places, part in run.vectors_of(rows):
        vectors[places] = part
    method = get_method(record["method"])
    chosen = method.select(vectors, record["keep"], num_workers=num_workers, progress=report, **_options(record))
    return rows[chosen.indices]


def _by_score(run: ScaleRun, scores: np.ndarray | None, record: dict[str, Any]) -> np.ndarray:
    """(k,) int64 rows by a number of each; chance where there are no scores."""
    usable = run.usable_rows()
    if scores is None:
        return np.random.default_rng(record["seed"]).permutation(usable)[: record["keep"]]
    return usable[np.argsort(-scores[usable], kind="stable")][: record["keep"]]


def _by_cells(
    run: ScaleRun,
    stage: Stage,
    share: Share | None,
    num_workers: int | None,
    crew: Crew,
    price: float | None,
    report: ProgressCallback,
) -> StageState:
    """Sorts the run into cells, orders every cell, and merges their orders; as far as the share goes."""
    record, path = stage.record, stage.folder / "centers.npy"

    def find() -> np.ndarray:
        with one_builder(stage.folder, "cells"):
            return find_centers(run, path, record["rows_per_cell"], record["seed"])

    def before(machines: Machines) -> None:
        n = run.n_usable()
        n_cells = math.ceil(n / record["rows_per_cell"])
        on = replace(machines, cores=num_workers or machines.cores, price=price)
        forecast = select_need(Size(n, run.dimension(), run.n_units), on, record["method"], record["keep"], n_cells)
        forecast.check_space(stage.folder)
        report(0.0, f"{n:,} rows in about {n_cells:,} cells expected to take {forecast}")
        find()

    sorted_units = Stage.begin(stage.folder / "cells", {"stage": "cells", "selection": stage.key})
    if share is None:
        sorted_units.sweep()
    todo = sorted_units.missing(units_of(share, run.n_units))
    do_all(crew, AssignWork(run.folder, sorted_units, path), todo, "unit", part_of(report, 0.0, 0.2), before)
    centers = find()
    if sorted_units.missing(range(run.n_units)):
        return stage_state(stage, range(len(centers)))
    wanted = turn_counts(Cells(run, sorted_units, len(centers)).sizes, record["keep"])
    todo = stage.missing(units_of(share, len(centers)))
    work = OrderWork(run.folder, stage, sorted_units, wanted, num_workers)
    do_all(crew, work, todo, "cell", part_of(report, 0.2, 1.0))
    state = stage_state(stage, range(len(centers)))
    if state.complete:
        _merge(run, stage, Cells(run, sorted_units, len(centers)).sizes)
    return state


@dataclass(frozen=True)
class AssignWork:
    """Sorts units into cells.

    Attributes:
        folder: of the run
        stage: where the parts go
        centers: the file of the centers of the cells
    """

    folder: Place
    stage: Stage
    centers: Place

    @contextmanager
    def begin(self, cores: int | None) -> Iterator[Callable[[int, ProgressCallback], None]]:
        """Opens the run; see :class:`.engines.base.Work`."""
        run, centers = ScaleRun(self.folder), read_centers(self.centers)

        def do(unit: int, report: ProgressCallback) -> None:
            assign(run, self.stage, unit, centers)
            report(1.0, f"unit {unit:,} sorted into {len(centers):,} cells")

        yield do


@dataclass(frozen=True)
class OrderWork:
    """Puts the rows of cells in order.

    Attributes:
        folder: of the run
        stage: where the parts go
        sorted_units: the rows by cell
        wanted: (c,) int64 how many rows each cell gives
        num_workers: threads, or None
    """

    folder: Place
    stage: Stage
    sorted_units: Stage
    wanted: np.ndarray
    num_workers: int | None

    @contextmanager
    def begin(self, cores: int | None) -> Iterator[Callable[[int, ProgressCallback], None]]:
        """Opens the cells; see :class:`.engines.base.Work`."""
        cells = Cells(ScaleRun(self.folder), self.sorted_units, len(self.wanted))

        def do(cell: int, report: ProgressCallback) -> None:
            _order_cell(self.stage, cells, cell, int(self.wanted[cell]), self.num_workers or cores, report)

        yield do


def _order_cell(
    stage: Stage, cells: Cells, cell: int, count: int, num_workers: int | None, report: ProgressCallback
) -> None:
    import pyarrow as pa

    rows = np.empty(0, dtype=np.int64)
    if count:
        numbers, vectors = cells.read(cell)
        record = stage.record
        chosen = get_method(record["method"]).select(
            vectors, count, num_workers=num_workers, progress=report, **_options(record)
        )
        rows = numbers[chosen.indices]
    stage.write(cell, pa.table({"row": rows}))


def _options(record: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a method that are those of the selection."""
    return {"seed": record["seed"], "deduplicate": record.get("deduplicate", False)}


def _merge(run: ScaleRun, stage: Stage, sizes: np.ndarray) -> None:
    parts = [stage.read(cell)["row"].to_numpy() for cell in range(len(sizes))]
    rows = np.concatenate(parts)
    cells = np.repeat(np.arange(len(sizes)), [len(part) for part in parts])
    places = np.concatenate([np.arange(len(part)) for part in parts])
    order = merge_turns(places, cells, sizes)
    _write_ranking(run, stage, rows[order], cells[order])


def _write_ranking(run: ScaleRun, stage: Stage, rows: np.ndarray, cells: np.ndarray) -> None:
    """Writes rows, first to keep first, with their ids and addresses."""
    import pyarrow as pa

    ordered = np.sort(rows)
    ends = np.searchsorted(ordered, run.starts)
    pieces = []
    for unit in np.flatnonzero(np.diff(ends)):
        places = ordered[ends[unit] : ends[unit + 1]] - run.starts[unit]
        pieces.append(run.manifest.read(int(unit)).take(places))
    names = pa.concat_tables(pieces).take(np.searchsorted(ordered, rows))
    table = pa.table(
        {
            "row": rows,
            "id": names["id"].combine_chunks(),
            "uri": names["uri"].combine_chunks(),
            "rank": np.arange(len(rows)),
            "cell": cells,
        }
    )
    write_table(stage.folder / RANKING, table, stage.key, {"n": run.n_usable()})
