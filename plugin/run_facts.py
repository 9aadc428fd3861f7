"""A run in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .results import CoresetResults


def facts_of(results: CoresetResults) -> dict[str, str]:
    """The run in a few words."""
    config = results.config
    facts = {
        "ranked": f"{len(results):,} {results.noun} by {config.method}",
        "left out": f"{config.n_unranked:,}" if config.n_unranked else "",
        "embeddings": " + ".join(config.embeddings) if config.embeddings else "given as vectors",
        "seed": str(config.seed),
        "reliability": "" if config.reliability is None else f"{config.reliability:.2f}",
        "map": (config.projection or "").upper(),
    }
    return {name: value for name, value in facts.items() if value}
