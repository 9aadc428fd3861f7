"""Advice on whether to label on: several signals side by side, each with its evidence, and never one verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..diagnostics.tables import html_card, number
from ..errors import CoresetError
from .agreement import f1_bound
from .curve import Estimate, LearningCurve

#: Mean agreement of the last rounds' predictions from which on they count as stable, and how many rounds that looks
#: back on (Bloodgood and Vijay-Shanker 2009).
_STABLE = 0.99
_WINDOWS = 3

#: Mean normalised entropy below which little is left to ask (Zhu et al. 2008, as small-text ships it).
_CERTAIN = 0.05


@dataclass(frozen=True)
class Line:
    """One signal.

    Attributes:
        topic: ``"gain"``, ``"target"``, ``"stability"``, ``"uncertainty"``, ``"left"``, ``"nothing new"`` or
            ``"random"``
        text: what it says, in one sentence
        evidence: what it was read from
    """

    topic: str
    text: str
    evidence: str


@dataclass(frozen=True)
class Advice:
    """Signals for the decision to label on or to stop; print it to read them.

    Attributes:
        lines: the signals
        gain: what the next batch is expected to bring, in the metric; None without a curve
        labels_to_target: further labels until the target; None without a curve or a target
        kappa: mean agreement of the last rounds' predictions; None without two of them
        stable: whether the predictions moved so little over three rounds that stopping costs little
    """

    lines: tuple[Line, ...]
    gain: Estimate | None = None
    labels_to_target: Estimate | None = None
    kappa: float | None = None
    stable: bool = False

    def summary(self) -> str:
        """The signals, one sentence a line."""
        return "\n".join(line.text for line in self.lines)

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        rows = [[line.topic, line.text, line.evidence] for line in self.lines]
        return html_card([("Advice", ("", "", "read from"), rows, "")])


def advise(
    curve: LearningCurve,
    batch: int,
    *,
    target: float | None = None,
    kappas: Sequence[float] | None = (),
    entropy: float | None = None,
    cost_per_label: float | None = None,
    value_per_point: float | None = None,
    left: float | None = None,
    random: LearningCurve | None = None,
    farthest: float | None = None,
    near_duplicates: float | None = None,
) -> Advice:
    """Puts the signals together.

    Args:
        curve: the learning curve
        batch: labels of the next batch
        target (None): the value of the metric to reach, in (0, 1)
        kappas (()): agreement between each two successive rounds' predictions on the same unlabelled rows, oldest
            first (:func:`.agreement.cohen_kappa`); None if predictions name no classes
        entropy (None): mean entropy of the predictions on the unlabelled rows, divided by its largest possible value
        cost_per_label (None): what one label costs, to say what a point of the metric costs
        value_per_point (None): what one point of the metric is worth, to say what the next batch brings net
        left (None): the fused uncertainty (:func:`.fused_uncertainty`) of all rows without label, added up
        random (None): what the same model learned from labels that were drawn at random, measured on the same images
        farthest (None): the largest distance of an image to the nearest labelled one
        near_duplicates (None): the distance within which images count as near-duplicates

    Returns:
        the advice

    Raises:
        CoresetError: if the batch, the target or the cost is out of range
    """
    _check(batch, target, cost_per_label, value_per_point)
    gain = curve.gain(batch) if curve.law is not None and batch <= curve.n_labels[-1] else None
    lines = [_gain_line(curve, batch, gain, cost_per_label, value_per_point)]
    needed = None
    if target is not None:
        needed = _further(curve, target) if curve.law is not None else None
        lines.append(_target_line(curve, target, needed))
    recent = list(kappas or ())[-_WINDOWS:]
    kappa = round(math.fsum(recent) / len(recent), 6) if recent else None  # so that 0.99 three times is 0.99
    stable = kappa is not None and len(recent) == _WINDOWS and kappa >= _STABLE
    if kappas is not None:
        lines.append(_stability_line(recent, kappa, stable))
    if entropy is not None and entropy < _CERTAIN:
        text = "The model is nearly certain about everything that is left; that may be right or overconfident."
        lines.append(Line("uncertainty", text, f"mean normalised entropy {entropy:.3f}, below {_CERTAIN}"))
    if left is not None and left < 1:
        text = "Model and neighbours together expect less than one wrong image in what is left."
        lines.append(Line("left", text, f"uncertainty by 'fused' adds up to {left:.2f} there (Qin et al., ICML 2025)"))
    if farthest is not None and near_duplicates is not None and farthest <= near_duplicates:
        text = "Every image is a near-duplicate of a labelled one; there is nothing new to find in this pool."
        evidence = f"the farthest is {number(farthest)} from a label, near-duplicates up to {number(near_duplicates)}"
        lines.append(Line("nothing new", text, evidence))
    if random is not None:
        lines.extend(_random_line(curve, random))
    return Advice(tuple(lines), gain, needed, kappa, stable)


def _check(batch: int, target: float | None, cost_per_label: float | None, value_per_point: float | None) -> None:
    if batch < 1:
        raise CoresetError(f"the next batch must be at least 1 label, got {batch}")
    if target is not None and not 0 < target < 1:
        raise CoresetError(f"target={target}: give a share in (0, 1), e.g. 0.9")
    for name, given in (("cost_per_label", cost_per_label), ("value_per_point", value_per_point)):
        if given is not None and not 0 <= given < math.inf:
            raise CoresetError(f"{name} must not be negative, got {given}")


def _further(curve: LearningCurve, target: float) -> Estimate:
    """Labels beyond those at hand until the target."""
    needed, at_hand = curve.labels_for(1 - target), curve.n_labels[-1]
    return Estimate(*(max(0.0, value - at_hand) for value in (needed.value, needed.low, needed.high)))


def _gain_line(
    curve: LearningCurve,
    batch: int,
    gain: Estimate | None,
    cost_per_label: float | None,
    value_per_point: float | None,
) -> Line:
    if curve.law is None:
        return Line("gain", f"What more labels bring is not known yet. {curve.note}", f"{len(curve)} rounds")
    if gain is None:
        text = f"What {batch:,} more labels bring is not foreseen: that is more than there are."
        return Line("gain", text, f"{curve.n_labels[-1]:,.0f} labels")
    points = [100 * value for value in (gain.value, gain.low, gain.high)]
    text = (
        f"The next {batch:,} labels are expected to bring {points[0]:.1f} points of {curve.metric} "
        f"({points[1]:.1f} to {points[2]:.1f})."
    )
    if cost_per_label is not None and gain.value > 0:
        text += f" They cost {number(batch * cost_per_label)}, {number(batch * cost_per_label / points[0])} a point."
    if value_per_point is not None:
        spent = batch * (cost_per_label or 0)
        net, low, high = (number(value_per_point * value - spent) for value in points)
        text += f" At {number(value_per_point)} a point they bring {net} net ({low} to {high})."
    a, b, c = (number(value) for value in curve.law)
    return Line("gain", text, f"error = {a} n^-{b} + {c} through {len(curve)} rounds; 80 % band of refits")


def _target_line(curve: LearningCurve, target: float, needed: Estimate | None) -> Line:
    if needed is None:
        return Line("target", f"When {target:.0%} is reached is not known yet, either.", f"{len(curve)} rounds")
    evidence = f"the curve is continued to {curve.horizon:,} labels, twice those at hand"
    if math.isinf(needed.low):
        return Line("target", f"{target:.0%} is not reached with twice the labels at hand.", evidence)
    if needed.high == 0:
        return Line("target", f"{target:.0%} is reached.", evidence)
    about = "more than as many again" if math.isinf(needed.value) else f"about {math.ceil(needed.value):,} more labels"
    upper = "not within reach" if math.isinf(needed.high) else f"{math.ceil(needed.high):,}"
    text = f"To reach {target:.0%}, {about} are needed ({math.ceil(needed.low):,} to {upper})."
    return Line("target", text, evidence)


def _stability_line(recent: Sequence[float], kappa: float | None, stable: bool) -> Line:
    if kappa is None:
        text = "Whether the predictions still change is known after two rounds with predictions."
        return Line("stability", text, "no two rounds of predictions on the same rows")
    bound = min(1, f1_bound(kappa))
    evidence = (
        f"mean kappa {kappa:.3f} over the last {len(recent)} changes, so F1 has moved by {bound:.3f} at most; stable "
        f"from {_STABLE} over {_WINDOWS}"
    )
    if stable:
        text = "The predictions have stopped changing. That is a good reason to stop."
    else:
        text = "The predictions still change from round to round; that alone is no reason to go on."
    return Line("stability", text, evidence)


def _random_line(curve: LearningCurve, random: LearningCurve) -> list[Line]:
    """A line where choosing has gained nothing over as many random labels in the last rounds."""
    within = random.n_labels >= curve.n_labels[0]
    n, errors, doubts = (
        values[within][-_WINDOWS:] for values in (random.n_labels, random.errors, random.standard_errors)
    )
    chosen = np.interp(np.log(n), np.log(curve.n_labels), curve.errors)  # by as many labels
    if len(n) < _WINDOWS or not (errors - chosen <= doubts).all():
        return []
    text = "Chosen labels teach no more than as many random ones; label at random from here, which is unbiased too."
    evidence = f"within one standard error at {', '.join(f'{labels:,.0f}' for labels in n)} random labels"
    return [Line("random", text, evidence)]
