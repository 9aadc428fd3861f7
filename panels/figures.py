"""The panel's figures: the curve, the report card and what is known about one image."""

from __future__ import annotations

import ntpath
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..plugin.dataset.frames import frames_by_id
from ..plugin.diagnostics.tables import number, percent
from ..plugin.run_figures import DELETED

if TYPE_CHECKING:
    from ..plugin.diagnostics.metric import Metric, RandomBand
    from .runs import PanelRun

#: Report figures in the order of the card, with the label that is read there.
_LABELS = {
    "coverage": "Covered",
    "distance_median": "Median distance",
    "distance_95": "95 % distance",
    "near_duplicate_rate": "Near-duplicates kept",
    "distance_mean": "Mean distance",
}
#: Numbers read to find what lies near the image under the cursor, about 0.1 s.
_MAX_SEARCHED = 2e7

#: Budgets at which the curve is drawn; the browser interpolates between them.
_CURVE_POINTS = 160

_SHARES = ("coverage", "near_duplicate_rate")
_OFF_THE_CURVE = {name: (label, name in _SHARES) for name, label in _LABELS.items()}

#: Report figures that are measured for the budget: label, and whether they are shares.
_MEASURED = {
    "energy_distance": ("Shift from the whole", False),
    "class_coverage": ("Classes kept", True),
    "class_worst": ("Worst class, of its fair share", True),
    "cluster_coverage": ("Kinds kept", True),
    "cluster_worst": ("Worst kind, of its fair share", True),
}
#: What a curator reads about a figure where the library's own words are those of its definition.
_EXPLAINED = {
    "energy_distance": "how far the kept are from being spread as all are, as energy distance; 0 is alike",
    "class_worst": "what is kept of the class that comes off worst, of what its size would give it",
    "cluster_coverage": "groups of what is alike (clusters) of which at least one is kept",
    "cluster_worst": "what is kept of the group that comes off worst, of what its size would give it",
}


def curve_payload(run: PanelRun) -> dict[str, Any]:
    """The coverage curve and the figures that follow the slider."""
    curve = run.results.curve()
    budgets = np.unique(np.geomspace(max(1, run.n // 500), run.n, _CURVE_POINTS).round().astype(int)).tolist()
    at = [curve.at(budget) for budget in budgets]

    def line(values: Iterable[float]) -> list[float]:
        return [float(f"{value:.5g}") for value in values]

    def random(name: str) -> list[RandomBand]:
        return [band for metrics in at if (band := metrics[name].random) is not None]

    figures = [
        {
            "id": name,
            "label": label,
            "share": name in _SHARES,
            "better": at[0][name].better,
            "explanation": at[0][name].explanation,
            "values": line(metrics[name].value for metrics in at),
            "mean": line(band.mean for band in random(name)),
            "sd": line(band.sd for band in random(name)),
        }
        for name, label in _LABELS.items()
    ]
    sampled = f" Measured on {len(curve.rows):,} sampled {run.noun}." if len(curve.rows) < curve.n else ""
    return {
        "budgets": budgets,
        "figures": figures,
        "knees": sorted({knee for knee in curve.knees.values() if knee}),
        "note": f"Covered: within {number(curve.coverage_radius)} of a kept one; near-duplicates: within "
        f"{number(curve.near_duplicate_radius)}. Random: {curve.n_random} random subsets of the same size.{sampled}",
    }


def report_payload(run: PanelRun, k: int) -> dict[str, Any]:
    """The figures of the report card that are measured anew for a budget, and how reliable the run is.

    The curve counts what was deleted since the run, so then the figures that the browser reads off it are among them.
    """
    left = run.n_alive(k)
    report = run.results.report(left, n_random=5, max_rows=4_000)
    shown = _MEASURED if run.results.alive().all() else _OFF_THE_CURVE | _MEASURED
    rows = [_row(name, report.metrics[name], *words) for name, words in shown.items() if name in report.metrics]
    return {"rows": rows + _stability_rows(run, left), "warnings": report.warnings}


def _row(name: str, metric: Metric, label: str, share: bool) -> dict[str, Any]:
    write = percent if share else number
    return {
        "label": label,
        "value": write(metric.value),
        "random": write(metric.random.mean) if metric.random else None,
        "verdict": {"better": "better", "worse": "worse", "like random": "same"}.get(metric.verdict),
        "explanation": _EXPLAINED.get(name, metric.explanation),
    }


def _stability_rows(run: PanelRun, k: int) -> list[dict[str, Any]]:
    overlap, reliability = run.results.expected_overlap(k), run.config.reliability
    rows = []
    if overlap is not None:
        says = f"kept {run.noun} that another run with a new seed is expected to keep too"
        rows.append({"label": "Same picks, other seed", "value": percent(overlap), "explanation": says})
    if reliability is not None:
        says = "correlation of the scores of two halves of the run's draws; 1 is perfectly repeatable"
        rows.append({"label": "Reliability", "value": number(reliability), "explanation": says})
    return [row | {"random": None, "verdict": None} for row in rows]


def inspection(run: PanelRun, row: int, k: int) -> dict[str, Any]:
    """Thumbnail and figures of one row, and what is kept near it at a budget."""
    title, path = _named(run, str(run.ids[row]))
    figures = [
        {"label": name.replace("_", " ").capitalize(), "value": number(values[run.order[row]])}
        for name, values in run.results.columns.items()
    ]
    return {"id": str(run.ids[row]), "path": path, "title": title, "figures": figures + _neighbors(run, row, k)}


def _named(run: PanelRun, row_id: str) -> tuple[str, str | None]:
    """What a row is called, and the picture of it, if there is one."""
    if run.are_frames:
        frame = frames_by_id(run.dataset, [row_id]).get(row_id)
        return (frame.name, frame.filepath) if frame else (DELETED, None)
    media_field = run.dataset.app_config.grid_media_field or "filepath"
    sample_id = sample_id_of(run, row_id)
    found = run.results.rows().source.select(sample_id).values(["filepath", media_field]) if sample_id else [[], []]
    path = (found[1] or found[0] or [None])[0]
    return (ntpath.basename(path), path) if path else (DELETED, None)


def _neighbors(run: PanelRun, row: int, k: int) -> list[dict[str, str]]:
    """What is kept near a row, once the embeddings are in memory: reading them would keep the cursor waiting."""
    from ..plugin.diagnostics.explain import explain_row

    curve = run.results.curve()
    if not run.has_embeddings or run.n * run.points.dim > _MAX_SEARCHED or row not in run.points.rows:
        return []
    found = explain_row(
        run.points,
        run.points.rows,
        row,
        max(1, len(run.kept_rows(k))),
        coverage_radius=curve.coverage_radius,
        near_duplicate_radius=curve.near_duplicate_radius,
    )
    twins = len(found.near_duplicates)
    return [
        {"label": "Nearest kept at", "value": number(found.distance)},
        {"label": "Near-duplicates", "value": f"{twins:,}, {found.n_kept_near_duplicates:,} kept" if twins else "none"},
    ]


def sample_id_of(run: PanelRun, row_id: str) -> str | None:
    """The id of the sample that a row is, or is part of; None if an object or frame was deleted."""
    if run.config.patches_field is None:
        return row_id
    if run.are_frames:
        frame = frames_by_id(run.dataset, [row_id]).get(row_id)
        return frame.video if frame else None
    found = run.dataset.match_labels(ids=[row_id], fields=run.config.patches_field).limit(1).values("id")
    return found[0] if found else None
