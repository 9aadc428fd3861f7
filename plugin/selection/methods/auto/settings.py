"""The tuned constants of `auto`: what each does, and which measurement set it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AutoSettings:
    """Constants of `auto`.

    "Development pools" are those that docs/quality.md names (Setting, Development): MobileNetV2 pools of seeds 0 and
    100 to 106. "Burst pools" are the kinds ``duplicates`` and ``mixed`` of the report. Caps on cost and least sample
    sizes were not tuned. In brackets: what half and double the value change, in points of accuracy
    (docs/sensitivity.md).

    Attributes:
        group_growth: a group of s near-duplicates weighs s ** this (burst pools) [half -0.2 ± 0.3, double -1.2 ± 0.5]
        coarsest_scale: coverage is measured at the distance of the m-th neighbour while fewer than one row in m is
            kept, for m = this, half of it, and so on to 1 (cap; no neighbour beyond it is computed) [half -0.3 ± 0.3,
            double 0]
        zcore_share: share of the coreset that ZCore chooses where it is trusted (``coreset-mini``'s CIFAR-10 pools of
            the report) [half 0.0 ± 0.2, double -0.1 ± 0.1]
        max_clusters: clusters are the root of the number of rows, up to this (cap)
        few_dimensions: up to so many effective dimensions a cluster counts by the geometric mean of its share of the
            rows and of the space; beyond, by the rows more (development pools; noise planted among digits) [half -0.1 ±
            0.1, double -0.2 ± 0.1]
        max_room: a cluster's space counts as within this factor of its rows, so none is starved (development pools)
            [half 0.0 ± 0.3, double -0.1 ± 0.1]
        looseness_power: a cluster's space is divided by this power of the distance of its rows to their nearest
            neighbours over the median (noise planted among digits) [half +0.2 ± 0.1, double -0.1 ± 0.2]
        draws_per_row: draws of ZCore for each row (cap)
        max_draws: draws of ZCore in all (cap)
        judged_rows: rows of a large pool by which ZCore is judged (cap)
        tested_shares: first shares of ZCore's ranking on which it is tested (``coreset-mini``'s pools of the report)
            [half -0.3 ± 0.3, double -0.3 ± 0.5]
        min_tested: a share is tested if it has so many rows (least sample)
        random_choices: random choices that it is compared with (least sample)
        least_standing: ZCore chooses if its picks represent their regions at least so often, beside random picks (pools
            of the report, both embeddings) [half -0.3 ± 0.7, double -0.3 ± 0.4]
        max_isolation: and if the chance that a pick is more isolated than another row is so near one half (as above)
            [half 0, double -0.1 ± 0.1]
        max_compared: rows that the test of ZCore looks at (cap)
    """

    group_growth: float = 0.5
    coarsest_scale: int = 64
    zcore_share: float = 0.9
    max_clusters: int = 1000
    few_dimensions: float = 32
    max_room: float = 3
    looseness_power: float = 4
    draws_per_row: int = 50
    max_draws: int = 5_000_000
    judged_rows: int = 10_000
    tested_shares: tuple[float, ...] = (0.05, 0.1)
    min_tested: int = 10
    random_choices: int = 10
    least_standing: float = 0.8
    max_isolation: float = 0.1
    max_compared: int = 2000

    def n_draws(self, n: int) -> int:
        """Draws of ZCore for n rows."""
        return min(self.draws_per_row * n, self.max_draws)


#: What the method uses.
DEFAULTS = AutoSettings()
