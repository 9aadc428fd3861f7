"""Import a scale run: only what lies in the folder that was named for it, and only what is complete."""

import re

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="the extra [scale]")

from fiftyone_coreset.plugin import scale  # noqa: E402

NAME = "import_scale_run"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder with a run of 60 vectors, of which a random half was chosen, and another run that was only planned."""
    import pyarrow.parquet as pq

    vectors = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    table = pa.table({"uri": [f"/images/{row}.jpg" for row in range(60)], "vector": [row.tolist() for row in vectors]})
    pq.write_table(table, tmp_path / "vectors.parquet")
    for name in ("cars", "planned"):
        scale.plan(tmp_path / "vectors.parquet", tmp_path / "runs" / name, uri_column="uri", vector_column="vector")
    scale.embed(tmp_path / "runs" / "cars")
    scale.select(tmp_path / "runs" / "cars", "random", keep="50%")
    monkeypatch.setenv("FIFTYONE_CORESET_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def test_a_selection_becomes_a_dataset(execute, form, shown, shelf, embedded):
    assert form(NAME, embedded, run="cars", selection="random") == []
    (notice,) = shown("Notice", NAME, embedded, run="cars")
    assert "60 images of" in notice["description"]
    assert "select random: 1 of 1 parts" in notice["description"]
    answer = execute(NAME, embedded, run="cars", selection="random", name="kept", keep=12, projection="none")
    assert (answer["images"], answer["dataset"]) == (12, "kept")
    ranking = scale.read_ranking(shelf / "cars", "random")["uri"].to_pylist()[:12]
    made = fo.load_dataset("kept")
    assert made.sort_by("coreset_rank").values("filepath") == ranking
    assert len(fc.load_run(made, "coreset")) == 12


@pytest.mark.parametrize(
    ("arguments", "notice"),
    [
        ({}, "Choose a run."),
        ({"run": "../vectors.parquet"}, "Choose a run."),
        ({"run": "planned"}, "no selection of run 'planned' is complete; run 'fiftyone-coreset scale select'"),
        ({"run": "cars", "selection": "zcore"}, "Choose a selection."),
    ],
)
def test_what_cannot_be_imported(execute, form, shelf, embedded, arguments, notice):
    assert form(NAME, embedded, **arguments) == [notice]
    with pytest.raises(Exception, match=re.escape(notice)):
        execute(NAME, embedded, **arguments)


def test_nobody_looks_elsewhere(form, shelf, embedded, monkeypatch):
    monkeypatch.setenv("FIFTYONE_CORESET_RUNS", str(shelf / "cars"))
    assert "holds no run yet" in form(NAME, embedded)[0]
    monkeypatch.setenv("FIFTYONE_CORESET_RUNS", str(shelf / "none"))
    assert "is no folder" in form(NAME, embedded)[0]
    monkeypatch.delenv("FIFTYONE_CORESET_RUNS")
    assert "set FIFTYONE_CORESET_RUNS to it where the App's server starts" in form(NAME, embedded)[0]
