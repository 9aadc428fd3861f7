"""The tuned constants of `auto`, with what each does and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AutoSettings:
    """Constants of `auto`. SENSITIVITY"""

    group_growth: float = 0.5
    proportional_if_bursts: float = 0.05
    proportional_otherwise: float = 0.5
    coarsest_scale: int = 64
    zcore_share: float = 0.9
    max_clusters: int = 1000
    few_dimensions: float = 32
    max_room: float = 3
    looseness_power: float = 4
    draws_per_row: int = 50
    max_draws: int = 5_000_000
    tested_shares: tuple[float, ...] = (0.05, 0.1)
    min_tested: int = 10
    random_choices: int = 10
    max_tested_rows: int = 2000
    trust_standing: tuple[float, float] = (0.75, 0.85)
    trust_crowded: tuple[float, float] = (0.35, 0.4)
    trust_isolated: tuple[float, float] = (0.61, 0.57)
    outlier_neighbor: int = 2
    outlier_share: float = 0.05
    min_judged: int = 20
    min_z: float = 3.0
    max_singleton_share: float = 1 / 3
    nearest_bursts: int = 3
    max_bursts: int = 2000


#: What the method uses.
DEFAULTS = AutoSettings()
