"""What is asked of the default method, checked against the judged selections."""

from __future__ import annotations

from collections import Counter

import numpy as np

from .pools import JUNK_SHARE, POOL_SIZES
from .report import Key, Results

Row = tuple[str, str, bool]


def requirements(results: Results) -> list[str]:
    """A table of every requirement, what was measured, and whether it holds."""
    judged = {key: values for key in sorted(results.cells) if len(values := results.differences(key, "auto"))}
    cells = Counter((key.embedding, key.judge) for key in judged)
    fewest = min((len(values) for values in judged.values()), default=0)
    rows = [
        _never_below(results, judged),
        _near_best(results, judged),
        _bursts(results, judged),
        _mixed(judged),
        _classes(results, judged),
        _tail(results, judged),
        _junk(results, judged),
    ]
    return [
        f"{len(judged)} cells ("
        + ", ".join(f"{count} {judge} with {embedding}" for (embedding, judge), count in sorted(cells.items()))
        + f"), each over {fewest} pools or more. A cell is a dataset, kind of pool, budget, judge and embedding.",
        "",
        "| asked | measured | holds |",
        "|---|---|---|",
        *[f"| {asked} | {measured} | {'yes' if holds else '**no**'} |" for asked, measured, holds in rows],
        "",
    ]


def _name(key: Key) -> str:
    return f"{key.dataset} {key.kind} {key.budget:.0%}, {key.judge}, {key.embedding}"


def _never_below(results: Results, judged: dict[Key, np.ndarray]) -> Row:
    errors = {key: values.mean() / (results.margin(key) / 2) for key, values in judged.items()}
    below = [key for key in errors if errors[key] < -2]
    lowest = min(errors, key=lambda key: errors[key])
    above = sum(error > 2 for error in errors.values())
    text = f"{len(below)} of {len(judged)} cells clearly below, {above} clearly above; lowest {_name(lowest)}:"
    text += f" {judged[lowest].mean():+.1f} ({errors[lowest]:+.1f} standard errors)"
    text += f". By luck alone {0.023 * len(judged):.1f} would be below"
    return "never clearly below random", text, not below


def _near_best(results: Results, judged: dict[Key, np.ndarray]) -> Row:
    near, beaten = Counter(), Counter()
    strictly = 0
    for key in judged:
        rival = results.best_other(key)
        group = (key.embedding, key.judge)
        near[group] += rival.near
        strictly += rival.own >= rival.points - rival.luck
        beaten[group] += rival.own >= rival.points
    total = Counter((key.embedding, key.judge) for key in judged)
    parts = [
        f"{near[group] / count:.0%} ({group[1]}, {group[0]}; the best itself in {beaten[group] / count:.0%})"
        for group, count in sorted(total.items())
    ]
    share = sum(near.values()) / len(judged)
    return (
        "within noise of the best other method in >= 80 % of cells",
        f"{share:.0%} ({strictly / len(judged):.0%} if the best had no luck): " + ", ".join(parts),
        share >= 0.8,
    )


def _bursts(results: Results, judged: dict[Key, np.ndarray]) -> Row:
    parts, shares = [], []
    for key, values in judged.items():
        oracle = results.differences(key, "oracle")
        if key.kind == "duplicates" and key.budget <= 0.1 and len(oracle) == len(values):
            shares.append(values.mean() / oracle.mean())
            parts.append(f"{_name(key)}: {values.mean():+.1f} of {oracle.mean():+.1f}")
    text = f"{min(shares):.0%} to {max(shares):.0%}: " + "; ".join(parts) if shares else "not judged"
    return "duplicates, 5 and 10 %: at least half of the oracle's gain", text, bool(shares) and min(shares) >= 0.5


def _mixed(judged: dict[Key, np.ndarray]) -> Row:
    groups: dict[tuple, list[float]] = {}
    for key, values in judged.items():
        if key.kind == "mixed":
            groups.setdefault((key.dataset, key.judge, key.embedding), []).append(float(values.mean()))
    parts = [f"{' '.join(group)}: {np.mean(v):+.1f} ({min(v):+.1f} to {max(v):+.1f})" for group, v in groups.items()]
    holds = bool(groups) and all(np.mean(v) >= 3 for v in groups.values())
    return "mixed: 3 points above random, mean over budgets (lowest to highest)", "; ".join(parts), holds


def _classes(results: Results, judged: dict[Key, np.ndarray]) -> Row:
    keys = [key for key in judged if key.kind == "longtail" and key.judge == "probe"]
    text, holds = _no_less(results, keys, "classes", 100)
    return "longtail: keeps as many classes as random does on average", text, holds


def _tail(results: Results, judged: dict[Key, np.ndarray]) -> Row:
    text, holds = _no_less(results, [key for key in judged if key.kind == "longtail"], "tail_recall", 1)
    return "longtail: higher recall on the rarer half of the classes", text, holds


def _no_less(results: Results, keys: list[Key], what: str, unit: float) -> tuple[str, bool]:
    """In how many cells ``auto`` has no less of something than random, and whether it never has clearly less."""
    gains = {key: results.differences(key, "auto", what).mean() / unit for key in keys}
    errors = {key: gains[key] / (results.margin(key, what=what) / 2 / unit) for key in keys}
    less = [f"{_name(key)}: {gains[key]:+.2f} ({errors[key]:+.1f} standard errors)" for key in keys if gains[key] < 0]
    clearly = sum(error < -2 for error in errors.values())
    text = f"no less in {len(keys) - len(less)} of {len(keys)} cells, clearly less in {clearly}, mean"
    text += f" {np.mean(list(gains.values())):+.1f}" + ("; less: " + "; ".join(less) if less else "")
    return text, clearly == 0


def _junk(results: Results, judged: dict[Key, np.ndarray]) -> Row:
    shares, above = {}, []
    for key, values in judged.items():
        if key.kind in ("junk", "mixed") and key.judge == "probe":
            records = [record for draws in results.cells[key]["auto"].values() for record in draws]
            shares[key] = float(np.mean([record["junk"] for record in records]))
            kept = key.budget * POOL_SIZES[key.embedding] * len(values)
            error = np.sqrt(JUNK_SHARE * (1 - JUNK_SHARE) * (1 - key.budget) / kept)
            if shares[key] > JUNK_SHARE + 2 * error:
                above.append(f"{_name(key)}: {shares[key]:.0%}")
    text = f"mean {np.mean(list(shares.values())):.1%} of {JUNK_SHARE:.0%} in the pools"
    text += f", highest {max(shares.values()):.0%}"
    return (
        "share of junk at or below the pool's (not clearly above)",
        text + ("; clearly above: " + "; ".join(above) if above else ""),
        not above,
    )
