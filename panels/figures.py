"""The panel's figures: the curve, the report card and what is known about one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .payload import short

if TYPE_CHECKING:
    from ..plugin.diagnostics.metric import Metric
    from .runs import PanelRun

#: Report figures in the order of the card, with the label that is read there.
_LABELS = {
    "coverage": "Covered",
    "radius_median": "Coverage radius, median",
    "radius_95": "Coverage radius, 95 %",
    "near_duplicate_rate": "Near-duplicates kept",
    "mean_distance": "Mean distance to kept",
}
_SHARES = ("coverage", "near_duplicate_rate")


def curve_payload(run: PanelRun) -> dict[str, Any]:
    """The coverage curve and the figures that follow the slider."""
    curve = run.results.curve()
    start = np.searchsorted(curve.budgets, max(1, run.n // 500))
    keep = slice(max(0, int(start) - 1), None)

    def rounded(values: np.ndarray) -> list[float]:
        return [float(f"{value:.5g}") for value in values[keep]]

    figures = []
    example = curve.at(int(curve.budgets[-1]))
    for name, label in _LABELS.items():
        figures.append(
            {
                "id": name,
                "label": label,
                "share": name in _SHARES,
                "better": example[name].better,
                "explanation": example[name].explanation,
                "values": rounded(curve.values[name]),
                "mean": rounded(curve.random_mean[name]),
                "sd": rounded(curve.random_sd[name]),
            }
        )
    sampled = f" Measured on {len(curve.rows):,} sampled {run.noun}." if len(curve.rows) < curve.n else ""
    return {
        "budgets": curve.budgets[keep].tolist(),
        "figures": figures,
        "knees": sorted({knee for knee in curve.knees.values() if knee}),
        "note": f"Covered: within {short(curve.radius)} of a kept one; near-duplicates: within "
        f"{short(curve.near_duplicate)}. Random: {curve.n_random} random subsets of the same size.{sampled}",
    }


def report_payload(run: PanelRun, k: int) -> dict[str, Any]:
    """The figures of the report card that are measured anew for a budget."""
    report = run.results.report(k, n_random=5, max_rows=4_000)
    rows = [_row(name, metric) for name, metric in report.metrics.items() if name not in _LIVE]
    return {"rows": rows, "warnings": report.warnings, "note": " ".join(report.notes)}


#: Figures that the curve gives at every budget, and those that would say the same in other words.
_LIVE = {*_LABELS, "radius_99", "radius_max"}


def _row(name: str, metric: Metric) -> dict[str, Any]:
    random = metric.random
    return {
        "label": name.replace("_", " ").capitalize(),
        "value": short(metric.value),
        "random": short(random.mean) if random else None,
        "verdict": {"better": "better", "worse": "worse", "like random": "same"}.get(metric.verdict),
        "explanation": metric.explanation,
    }


def inspection(run: PanelRun, row: int) -> dict[str, Any]:
    """Thumbnail and figures of one row."""
    media_field = run.dataset.app_config.grid_media_field or "filepath"
    sample_id = sample_id_of(run, row)
    found = run.dataset.select(sample_id).values(["filepath", media_field]) if sample_id else [[], []]
    path = (found[1] or found[0] or [None])[0]
    figures = [
        {"label": name.replace("_", " ").capitalize(), "value": short(values[run.order[row]])}
        for name, values in run.results.columns.items()
    ]
    title = path.replace("\\", "/").rsplit("/", 1)[-1] if path else "deleted after the run"
    return {"id": str(run.ids[row]), "path": path, "title": title, "figures": figures}


def sample_id_of(run: PanelRun, row: int) -> str | None:
    """The id of the sample that a row is, or is part of; None if it was deleted."""
    row_id = str(run.ids[row])
    if run.config.patches_field is None:
        return row_id
    found = run.dataset.match_labels(ids=[row_id], fields=run.config.patches_field).limit(1).values("id")
    return found[0] if found else None
