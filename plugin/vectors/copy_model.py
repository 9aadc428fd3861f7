"""How likely two images are near-copies by the agreement of their fingerprints, as read from a pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

#: Share of altered copies that agree less than the weakest copies looked for.
_MISSED = 0.01
#: Fisher's z that unrelated images may reach: five standard deviations of the correlation of about 100 independent
#: gradients.
_CHANCE = 0.5
#: The tail of the look-alikes is read below the copies, over two stretches of this width of Fisher's z.
_WIDTH = 0.5
#: What its rate is taken for before any pair was seen, per unit of z, and the pairs that this counts as.
_PRIOR_RATE, _PRIOR_PAIRS = 4.0, 10
#: The slowest tail that look-alikes are taken to have. In development pools without copies rates were 3.9 to 7.3; in a
#: film the frames of one scene are a continuum, whose tail is that of copies.
_LEAST_RATE = 3.5
#: Standard errors by which pairs must exceed what the tail explains, to be taken for copies.
_SURE = 2.0
#: Agreement above this is as good as complete: fingerprints are rounded.
_COMPLETE = 0.999
#: Points at which probabilities are found, and interpolated between.
_GRID = 1000


@dataclass(frozen=True)
class CopyModel:
    """Tells how likely a pair of neighbours is a near-copy from the agreement of its fingerprints.

    Fisher's z of the agreement, ``atanh``, has an exponential upper tail over look-alikes, whatever the pool, and
    altered copies of the pool's own images say where copies lie. The tail's height and rate are read from the pool's
    neighbours just below the copies; what is there beyond it are copies.

    Attributes:
        low: z of the weakest copies looked for
        rate: the look-alikes' tail falls as exp(-rate z)
        look_alikes: pairs of look-alikes with a z of at least ``low``, as the tail says
        copies: pairs of copies
        altered: (m,) sorted z of altered copies
        pairs: pairs that it was read from
    """

    low: float
    rate: float
    look_alikes: float
    copies: float
    altered: np.ndarray
    pairs: int

    @classmethod
    def fit(
        cls, agreements: np.ndarray, altered: np.ndarray, apart: np.ndarray | Sequence[float] = ()
    ) -> CopyModel | None:
        """Reads the model from a pool.

        Args:
            agreements: (p,) agreement of pairs of neighbours
            altered: (m,) agreement of altered copies
            apart (()): agreement of further pairs of neighbours, which people said are no copies: the tail is read from
                them, too, and they are not counted as copies

        Returns:
            the model; None if the altered copies of no image agree with it
        """
        z, copies_z = fisher(np.r_[agreements, apart]), np.sort(fisher(altered))
        copies_z = copies_z[copies_z > _CHANCE]  # the others are images without anything to recognise
        if not len(copies_z):
            return None
        low = float(np.quantile(copies_z, _MISSED))
        far, near = (z[(z >= start) & (z < start + _WIDTH)] - start for start in (low - 2 * _WIDTH, low - _WIDTH))
        # A tail does not fall more slowly further out; where it seems to, copies are mixed in.
        rate, beyond = max(_tail_rate(far), _LEAST_RATE), 1
        if _tail_rate(near) >= rate:
            rate, far, beyond = _tail_rate(near), near, 0
        passed = np.exp(-rate * _WIDTH)
        look_alikes = len(far) * passed ** (1 + beyond) / (1 - passed)
        return cls(low, rate, look_alikes, 0.0, copies_z, len(z)).among(agreements)

    def to_dict(self) -> dict[str, float]:
        """What a run keeps of it; the altered copies are kept with the fingerprints."""
        return {name: float(getattr(self, name)) for name in ("low", "rate", "look_alikes", "copies", "pairs")}

    @classmethod
    def from_dict(cls, stored: dict[str, float], altered: np.ndarray) -> CopyModel:
        """The model that :meth:`to_dict` described.

        Args:
            stored: the dict
            altered: (m,) agreement of altered copies
        """
        z = np.sort(fisher(altered))
        low, rate, look_alikes, copies = (stored[name] for name in ("low", "rate", "look_alikes", "copies"))
        return cls(low, rate, look_alikes, copies, z[z > _CHANCE], int(stored["pairs"]))

    def among(self, agreements: np.ndarray) -> CopyModel:
        """The model for other pairs: look-alikes are as frequent among them, copies may be more frequent.

        Args:
            agreements: (p,) agreement of the pairs
        """
        z, share = fisher(agreements), len(agreements) / max(self.pairs, 1)
        look_alikes, copies = self.look_alikes * share, self.copies * share
        # Copies are what the tail does not explain, wherever that shows best: a few complete ones far out, or many.
        for missed in (_MISSED, 0.25, 0.5, 0.75):
            limit = np.quantile(self.altered, missed)
            expected = look_alikes * np.exp(-self.rate * (limit - self.low))
            excess = np.sum(z >= limit) - expected - _SURE * np.sqrt(expected + 1)
            copies = max(copies, float(excess / (1 - missed)))
        return replace(self, look_alikes=look_alikes, copies=copies, pairs=len(z))

    def probability(self, agreements: np.ndarray) -> np.ndarray:
        """(p,) float32 probability that pairs of neighbours are near-copies; it never falls while agreement rises."""
        z = np.linspace(self.low - _WIDTH, fisher(1.0), _GRID)
        middle = float(np.median(self.altered))
        spread = np.where(z < middle, *(max(_deviation(self.altered, middle, side), 0.05) for side in (-1, 1)))
        log_copies = np.log(max(self.copies, 1e-9) / spread) - ((z - middle) / spread) ** 2 / 2 - np.log(2 * np.pi) / 2
        log_alike = np.log(max(self.look_alikes, 1e-9) * self.rate) - self.rate * (z - self.low)
        rising = np.maximum.accumulate(1 / (1 + np.exp(np.clip(log_alike - log_copies, -50, 50))))
        return np.interp(fisher(agreements), z, rising, left=0).astype(np.float32)


def _deviation(values: np.ndarray, middle: float, side: int) -> float:
    """Root mean square of the deviations to one side."""
    beyond = (values - middle)[(values - middle) * side >= 0]
    return float(np.sqrt(np.mean(beyond**2))) if len(beyond) else 0.0


def fisher(agreements: np.ndarray | Sequence[float] | float) -> np.ndarray:
    """Fisher's z of correlations."""
    return np.arctanh(np.minimum(np.asarray(agreements, dtype=np.float64), _COMPLETE))


def _tail_rate(below: np.ndarray) -> float:
    """The rate of an exponential seen from 0 to ``_WIDTH`` only, by maximum likelihood with a prior."""
    count = len(below) + _PRIOR_PAIRS
    mean_of_prior = 1 / _PRIOR_RATE - _WIDTH / np.expm1(_PRIOR_RATE * _WIDTH)
    mean = (below.sum() + _PRIOR_PAIRS * mean_of_prior) / count
    rate = _PRIOR_RATE
    for _ in range(50):  # mean = 1 / rate - width / (exp(rate width) - 1)
        rate = 1 / (mean + _WIDTH / np.expm1(max(rate, 1e-3) * _WIDTH))
    return float(rate)
