"""Selection by cells: k-means cells of a run are ranked one after the other, and take turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..dataset.rows import counted
from ..errors import CoresetError
from ..progress import ProgressCallback, part_of
from ..selection.apportion import places_within
from ..selection.method import Method
from ..selection.methods.auto import selector as auto_selector
from ..selection.methods.auto.reading import Reading, Whole
from ..selection.methods.auto.settings import DEFAULTS
from ..selection.registry import get_method
from .cells import Cells, assign, find_centers
from .copies import GroupWork, groups_of_cell, join, representatives
from .division import Division, divide
from .engines.base import Crew, do_all
from .forecast import Machines
from .lock import one_builder
from .model import Size, select_need
from .parts import Footers, Stage, read_array, write_array
from .places import Place
from .quotas import Quotas
from .ranking import write_ranking
from .reading import find_reading, read_reading
from .run import SCORE, ScaleRun
from .scoring import read_scores
from .share import Share, units_of
from .state import StageState, stage_state


@dataclass(frozen=True)
class Resources:
    """Where cells are worked on.

    Attributes:
        num_workers: threads, or None
        crew: who works on them
        price: of a machine for an hour, or None
    """

    num_workers: int | None
    crew: Crew
    price: float | None


def by_cells(
    run: ScaleRun,
    stage: Stage,
    share: Share | None,
    given: np.ndarray,
    quotas: Quotas | None,
    places: Resources,
    report: ProgressCallback,
) -> StageState:
    """Sorts the run into cells, ranks every cell, and merges their rankings; as far as the share goes.

    Args:
        run: the run
        stage: the selection
        share: of the units and cells, or None for all
        given: int64 rows that are kept already, in their order
        quotas: what groups of rows give, or None
        places: where they are worked on
        report: told how far it is
    """
    record, crew, seed = stage.record, places.crew, stage.record["seed"]
    path, reading_path = stage.folder / "centers.npy", stage.folder / "reading.npz"
    deduplicate = record.get("deduplicate", False)

    def find() -> np.ndarray:
        with one_builder(stage.folder, "cells"):
            centers = find_centers(run, path, record["rows_per_cell"], seed)
            if len(centers) > 1 and (deduplicate or record["method"] == "auto"):
                find_reading(run, reading_path, seed, places.num_workers, part_of(report, 0.0, 0.1))
            return centers

    def before(machines: Machines) -> None:
        n = run.n_usable()
        n_cells = math.ceil(n / record["rows_per_cell"])
        on = replace(machines, cores=places.num_workers or machines.cores, price=places.price)
        forecast = select_need(Size(n, run.dimension(), run.n_units), on, record["method"], record["keep"], n_cells)
        forecast.check_space(stage.folder)
        report(0.0, f"{n:,} rows in about {counted(n_cells, 'cells')} expected to take {forecast}")
        find()

    sorted_units, visits, groups = (
        Stage.begin(stage.folder / name, {"stage": name, "selection": stage.key})
        for name in ("cells", "visits", "groups")
    )
    if share is None:
        for made in (sorted_units, visits, groups):
            made.sweep()
    footers, footers_of_groups = Footers(sorted_units), Footers(groups)
    todo = footers.missing(units_of(share, run.n_units))
    assigning = AssignWork(run.folder, sorted_units, visits, path, reading_path, deduplicate)
    do_all(crew, assigning, todo, "unit", part_of(report, 0.1, 0.2), before, footers.add)
    numbers = range(len(find()))
    of_units = footers.whole(range(run.n_units))
    if of_units is None:
        return stage_state(stage, numbers)
    reading = read_reading(reading_path) if reading_path.is_file() else None
    cells = Cells.of(sorted_units, of_units, run.dimension())
    of_groups, joined = None, None
    if looks_for_copies(reading, deduplicate):
        todo = footers_of_groups.missing(units_of(share, len(numbers)))
        if todo:
            visitors = _visitors(visits, run)
            grouping = GroupWork(groups, cells, visitors, reading_path, seed, places.num_workers)
            do_all(crew, grouping, todo, "cell", part_of(report, 0.2, 0.5))
        of_groups = footers_of_groups.whole(numbers)
        if of_groups is None:
            return stage_state(stage, numbers)
        joined = join(groups, of_groups, len(run))
    scores = _scores(run, stage) if reading is not None and record["method"] == "auto" and reading.trusted else None
    worth = np.sum([facts["worth"] for facts in of_units], axis=0)
    n_cells, by_zcore, cell_of = len(numbers), None, np.empty(0, dtype=np.int32)
    if scores is not None or len(given) or quotas is not None:
        cell_of = cells.of_rows(len(run))
    if scores is not None:
        by_zcore = np.bincount(cell_of[_first(scores)], minlength=n_cells)
    division = divide(cells.sizes, worth, joined, deduplicate, by_zcore)
    if len(given):
        division = division.after(given, np.bincount(cell_of[given], minlength=n_cells))
    divided, numbers_path = [division], None
    if quotas is not None:
        first = np.flatnonzero(cell_of >= 0)
        if joined is not None and reading is not None:
            first = np.setdiff1d(representatives(groups, n_cells, reading, given), division.away)
        of_pairs = (quotas.count(rows, cell_of, n_cells) for rows in (np.flatnonzero(cell_of >= 0), first, given))
        divided, numbers_path = division.by_group(*of_pairs), stage.folder / "group_numbers.npy"
        write_array(numbers_path, quotas.groups.of_rows)
    counts = [record["keep"]] if quotas is None else quotas.counts
    wanted = np.stack([of_one.counts(int(count)) for of_one, count in zip(divided, counts, strict=True)], axis=1)
    copies = None if joined is None else groups
    ordering = OrderWork(
        run.folder, stage, cells, division, wanted, numbers_path, reading_path, copies, places.num_workers
    )
    do_all(crew, ordering, stage.missing(units_of(share, n_cells)), "cell", part_of(report, 0.5, 1.0))
    state = stage_state(stage, numbers)
    if state.complete:
        _merge(run, stage, divided, given, quotas)
    return state


def _visitors(visits: Stage, run: ScaleRun) -> Cells:
    """The rows that look into a second cell, which were written before the units were sorted."""
    facts = Footers(visits).whole(range(run.n_units))
    if facts is None:
        raise CoresetError(f"{visits.folder} lacks parts; delete the folder of this selection and select again")
    return Cells.of(visits, facts, run.dimension())


def looks_for_copies(reading: Reading | None, deduplicate: bool) -> bool:
    """Whether near-copies are grouped before the cells are ranked."""
    return reading is not None and (deduplicate or reading.clear)


def _scores(run: ScaleRun, stage: Stage) -> np.ndarray:
    """(n,) ZCore's scores of all rows of a run, the same in every call; NaN without."""
    if not Stage.exists(run.folder / SCORE):
        raise CoresetError(
            "ZCore's first picks stand for this pool, so auto chooses by its scores; run scale score first, then "
            "select again"
        )
    scores = read_scores(run, stage.record["input"])["score"].to_numpy()
    Stage.begin(stage.folder / SCORE, {"selection": stage.key, "scores": Stage.load(run.folder / SCORE).key})
    return scores


def _first(scores: np.ndarray) -> np.ndarray:
    """(n,) bool, ZCore's first picks: as many as it is judged by, whatever is kept, so that selections are nested."""
    first = np.zeros(len(scores), dtype=bool)
    count = math.ceil(max(DEFAULTS.tested_shares) * np.count_nonzero(~np.isnan(scores)))
    first[np.argsort(-scores, kind="stable")[:count]] = True  # NaN comes last
    return first


@dataclass(frozen=True)
class AssignWork:
    """Sorts units into cells.

    Attributes:
        folder: of the run
        stage: where the parts go
        visits: where the rows go that look into a second cell
        centers: the file of the centers of the cells
        reading: the file of what was decided for the run, which is there if there is anything to decide
        deduplicate: whether near-copies are looked for even where there are no bursts
    """

    folder: Place
    stage: Stage
    visits: Stage
    centers: Place
    reading: Place
    deduplicate: bool

    @contextmanager
    def begin(self, cores: int | None) -> Iterator[Callable[[int, ProgressCallback], dict[str, Any]]]:
        """Opens the run; see :class:`.engines.base.Work`."""
        run, centers = ScaleRun(self.folder), read_array(self.centers)
        reading = read_reading(self.reading) if self.reading.is_file() else None
        visits = self.visits if looks_for_copies(reading, self.deduplicate) else None

        def do(unit: int, report: ProgressCallback) -> dict[str, Any]:
            facts = assign(run, self.stage, unit, centers, visits, reading)
            report(1.0, f"unit {unit:,} sorted into {counted(len(centers), 'cells')}")
            return facts

        yield do


@dataclass(frozen=True)
class OrderWork:
    """Puts the rows of cells in order.

    Attributes:
        folder: of the run
        stage: where the parts go
        cells: the rows by cell
        division: what each cell gives
        wanted: (c, g) int64 rows that every cell gives of every group
        group_numbers: the file of the groups of all rows, or None where there is one group
        reading: the file of what was decided for the run
        copies: the near-copies by cell, or None where none are looked for
        num_workers: threads, or None
    """

    folder: Place
    stage: Stage
    cells: Cells
    division: Division
    wanted: np.ndarray
    group_numbers: Place | None
    reading: Place
    copies: Stage | None
    num_workers: int | None

    @contextmanager
    def begin(self, cores: int | None) -> Iterator[Callable[[int, ProgressCallback], None]]:
        """Reads what was decided; see :class:`.engines.base.Work`."""
        record = self.stage.record
        reading = read_reading(self.reading) if self.reading.is_file() else None
        trusted = reading is not None and reading.trusted and record["method"] == "auto"
        scores = read_scores(ScaleRun(self.folder), record["input"])["score"].to_numpy() if trusted else None
        group_of = None if self.group_numbers is None else read_array(self.group_numbers)

        def do(cell: int, report: ProgressCallback) -> None:
            self._order(cell, group_of, reading, scores, self.num_workers or cores, report)

        yield do

    def _order(
        self,
        cell: int,
        group_of: np.ndarray | None,
        reading: Reading | None,
        scores: np.ndarray | None,
        num_workers: int | None,
        report: ProgressCallback,
    ) -> None:
        import pyarrow as pa

        rows, wanted = np.empty(0, dtype=np.int64), self.wanted[cell]
        if wanted.sum():
            numbers, vectors = self.cells.read(cell)
            codes = np.zeros(len(numbers), dtype=np.int64) if group_of is None else group_of[numbers]
            away = np.isin(numbers, self.division.away)
            there = np.bincount(codes[~away], minlength=len(wanted))
            counts = np.minimum(wanted, there)
            if counts.sum():
                copies = None if self.copies is None or reading is None else groups_of_cell(self.copies, cell, reading)
                by_group = {group: int(counts[group]) for group in np.flatnonzero(there)}
                chosen = self._method(cell, reading, None if scores is None else scores[numbers]).select(
                    vectors,
                    int(counts.sum()),
                    preselected=np.flatnonzero(np.isin(numbers, self.division.given)),
                    excluded=away,
                    groups=None if group_of is None else codes,
                    quota=None if group_of is None else by_group,
                    near_copies=copies,
                    num_workers=num_workers,
                    progress=report,
                    **options(self.stage.record),
                )
                rows = numbers[chosen.indices]
            last = codes[away]
            rest = numbers[away][places_within(last, len(wanted)) < (wanted - counts)[last]]
            rows = np.concatenate([rows, rest])
        self.stage.write(cell, pa.table({"row": rows}))

    def _method(self, cell: int, reading: Reading | None, scores: np.ndarray | None) -> Method:
        """The method; `auto` follows what was decided for the run."""
        method, division = get_method(self.stage.record["method"]), self.division
        if method.name != "auto" or reading is None:
            return method
        whole = Whole(reading, scores)
        settings = replace(DEFAULTS, max_clusters=int(division.regions[cell]))
        return replace(method, function=lambda pool, k: auto_selector.select(pool, k, settings, whole))


def options(record: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a method that are those of the selection."""
    return {"seed": record["seed"], "deduplicate": record.get("deduplicate", False)}


def _merge(run: ScaleRun, stage: Stage, divided: Sequence[Division], given: np.ndarray, quotas: Quotas | None) -> None:
    parts = [stage.read(cell)["row"].to_numpy() for cell in range(len(divided[0].sizes))]
    rows = np.concatenate(parts)
    cells = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    group_of = np.zeros(len(rows), dtype=np.int64) if quotas is None else quotas.groups.of_rows[rows]
    merged = []
    for group, division in enumerate(divided):
        places = np.flatnonzero(group_of == group)
        merged.append(places[division.merge(cells[places], places_within(cells[places], len(parts)))])
    order = np.concatenate(merged)
    if quotas is None:
        order = np.concatenate([_places_of(given, rows), order[~np.isin(rows[order], given)]])
    else:
        order = _places_of(quotas.ordered(rows[order], given), rows)
    write_ranking(run, stage, rows[order], cells[order])


def _places_of(some: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(m,) int64 places of some rows among others."""
    order = np.argsort(rows)
    return order[np.searchsorted(rows, some, sorter=order)]
