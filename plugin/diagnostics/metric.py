"""One diagnostic metric and what a random subset of the same size would show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Metric -> (which way is better, "" for neither; what it says); :func:`.report_metrics.measures` adds to it.
MEANING = {
    "distance_median": ("low", "half of all lie closer to a kept one"),
    "distance_95": ("low", "95 % of all lie closer to a kept one"),
    "distance_99": ("low", "99 % of all lie closer to a kept one"),
    "distance_max": ("low", "the worst covered one; a single outlier decides it"),
    "distance_mean": ("low", "mean distance to the nearest kept one; kept ones count as 0"),
    "coverage": ("high", "all within the coverage radius of a kept one"),
    "near_duplicate_rate": ("low", "kept ones that another kept one is a near-duplicate of"),
    "cluster_coverage": ("high", "clusters of which at least one is kept"),
    "cluster_kl": ("low", "divergence of cluster shares from the collection's; 0 is proportional"),
    "cluster_worst": (
        "high",
        "kept over fair number of the worst served cluster whose fair number is at least 5",
    ),
    "class_coverage": ("high", "classes of which at least one is kept"),
    "class_kl": ("low", "divergence of class shares from the collection's; 0 is proportional"),
    "class_worst": ("high", "the same for classes"),
    "stability": ("high", "kept ones that another random seed of the method would keep too"),
}


@dataclass(frozen=True)
class RandomBand:
    """A metric over random subsets of the same size.

    Attributes:
        mean: mean
        sd: sample standard deviation
        repeats: number of random subsets they were found from; 0 if they are known exactly
    """

    mean: float
    sd: float
    repeats: int

    @property
    def width(self) -> float:
        """Half the width of the interval that holds 99.7 % of random subsets: 3 SD, and more if few were drawn."""
        if not self.repeats:
            return 3 * self.sd
        from scipy.special import stdtrit

        # Prediction interval: Student's t, since the SD is estimated, and the mean is uncertain by 1/repeats.
        return float(stdtrit(self.repeats - 1, 1 - 0.00135)) * (1 + 1 / self.repeats) ** 0.5 * self.sd

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> RandomBand:
        """The band of one value a random subset."""
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0, len(values))


@dataclass(frozen=True)
class Metric:
    """One metric of a report.

    Attributes:
        value: the selection's own
        random: the same metric over random subsets of that size; None where random has no meaning
        better: "low" or "high"; "" where neither is better
        explanation: what it says, in one line
    """

    value: float
    random: RandomBand | None
    better: str
    explanation: str

    @property
    def random_mean(self) -> float | None:
        """Mean over random subsets, if there is a band."""
        return self.random.mean if self.random else None

    @property
    def z(self) -> float | None:
        """Standard deviations above the random mean; None without a band or spread."""
        if self.random is None or self.random.sd == 0:
            return None
        return (self.value - self.random.mean) / self.random.sd

    @property
    def ratio(self) -> float | None:
        """Value over the random mean; None without a band or when that mean is 0."""
        if self.random is None or self.random.mean == 0:
            return None
        return self.value / self.random.mean

    @property
    def verdict(self) -> str:
        """Outside 99.7 % of random subsets it is "better" or "worse", else "like random"; "" if that cannot be said."""
        if self.random is None or not self.better:
            return ""
        gap = self.value - self.random.mean
        if abs(gap) <= self.random.width:
            return "like random"
        return "better" if (gap > 0) == (self.better == "high") else "worse"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return {
            "value": self.value,
            "random_mean": self.random_mean,
            "random_sd": self.random.sd if self.random else None,
            "z": self.z,
            "ratio": self.ratio,
            "verdict": self.verdict,
            "explanation": self.explanation,
        }


def distance_metrics(distance: np.ndarray, radius: float) -> dict[str, np.ndarray]:
    """Coverage metrics from distances to the nearest kept image.

    Args:
        distance: (..., m) distances of m images
        radius: distance within which an image counts as covered

    Returns:
        metric -> (...) float64
    """
    median, r95, r99 = np.quantile(distance, [0.5, 0.95, 0.99], axis=-1)
    return {
        "distance_median": median.astype(np.float64),
        "distance_95": r95.astype(np.float64),
        "distance_99": r99.astype(np.float64),
        "distance_max": distance.max(axis=-1).astype(np.float64),
        "distance_mean": distance.mean(axis=-1, dtype=np.float64),
        "coverage": (distance <= radius).mean(axis=-1),
    }
