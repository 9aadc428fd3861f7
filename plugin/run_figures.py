"""What is measured of a run when it is asked for: report, explanation, map, what every budget covers."""

from __future__ import annotations

import dataclasses
import ntpath
from typing import TYPE_CHECKING, Any

import numpy as np

from .dataset.frames import frames_by_id
from .dataset.rows import FRAMES, counted
from .diagnostics.explain import RowExplanation, explain_row
from .diagnostics.report import CoresetReport, coreset_report
from .errors import CoresetError
from .figures import Mark, Pane, draw
from .kept_rows import kept_rows
from .progress import ProgressCallback
from .vectors.points import Points

if TYPE_CHECKING:
    from .diagnostics.first_cover import FirstCover
    from .results import CoresetResults

#: What a row is called that is no longer there.
DELETED = "deleted after the run"

#: Largest groups of near-copies that a report names.
_NAMED_GROUPS = 5


def report_of(results: CoresetResults, budget: Any, **kwargs: Any) -> CoresetReport:
    """See :meth:`.CoresetResults.report`."""
    changes = results.changes()
    embeddings, alive = results.embeddings(), results.alive()
    kept = kept_rows(results, budget, alive)
    kept = kept[np.isfinite(embeddings[kept]).all(axis=1)]
    options = {
        "labels": results.labels(),
        "stability": results.expected_overlap(budget),
        "coverage_radius": results.curve().coverage_radius,
        "near_duplicate_radius": results.curve().near_duplicate_radius,
        "near_copies": results.near_copies,
        "seed": results.config.seed,
    }
    report = coreset_report(embeddings, kept, **options | kwargs)
    warnings = [*([changes] if changes else []), *report.warnings]
    return dataclasses.replace(report, warnings=warnings, notes=[*report.notes, _how_copies_were_told(results)])


def _how_copies_were_told(results: CoresetResults) -> str:
    if results.near_copies is None:
        return "Near-duplicates are look-alikes, told by distance: there were no fingerprints."
    lacking = results.config.facts.get("without_fingerprint", 0)
    without = f" {counted(lacking, results.noun)} without a fingerprint count as no copies." if lacking else ""
    sizes = -np.sort(-np.bincount(results.near_copies))
    largest = ", ".join(f"{size:,}" for size in sizes[:_NAMED_GROUPS] if size > 1)
    if not largest:
        return (
            f"Near-duplicates are near-copies, told by fingerprints; there are none among the {results.noun}.{without}"
        )
    alarms = results.config.facts.get("near_copy_false_alarm_rate", 0.0)
    groups = counted(int((sizes > 1).sum()), "groups")
    return (
        f"Near-duplicates are near-copies, told by fingerprints: {groups}, the largest of "
        f"{largest} {results.noun}; about {alarms:.1%} of the links between them are expected to be false.{without}"
    )


def first_cover_of(results: CoresetResults, progress: ProgressCallback) -> FirstCover:
    """See :meth:`.CoresetResults.first_cover`; measured on what is alive."""
    from .diagnostics.first_cover import MAX_ROWS, first_cover

    if len(results) > MAX_ROWS:
        raise CoresetError(
            f"With more than {MAX_ROWS:,} images the map shows kept and not kept; coverage is measured on a sample."
        )
    curve, order, copies = results.curve(), results.ranking, results.near_copies
    return first_cover(
        Points(results.embeddings()[order]),
        curve.coverage_radius,
        curve.near_duplicate_radius,
        None if copies is None else copies[order],
        progress,
    )


def first_budgets_of(results: CoresetResults) -> tuple[np.ndarray, np.ndarray] | None:
    """(n,) budgets from which on each row is covered, and repeats a kept one; None if there are too many rows."""
    from .diagnostics.first_cover import MAX_ROWS

    if len(results) > MAX_ROWS:
        return None
    first = results.first_cover()
    covered, duplicate = (np.empty(len(results), dtype=np.uint32) for _ in range(2))
    covered[results.ranking], duplicate[results.ranking] = first.covered_at, first.duplicate_at
    return covered, duplicate


def status_of(results: CoresetResults, k: int) -> dict[str, np.ndarray]:
    """Rows by what they are at a budget, but for those that are kept; the most telling first."""
    budgets = first_budgets_of(results)
    if budgets is None:
        return {}
    covered, duplicate = budgets
    dropped = results.ranking[k:]
    dropped = dropped[results.alive()[dropped]]
    redundant = dropped[duplicate[dropped] <= k]
    uncovered = dropped[(covered[dropped] > k) & (duplicate[dropped] > k)]
    return {
        "redundant": redundant[np.argsort(duplicate[redundant], kind="stable")],
        "uncovered": uncovered[np.argsort(-covered[uncovered].astype(np.int64), kind="stable")],
    }


def map_of(results: CoresetResults, budget: Any, backend: str) -> Any:
    """See :meth:`.CoresetResults.plot`."""
    if results.points is None:
        raise CoresetError(f"run '{results.key}' has no map; compute it again with projection='umap' or 'pca'")
    kept = results.kept(budget)
    status = status_of(results, len(kept))
    redundant, uncovered = (status.get(name, np.empty(0, dtype=np.int64)) for name in ("redundant", "uncovered"))
    others = np.setdiff1d(np.flatnonzero(results.alive()), np.concatenate([kept, redundant, uncovered]))
    size = float(np.clip(80 / np.sqrt(len(results)), 1.2, 5))  # many points must not hide one another
    parts = [
        ("covered" if status else "not kept", others, "#aab2bd", size),  # the colours of the panel
        ("redundant", redundant, "#c79a00", size),
        ("uncovered", uncovered, "#d1430c", size),
        ("kept", kept, "#0b66b8", 1.5 * size),
    ]
    marks = []
    for name, rows, color, size in parts:
        hover = np.array([f"{name}, rank {results.rank[row]:,}<br>{results.ids[row]}" for row in rows])
        x, y = results.points[rows].T
        if len(rows):
            marks.append(Mark(f"{name}, {len(rows):,}", x, y, color, "points", size=size, hover=hover))
    return draw([Pane(marks)], 8, 5.5, backend)


def explanation_of(results: CoresetResults, row_id: str, budget: Any) -> RowExplanation:
    """See :meth:`.CoresetResults.explain`."""
    (rows,) = np.nonzero(results.ids == row_id)
    if len(rows) == 0:
        raise CoresetError(f"run '{results.key}' did not rank '{row_id}'; it ranked {len(results):,} others")
    row = int(rows[0])
    results.warn()
    embeddings, alive = results.embeddings(), results.alive()
    usable = alive & np.isfinite(embeddings).all(axis=1)
    if not usable[row]:
        lost = "has no usable embedding any more" if alive[row] else "was deleted after the run"
        raise CoresetError(f"'{row_id}' {lost}; choose another of the {usable.sum():,} {results.noun} that are left")
    order = results.ranking
    kept = kept_rows(results, budget, alive)
    found = explain_row(
        embeddings,
        order[usable[order]],
        row,
        int(usable[kept].sum()),
        figures=results.columns,
        coverage_radius=results.curve().coverage_radius,
        near_duplicate_radius=results.curve().near_duplicate_radius,
        near_copies=results.near_copies,
    )
    named = [row] if found.nearest is None else [row, found.nearest]
    return dataclasses.replace(found, names=dict(zip(named, _file_names(results, named), strict=True)))


def _file_names(results: CoresetResults, rows: list[int]) -> list[str]:
    """The files that rows are, or are part of, without their folders."""
    ids, patches_field = results.ids[rows].tolist(), results.config.patches_field
    source = results.rows().source
    if patches_field is None:
        paths = dict(zip(*source.select(ids).values(["id", "filepath"]), strict=True))
        return [ntpath.basename(paths[row_id]) if row_id in paths else DELETED for row_id in ids]
    if patches_field == FRAMES:
        frames = frames_by_id(results.rows().dataset, ids)
        return [frames[row_id].name if row_id in frames else DELETED for row_id in ids]
    found = [source.match_labels(ids=[row_id], fields=patches_field).limit(1).values("filepath") for row_id in ids]
    names = [ntpath.basename(paths[0]) if paths else DELETED for paths in found]
    return [f"object {row_id} in {name}" for row_id, name in zip(ids, names, strict=True)]
