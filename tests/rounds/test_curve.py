"""The learning curve: planted power laws come back, and the band holds as often as it says."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.rounds.curve import learning_curve
from hypothesis import given, settings
from hypothesis import strategies as st

N = np.array([50, 100, 200, 400, 800])
LAWS = [(2.0, 0.5, 0.1), (1.5, 0.35, 0.0), (1.2, 0.25, 0.05), (3.0, 0.7, 0.2)]


def law(n, a, b, c):
    return a * np.asarray(n, dtype=float) ** -b + c


@pytest.mark.parametrize("planted", LAWS)
def test_a_planted_power_law_is_recovered(planted):
    curve = learning_curve(N, law(N, *planted), np.full(5, 0.01))
    assert curve.law == pytest.approx(planted, rel=0.01, abs=0.002)
    assert curve.error_at(1_600).value == pytest.approx(law(1_600, *planted), abs=2e-4)
    assert curve.gain(400).value == pytest.approx(law(800, *planted) - law(1_200, *planted), abs=2e-4)


def test_the_line_begins_where_the_law_was_fitted():
    n = [10, *N]
    n_drawn, metric, low, high = learning_curve(n, law(n, 2.0, 0.5, 0.1), fitted_from=20).drawn()
    assert n_drawn[0] == pytest.approx(50)
    assert n_drawn[-1] == pytest.approx(1_600)
    assert metric[0] == pytest.approx(1 - law(50, 2.0, 0.5, 0.1), abs=2e-3)
    assert (low <= high).all()


def test_the_fit_is_as_good_as_a_general_optimiser():
    from scipy.optimize import least_squares

    rng = np.random.default_rng(3)
    spread = np.array([0.03, 0.025, 0.02, 0.02, 0.01])
    for planted in LAWS:
        errors = law(N, *planted) + rng.normal(size=5) * spread
        ours = np.square((law(N, *learning_curve(N, errors, spread).law) - errors) / spread).sum()
        bounds = ([0, 0.01, 0], [np.inf, 2, errors[-1]])
        distance = partial(lambda errors, p: (law(N, *p) - errors) / spread, errors)
        theirs = [least_squares(distance, start, bounds=bounds) for start in [(1.0, 0.3, 0.01), planted]]
        assert ours <= min(np.square(found.fun).sum() for found in theirs) * 1.001 + 1e-9


def test_the_band_holds_in_about_four_of_five_cases():
    rng, held = np.random.default_rng(1), []
    for planted in LAWS:
        for _ in range(40):
            truth = law(N, *planted)
            spread = np.sqrt(truth * (1 - truth) / 400)
            curve = learning_curve(N, np.clip(truth + rng.normal(size=5) * spread, 0, 1), spread)
            found = curve.error_at(1_000)
            held.append(found.low <= law(1_000, *planted) <= found.high)
    assert 0.7 <= np.mean(held) <= 0.9


def test_precise_rounds_weigh_more():
    errors = law(N, 2, 0.5, 0.1) + np.array([0, 0.1, 0, 0, 0])
    trusted = learning_curve(N, errors, [0.01, 0.01, 0.01, 0.01, 0.01]).error_at(100).value
    doubted = learning_curve(N, errors, [0.01, 1.0, 0.01, 0.01, 0.01]).error_at(100).value
    assert doubted == pytest.approx(law(100, 2, 0.5, 0.1), abs=0.002)
    assert trusted > doubted + 0.01


def test_rounds_of_unknown_precision_scatter_as_they_do():
    exact = learning_curve(N, law(N, 2, 0.5, 0.1)).error_at(1_600)
    noisy = learning_curve(N, law(N, 2, 0.5, 0.1) + np.array([0.03, -0.03, 0.02, -0.03, 0.02])).error_at(1_600)
    assert exact.high - exact.low < 1e-3 < 0.02 < noisy.high - noisy.low


@pytest.mark.parametrize("n", [[100], [100, 200, 300], [100, 100, 200, 200, 300]])
def test_fewer_than_four_rounds_have_no_law(n):
    curve = learning_curve(n, np.full(len(n), 0.3), np.full(len(n), 0.02))
    assert curve.law is None
    assert "fitted from 4 rounds on" in str(curve)
    with pytest.raises(CoresetError, match="A curve is fitted from 4 rounds on"):
        curve.error_at(100)


def test_nothing_is_said_beyond_twice_the_labels():
    curve = learning_curve(N, law(N, 2, 0.5, 0.1), np.full(5, 0.01))
    assert curve.horizon == 1_600
    with pytest.raises(CoresetError, match="twice the 800 at hand; 1,601 lie beyond it"):
        curve.error_at(1_601)
    assert curve.labels_for(0.09).value == np.inf  # below what the law ever reaches
    assert curve.labels_for(law(1_200, 2, 0.5, 0.1)).value == pytest.approx(1_200, rel=0.01)
    assert curve.labels_for(law(3_200, 2, 0.5, 0.1)).value == np.inf


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=7), st.integers(0, 99))
def test_any_errors_give_a_law_that_falls_and_a_band_around_it(errors, seed):
    n = np.arange(1, len(errors) + 1) * 40
    curve = learning_curve(n, errors, np.full(len(errors), 0.02), seed=seed)
    a, b, c = curve.law
    assert a >= 0
    assert b > 0
    assert 0 <= c <= errors[-1]
    found = curve.error_at(curve.horizon)
    assert found.low <= found.value <= found.high
    again = learning_curve(n[::-1], errors[::-1], np.full(len(errors), 0.02), seed=seed)
    assert (again.refits == curve.refits).all()


@pytest.mark.parametrize(
    ("n", "errors", "spread", "sentence"),
    [
        ([10, 20], [0.1], [0.1], r"one number a round, got shapes \(2,\), \(1,\) and \(1,\)"),
        ([], [], [], "one number a round"),
        ([0, 20], [0.1, 0.1], [0.1, 0.1], "n_labels must be positive"),
        ([10, 20], [0.1, 1.1], [0.1, 0.1], "errors must lie between 0 and 1"),
        ([10, 20], [0.1, np.nan], [0.1, 0.1], "errors must lie between 0 and 1"),
        ([10, 20], [0.1, 0.1], [0.1, 0.0], "standard_errors must be above 0; leave them out"),
    ],
)
def test_bad_input_is_refused(n, errors, spread, sentence):
    with pytest.raises(CoresetError, match=sentence):
        learning_curve(n, errors, spread)


def test_the_plot_shows_rounds_band_and_target():
    curve = learning_curve(N, law(N, 2, 0.5, 0.1), np.full(5, 0.01))
    named = {"rounds, ± SE", "80% band", "fitted power law", "target, 0.8"}
    figure = curve.plot(target=0.8, backend="matplotlib")
    assert pickle.loads(pickle.dumps(figure))._repr_png_().startswith(b"\x89PNG")  # what a notebook shows
    assert set(figure.axes[0].get_legend_handles_labels()[1]) == named
    dotted = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert dotted[0].get_xdata().min() > 800
    interactive = curve.plot(target=0.8)
    assert {trace.name for trace in interactive.data if trace.showlegend} == named
    (rounds,) = [trace for trace in interactive.data if trace.name == "rounds, ± SE"]
    assert np.allclose(rounds.y, 1 - law(N, 2, 0.5, 0.1))
    assert np.allclose(rounds.error_y.array, 0.01)
    assert next(trace for trace in interactive.data if trace.line.dash == "dot").x.min() > 800


def test_an_unknown_backend_is_refused():
    with pytest.raises(CoresetError, match="backend='bokeh': give 'plotly'"):
        learning_curve(N, law(N, 2, 0.5, 0.1)).plot(backend="bokeh")
