"""``select``: the rows to keep, chosen cell by cell or by a score."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from ..seeds import check_seed
from ..selection.budget import resolve_budget
from ..selection.registry import get_method
from .by_cells import Resources, by_cells, options
from .engines import Engine, as_engine
from .forecast import Machines
from .given import fingerprint, rows_of
from .lock import one_writer
from .model import Size, among_need, select_need
from .parts import Stage, footer
from .quotas import Quotas, read_groups
from .ranking import ranking_of, ranking_path, write_ranking
from .run import SCORE, SELECT, ScaleRun
from .scoring import read_scores
from .share import Share
from .state import StageState
from .store import StorePath

#: Methods that pick by a number of each row, so they need no cells.
SCORED = ("random", "zcore")
#: Methods that work cell by cell; their picks are nested, so that every prefix of the ranking is a selection.
BY_CELLS = ("facility_location", "maxherding", "stratified", "auto")
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def select(
    out: str | Path | StorePath,
    method: str = "facility_location",
    keep: int | float | str = "10%",
    *,
    name: str | None = None,
    among: str | None = None,
    deduplicate: bool = False,
    preselected: Sequence[Any] | str | Path | None = None,
    groups: str | None = None,
    quota: str | Mapping[Any, float] | None = None,
    min_per_group: int = 0,
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
    cells in proportion to their rows. In a run of one cell they choose what they choose on one machine. ``auto``
    decides for the run as a whole how far to trust near-copies, regions and ZCore, from some of its rows, and cells
    count what these are worth; where it follows ZCore, it needs scores. Any method that needs vectors alone can choose
    ``among`` the rows that one of these has chosen; it then works on one machine, and each of them counts once.

    Args:
        out: the folder of the run
        method ("facility_location"): ``"facility_location"``, ``"maxherding"``, ``"stratified"``, ``"auto"``,
            ``"random"`` or ``"zcore"``, which needs scores; see ``docs/methods.md``
        keep ("10%"): how many rows to rank: a count, a fraction or a percentage of those with a vector
        name (None): the name of the selection; that of the method by default
        deduplicate (False): keep one row of each group of near-copies before any second one; rows at the border of
            two cells are looked up in both. Not for ``random`` and ``zcore`` of the whole run
        preselected (None): ids of rows that are kept already, or a text file with one a line. They come first, in the
            order given, count to ``keep``, and the others are chosen beside them. A burst that has one of them on the
            other side of a border may be kept twice
        groups (None): the column that divides the rows into groups, of the table that was planned, or a field of the
            FiftyOne dataset; the methods choose within each group
        quota (None): how ``keep`` is divided among the groups: ``"proportional"``, the default, ``"sqrt"``,
            ``"uniform"``, or a mapping of group to count or share, as on one machine
        min_per_group (0): least number of rows kept of every group; smaller groups are kept whole
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
    if groups is None and (quota is not None or min_per_group):
        raise CoresetError("quota and min_per_group need groups, the name of the column that divides the rows")
    if among is None and quota is None and min_per_group:
        raise CoresetError(
            "min_per_group alone works among= the rows of another selection; give quota, e.g. 'proportional', too"
        )
    embeddings = run.embeddings_digest()
    n = run.n_usable()
    arguments: dict[str, Any] = {"method": method, "keep": resolve_budget(keep, n), "seed": seed}
    if among is None and method in BY_CELLS:
        arguments["rows_per_cell"] = rows_per_cell
    if deduplicate:
        arguments["deduplicate"] = True
    given = np.empty(0, dtype=np.int64)
    if preselected is not None:
        given = rows_of(run, preselected)
        arguments["preselected"] = fingerprint(given)
        if arguments["keep"] < len(given):
            raise CoresetError(
                f"keep asks for {arguments['keep']:,} rows, fewer than the {len(given):,} that are preselected; ask "
                "for more"
            )
    by_group, quotas = None, None
    if groups is not None:
        by_group = read_groups(run, groups)
        quota = by_group.named(quota)
        arguments |= {"groups": by_group.fingerprint, "quota": _as_record(quota), "min_per_group": min_per_group}
        if among is None:
            quotas = Quotas.of(by_group, quota, min_per_group, arguments["keep"], given)
    folder = run.folder / SELECT / name
    with one_writer(folder, share), reporting(progress, "Selecting") as report:
        candidates, scores = None, None
        if among is not None:
            candidates = np.union1d(ranking_of(run, among)["row"].to_numpy(), given)
            if arguments["keep"] > len(candidates):
                raise CoresetError(
                    f"keep asks for {arguments['keep']:,} rows, and selection '{among}' has {len(candidates):,} "
                    "candidates; ask for fewer"
                )
            if by_group is not None:  # refuses what cannot be met
                Quotas.of(by_group.among(candidates), quota, min_per_group, arguments["keep"], given)
            arguments["among"] = {"name": among, "key": Stage.load(run.folder / SELECT / among).key}
        elif method == "zcore":
            scores = read_scores(run)["score"].to_numpy()
            arguments["scores"] = Stage.load(run.folder / SCORE).key
        run.refuse_shorter(folder, embeddings)
        stage = Stage.begin(folder, {"stage": SELECT, "input": embeddings, **arguments})
        if share is None:
            stage.sweep()
        if footer(ranking_path(run, name), stage.key) is not None:
            return StageState(name, 1, [])
        if candidates is not None:
            asked: dict[str, Any] = {}
            if by_group is not None:
                asked = {"groups": by_group.values(candidates), "quota": quota, "min_per_group": min_per_group}
            order = _among(run, stage.record, candidates, given, asked, num_workers, price, report)
            write_ranking(run, stage, order, np.zeros(len(order), dtype=np.int64))
            return StageState(name, 1, [])
        if method in SCORED:
            size = Size(n, run.dimension(), run.n_units)
            need = select_need(size, Machines(price=price), method, arguments["keep"], 0)
            report(0.0, f"{n:,} rows expected to take {need}")
            order = _by_score(run, scores, given, seed)
            order = order[: arguments["keep"]] if quotas is None else quotas.ordered(order, given)
            write_ranking(run, stage, order, np.zeros(len(order), dtype=np.int64))
            return StageState(name, 1, [])
        with as_engine(engine).start() as crew:
            return by_cells(run, stage, share, given, quotas, Resources(num_workers, crew, price), report)


def _check_among(method: str) -> None:
    """Refuses a method that needs more than vectors."""
    kind = get_method(method)
    if kind.needs_labels or kind.needs_text or kind.needs_model:
        raise CoresetError(f"method '{method}' needs labels or predictions, and a run has vectors alone")


def _among(
    run: ScaleRun,
    record: dict[str, Any],
    rows: np.ndarray,
    given: np.ndarray,
    divided: dict[str, Any],
    num_workers: int | None,
    price: float | None,
    report: ProgressCallback,
) -> np.ndarray:
    """(k,) int64 rows that a method chooses of some rows, on this machine."""
    size = Size(len(rows), run.dimension(), run.n_units)
    need = among_need(size, Machines(cores=num_workers, price=price), record["method"], record["keep"])
    report(0.0, f"{len(rows):,} candidates expected to take {need}")
    chosen = get_method(record["method"]).select(
        run.gather(rows),
        record["keep"],
        preselected=np.searchsorted(rows, given),
        num_workers=num_workers,
        progress=report,
        **divided,
        **options(record),
    )
    return rows[chosen.indices]


def _by_score(run: ScaleRun, scores: np.ndarray | None, given: np.ndarray, seed: int) -> np.ndarray:
    """(n,) int64 rows, those that are given first, by a number of each; chance where there are no scores."""
    usable = run.usable_rows()
    if scores is None:
        order = np.random.default_rng(seed).permutation(usable)
    else:
        order = usable[np.argsort(-scores[usable], kind="stable")]
    return np.concatenate([given, order[~np.isin(order, given)]])


def _as_record(quota: Any) -> Any:
    """A quota as JSON and a database have it, whatever groups are called."""
    if not isinstance(quota, Mapping):
        return quota
    return sorted([str(name), int(n) if isinstance(n, int | np.integer) else float(n)] for name, n in quota.items())
