"""The learning curve: the error of a model against the number of labels, fitted and continued with a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..diagnostics.tables import Content, html_card, number, text_card
from ..errors import CoresetError
from ..figures import BLUE, LIGHT, ORANGE, Mark, Pane, draw
from ..seeds import check_seed

#: Rounds from which on a power law is fitted; it has three parameters.
FITTED_FROM = 4

#: Refits that make the band, and the share of them that it holds.
_REFITS = 200
_BAND = 0.8

#: Times the labels at hand up to which a curve is continued.
_REACH = 2

#: Exponents that are tried. Measured ones lie between 0.07 and 0.35, in theory up to 1 (Hestness et al. 2017).
_EXPONENTS = (0.01, 2.0)

#: Points of a grid of exponents, and how often it is drawn again around the best.
_GRID = 41
_ZOOMS = 5


@dataclass(frozen=True)
class Estimate:
    """A number with the band that holds it in four of five cases; infinite where it is not reached.

    Attributes:
        value: the estimate
        low: lower end
        high: upper end
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """Errors at growing numbers of labels, with the power law ``a n^-b + c`` through them.

    Attributes:
        n_labels: (r,) float64 labels at each round, ascending
        errors: (r,) float64 errors
        standard_errors: (r,) float64 standard errors; NaN if they are not known
        law: (a, b, c), or None if there are too few rounds for one
        refits: (m, 3) laws of the bootstrap; None without a law
        metric: what 1 - error is called
        note: why there is no law; "" if there is one
        drawn_from: labels of the first round that entered the law, where its line begins

    Examples:
        >>> curve = fc.learning_curve([50, 100, 200, 400], [0.50, 0.39, 0.31, 0.25])
        >>> curve.horizon
        800
    """

    n_labels: np.ndarray
    errors: np.ndarray
    standard_errors: np.ndarray
    law: np.ndarray | None
    refits: np.ndarray | None
    metric: str = "accuracy"
    note: str = ""
    drawn_from: float = 0

    def __len__(self) -> int:
        return len(self.n_labels)

    @property
    def horizon(self) -> int:
        """The number of labels up to which the curve is continued: twice the labels at hand."""
        return int(_REACH * self.n_labels[-1])

    def error_at(self, n: float) -> Estimate:
        """The error that the law expects at a number of labels.

        Args:
            n: labels, at most :attr:`horizon`

        Returns:
            the estimate with its band

        Raises:
            CoresetError: if there is no law, or ``n`` lies beyond the horizon

        Examples:
            >>> curve = fc.learning_curve([50, 100, 200, 400], [0.50, 0.39, 0.31, 0.25])
            >>> round(curve.error_at(600).value, 2)
            0.22
        """
        law, refits = self._fitted()
        if not 0 < n <= self.horizon:
            raise CoresetError(
                f"the curve is continued to {self.horizon:,} labels, twice the {self.n_labels[-1]:,.0f} at hand; "
                f"{n:,.0f} lie beyond it"
            )
        return _estimate(_power(law, n), _power(refits, n))

    def gain(self, batch: int) -> Estimate:
        """The fall of the error that the next labels are expected to bring.

        Args:
            batch: labels of the next batch

        Returns:
            the estimate with its band

        Raises:
            CoresetError: if there is no law, or the batch reaches beyond the horizon

        Examples:
            >>> curve = fc.learning_curve([50, 100, 200, 400], [0.50, 0.39, 0.31, 0.25])
            >>> round(curve.gain(200).value, 2)
            0.03
        """
        law, refits = self._fitted()
        now, then = self.n_labels[-1], self.n_labels[-1] + batch
        self.error_at(then)
        return _estimate(_power(law, now) - _power(law, then), _power(refits, now) - _power(refits, then))

    def labels_for(self, error: float) -> Estimate:
        """The number of labels at which the law reaches an error; infinite beyond the horizon.

        Args:
            error: the error to reach, in (0, 1)

        Returns:
            the estimate with its band; 0 labels are the least

        Raises:
            CoresetError: if there is no law

        Examples:
            >>> curve = fc.learning_curve([50, 100, 200, 400], [0.50, 0.39, 0.31, 0.25])
            >>> 400 < curve.labels_for(0.23).value < 800
            True
        """
        law, refits = self._fitted()
        needed = [
            np.where(found <= self.horizon, found, np.inf) for found in (_needed(law, error), _needed(refits, error))
        ]
        return _estimate(needed[0], needed[1])

    def drawn(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
        """The law as a line from the first round that entered it to the horizon; None without a law.

        Returns:
            labels, metric, and lower and upper end of its band

        Examples:
            >>> n, metric, lower, upper = fc.learning_curve([50, 100, 200, 400], [0.50, 0.39, 0.31, 0.25]).drawn()
            >>> bool((lower <= upper).all())
            True
        """
        if self.law is None or self.refits is None:
            return None
        n = np.geomspace(self.drawn_from, self.horizon, 100)
        low, high = _quantiles(_power(self.refits[:, None], n))
        return n, 1 - _power(self.law, n), 1 - high, 1 - low

    def plot(self, target: float | None = None, backend: str = "plotly") -> Any:
        """Draws the rounds with their standard errors, the law, and its band, dotted beyond the labels at hand.

        Args:
            target (None): a value of the metric to mark
            backend ("plotly"): "plotly" for an interactive figure, as FiftyOne's are, "matplotlib" for a static one

        Returns:
            a figure

        Raises:
            CoresetError: if there is no such backend, or matplotlib is not installed

        Examples:
            >>> curve = fc.learning_curve([50, 100, 200, 400], [0.50, 0.39, 0.31, 0.25])
            >>> curve.plot(target=0.8).write_html("learning-curve.html")
            >>> curve.plot(target=0.8, backend="matplotlib").savefig("learning-curve.png")
        """
        errors = np.nan_to_num(self.standard_errors)
        marks = [Mark("rounds, ± SE", self.n_labels, 1 - self.errors, ORANGE, "points", errors)]
        line = self.drawn()
        if line is not None:
            n, value, low, high = line
            measured = n <= self.n_labels[-1]
            band = Mark(f"{_BAND:.0%} band", n, np.array([low, high]), LIGHT, "band")
            fitted = Mark("fitted power law", n[measured], value[measured], ORANGE)
            marks = [band, fitted, Mark("", n[~measured], value[~measured], ORANGE, "dotted"), *marks]
        if target is not None:
            reach = [self.n_labels[0], self.n_labels[-1] if line is None else self.horizon]
            marks.append(Mark(f"target, {number(target)}", reach, [target, target], BLUE, "dashed"))
        return draw([Pane(marks, "labels", self.metric)], 6, 4, backend)

    def __repr__(self) -> str:
        return f"<LearningCurve of {len(self)} rounds; print it to read it>"

    def __str__(self) -> str:
        return text_card([self._table()])

    def _repr_html_(self) -> str:
        return html_card([self._table()])

    def _table(self) -> Content:
        rows = []
        for n, error, spread in zip(self.n_labels, self.errors, self.standard_errors, strict=True):
            fitted = number(1 - float(_power(self.law, n))) if self.law is not None else "-"
            rows.append([f"{n:,.0f}", number(1 - error), number(spread), fitted, ""])
        caption = self.note
        if self.law is not None:
            a, b, c = (number(value) for value in self.law)
            caption = f"error = {a} n^-{b} + {c}; continued to {self.horizon:,} labels."
        return f"Learning curve, {len(self)} rounds", ("labels", self.metric, "SE", "law", ""), rows, caption

    def _fitted(self) -> tuple[np.ndarray, np.ndarray]:
        if self.law is None or self.refits is None:
            raise CoresetError(self.note)
        return self.law, self.refits


def learning_curve(
    n_labels: Sequence[float] | np.ndarray,
    errors: Sequence[float] | np.ndarray,
    standard_errors: Sequence[float] | np.ndarray | None = None,
    seed: int = 0,
    *,
    metric: str = "accuracy",
    fitted_from: float = 0,
) -> LearningCurve:
    """Fits a power law to the errors of labelling rounds.

    ``e(n) = a n^-b + c`` with ``a, b > 0`` and ``0 <= c``, below the last error, by least squares with weights
    ``1 / SE^2``: for a given b it is linear, so b alone is searched. The band comes from 200 refits to errors drawn
    around the law (a parametric bootstrap). With few labels a class the law is known to fail (Jain et al., CVPR 2023),
    and continued curves promise too much (Mahmood et al., CVPR 2022): nothing is said beyond twice the labels at hand.

    Args:
        n_labels: (r,) labels at each round, in any order
        errors: (r,) errors in [0, 1], e.g. 1 - accuracy, on the same test set
        standard_errors (None): (r,) their standard errors; if they are not known, rounds weigh the same, and their
            scatter around the law is taken
        seed (0): the random seed of the band
        metric ("accuracy"): what 1 - error is called
        fitted_from (0): rounds with fewer labels are shown, and do not enter the law

    Returns:
        a :class:`LearningCurve`; it has no law from fewer than four rounds with different numbers of labels

    Raises:
        CoresetError: if the arrays do not fit together, or hold numbers that are out of range

    Examples:
        >>> curve = learning_curve([50, 100, 200, 400], [0.50, 0.39, 0.31, 0.25], [0.02, 0.02, 0.02, 0.02])
        >>> round(curve.error_at(800).value, 2)
        0.21
    """
    n, e, se = _checked(n_labels, errors, standard_errors)
    seed = check_seed(seed)
    used = n >= fitted_from
    distinct = len(np.unique(n[used]))
    if distinct < FITTED_FROM:
        least = f" that have {fitted_from:,.0f} labels or more" if fitted_from else ""
        note = f"A curve is fitted from {FITTED_FROM} rounds on{least}; there are {distinct}."
        return LearningCurve(n, e, se, None, None, metric, note)
    x, y, known = n[used], e[used], np.isfinite(se).all()
    weights = 1 / se[used] ** 2 if known else np.ones(len(x))
    law = _fit(x, y[None], weights)[0]
    residuals = y - _power(law, x)
    spread = se[used] if known else np.sqrt(np.square(residuals).sum() / max(1, len(x) - 3)) * np.ones(len(x))
    noise = np.random.default_rng(seed).normal(size=(_REFITS, len(x))) * spread
    refits = _fit(x, np.clip(_power(law, x) + noise, 0, None), weights)
    return LearningCurve(n, e, se, law, refits, metric, drawn_from=float(x.min()))


def _checked(n_labels: Any, errors: Any, standard_errors: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arrays as float64, by rising number of labels."""
    n, e = np.asarray(n_labels, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    se = np.full(e.shape, np.nan) if standard_errors is None else np.asarray(standard_errors, dtype=np.float64)
    if n.ndim != 1 or n.shape != e.shape or n.shape != se.shape or not len(n):
        raise CoresetError(
            f"n_labels, errors and standard_errors must be one number a round, got shapes {n.shape}, {e.shape} and "
            f"{se.shape}"
        )
    if not (np.isfinite(n).all() and (n > 0).all()):
        raise CoresetError("n_labels must be positive numbers of labels, one a round")
    if not (np.isfinite(e).all() and (e >= 0).all() and (e <= 1).all()):
        raise CoresetError("errors must lie between 0 and 1, e.g. 1 - accuracy")
    if standard_errors is not None and not (np.isfinite(se).all() and (se > 0).all()):
        raise CoresetError("standard_errors must be above 0; leave them out if they are not known")
    order = np.argsort(n, kind="stable")
    return n[order], e[order], se[order]


def _fit(n: np.ndarray, errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The best law for every row of errors.

    Args:
        n: (r,) labels
        errors: (m, r) errors
        weights: (r,) weights

    Returns:
        (m, 3) a, b and c
    """
    scaled = n / n[0]  # so that a is of the size of an error
    low = np.full(len(errors), _EXPONENTS[0])
    high = np.full(len(errors), _EXPONENTS[1])
    rows = np.arange(len(errors))
    for _ in range(_ZOOMS):
        b = np.geomspace(low, high, _GRID, axis=1)
        a, c, loss = _linear(scaled[None, None] ** -b[..., None], errors[:, None], weights)
        best = loss.argmin(axis=1)
        low, high = b[rows, np.maximum(best - 1, 0)], b[rows, np.minimum(best + 1, _GRID - 1)]
    found = b[rows, best]
    return np.stack([a[rows, best] * n[0] ** found, found, c[rows, best]], axis=1)


def _linear(x: np.ndarray, e: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted least squares of ``a x + c`` within ``a >= 0`` and ``0 <= c <= last error``: the best of the free
    solution, if it is allowed, and of the edges.
    """
    w = weights / weights.sum()
    mean_x, mean_e = (x * w).sum(-1), (e * w).sum(-1)
    xx, xe = (x * x * w).sum(-1), (x * e * w).sum(-1)
    last = e[..., -1]
    variance = xx - mean_x**2
    free_a = np.divide(xe - mean_x * mean_e, variance, out=np.zeros_like(xe), where=variance > 0)
    free_c = mean_e - free_a * mean_x
    allowed = (free_a >= 0) & (free_c >= 0) & (free_c <= last)
    zeros = np.zeros_like(free_a)
    tops = zeros + last
    candidates = [
        (np.where(allowed, free_a, 0), np.where(allowed, free_c, np.clip(mean_e, 0, last))),
        (np.maximum(xe / xx, 0), zeros),
        (np.maximum((xe - last * mean_x) / xx, 0), tops),
    ]
    losses = [(np.square(a[..., None] * x + c[..., None] - e) * w).sum(-1) for a, c in candidates]
    choice = np.argmin(losses, axis=0)[None]
    a, c = (np.take_along_axis(np.stack([pair[i] for pair in candidates]), choice, axis=0)[0] for i in range(2))
    return a, c, np.min(losses, axis=0)


def _power(law: np.ndarray, n: Any) -> np.ndarray:
    """``a n^-b + c`` of one law or of many."""
    return law[..., 0] * np.asarray(n, dtype=np.float64) ** -law[..., 1] + law[..., 2]


def _needed(law: np.ndarray, error: float) -> np.ndarray:
    """The labels at which a law reaches an error; infinite where it does not."""
    a, b, c = law[..., 0], law[..., 1], law[..., 2]
    room = error - c
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        needed = np.where(room > 0, (a / np.where(room > 0, room, 1)) ** (1 / b), np.inf)
    return np.where((a <= 0) & (room >= 0), 0.0, needed)


def _quantiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the band over the first axis."""
    # 'lower' and 'higher' take values that occur, so that an infinite one is no arithmetic
    edge = (1 - _BAND) / 2
    return np.quantile(values, edge, axis=0, method="lower"), np.quantile(values, 1 - edge, axis=0, method="higher")


def _estimate(value: Any, refits: np.ndarray) -> Estimate:
    low, high = _quantiles(refits)
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))
