"""The map and the curve of a run as figures: the same data, interactive and static."""

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset import CoresetError


@pytest.fixture
def run(dataset):
    """Three tight bursts of ten and ten lone rows, and the function that ranks them."""
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(size=(3, 8)).repeat(10, axis=0), rng.normal(size=(10, 8))])
    samples = dataset([f"/nowhere/{row}.png" for row in range(40)])
    samples.set_values("emb", list((vectors + 1e-4 * rng.normal(size=vectors.shape)).astype(np.float32)))
    return lambda projection: fc.compute_coreset(
        samples, "emb", method="kcenter", projection=projection, progress=False, overwrite=True
    )


def test_the_map_shows_every_row_once_by_what_it_is(run):
    results = run("pca")
    samples = results.samples
    samples.delete_samples(samples.limit(1))
    figure = results.plot(13)
    rows = {trace.name.partition(",")[0]: {text.rpartition(">")[2] for text in trace.text} for trace in figure.data}
    assert rows["kept"] == set(results.view(13).values("id"))
    assert rows["redundant"], "bursts repeat what is kept"
    assert sum(map(len, rows.values())) == 39
    assert set().union(*rows.values()) == set(samples.values("id")), "what was deleted is not drawn"
    (static,) = results.plot(13, backend="matplotlib").axes
    drawn = {line.get_color(): line.get_xydata() for line in static.lines}
    assert all(np.allclose(drawn[t.line.color], np.column_stack([t.x, t.y])) for t in figure.data)


def test_without_a_map_there_is_no_plot(run):
    with pytest.raises(CoresetError, match="run 'coreset' has no map; compute it again with projection="):
        run(None).plot()


def test_the_curve_is_the_same_in_both_forms(run):
    curve = run(None).curve()
    figure, static = curve.plot(budget=5), curve.plot(budget=5, backend="matplotlib")
    for place, (axes, metric) in enumerate(
        zip(static.axes, ("coverage", "distance_95", "near_duplicate_rate"), strict=True)
    ):
        axis = f"x{place + 1}" if place else "x"
        ranking = next(t for t in figure.data if t.name == "this ranking" and t.xaxis == axis)
        assert np.allclose(ranking.y, curve.values[metric])
        assert any(np.array_equal(line.get_ydata(), curve.values[metric]) for line in axes.lines)
        assert any(t.name == "budget, 5" and t.x == (5, 5) and t.xaxis == axis for t in figure.data)
    assert "plotly" in figure._repr_html_()
    assert [t.name for t in figure.data if t.showlegend].count("this ranking") == 1, "one entry for all panes"
