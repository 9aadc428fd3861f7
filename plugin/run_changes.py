"""What changed in a dataset since a run: rows that went, came, or have other embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .coreset_view import in_own_slice
from .dataset.embeddings import EmbeddingSource
from .dataset.rows import Rows

if TYPE_CHECKING:
    from .ranked_rows import RankedRows

#: Rows whose embeddings are compared with those of the run's time, a few milliseconds.
_CHECKED = 64


def changes_since(results: RankedRows) -> tuple[str | None, bool]:
    """What changed in a dataset since a run.

    Args:
        results: the run

    Returns:
        a tuple of one sentence, None if nothing did, and whether rows have other embeddings
    """
    alive, source = results.alive(), EmbeddingSource.of(results.config.embeddings or [])
    facts = []
    if not alive.all():
        facts.append(f"{(~alive).sum():,} of the {len(results):,} ranked {results.noun} were deleted")
    seen = Rows(in_own_slice(results, results.samples), results.config.patches_field).current()
    if seen.patches_field is None and seen.has(results.rank_field):
        unranked = len(seen) - seen.count(results.rank_field, at_most=int(results.rank.max()))
    else:
        unranked = int((~np.isin(seen.ids(), results.ids)).sum())
    added = unranked - (results.config.n_unranked or 0)
    if added > 0:
        facts.append(f"{added:,} {results.noun} were added and are not ranked")
    changed = _n_changed(results, alive, source)
    remedy = "update() (the operator 'Update coreset run') takes that in, or compute it again with overwrite=True"
    if changed:
        facts.append(f"{changed} have other embeddings in {' + '.join(source.recorded or [])}")
        remedy = "compute it again with overwrite=True"
    if not facts:
        return None, False
    return f"since run '{results.key}' was computed, {', '.join(facts)}; {remedy}", bool(changed)


def _n_changed(results: RankedRows, alive: np.ndarray, source: EmbeddingSource) -> str:
    """How many rows have other embeddings than the run was computed from, found on a sample of them."""
    if results._fingerprints is None or source.fields is None:
        return ""
    living = np.flatnonzero(alive)
    sample = living[np.linspace(0, len(living) - 1, min(_CHECKED, len(living))).astype(np.int64)]
    now = source.fingerprints_of(results.rows(), results.ids[sample].tolist())
    changed = len(sample) if now is None else int(((now[0] != results._fingerprints[sample]) & now[1]).sum())
    if not changed or len(sample) == len(living):
        return f"{changed:,} {results.noun}" if changed else ""
    return f"{changed:,} of {len(sample):,} checked {results.noun}"
