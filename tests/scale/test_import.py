"""A selection becomes a run in FiftyOne: of a new dataset, or of samples that are there."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone_coreset import cli
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale import imports
from fiftyone_coreset.plugin.scale.scoring import read_scores

VECTORS = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)
QUIET = {"projection": "pca", "progress": False}


@pytest.fixture
def selected(vector_run):
    """A run with scores and two selections of 40 rows."""
    run = vector_run(VECTORS, rows_per_unit=50)
    scale.score(run.folder, n_draws=2_000)
    for method in ("zcore", "facility_location"):
        scale.select(run.folder, method, keep=40, rows_per_cell=60)
    return run


def test_a_new_dataset_holds_the_kept_rows(selected, dataset):
    import fiftyone as fo
    import fiftyone_coreset as fc

    scale.import_coreset(selected.folder, "zcore", "kept", keep=30, **QUIET)
    ranking = scale.read_ranking(selected.folder, "zcore")["row"].to_numpy()[:30]
    made = fo.load_dataset("kept")
    assert made.persistent
    results = fc.load_run(made, "coreset")
    by_rank = made.sort_by("coreset_rank")
    assert by_rank.values("scale_id") == ranking.tolist()
    assert by_rank.values("filepath") == [f"/images/{row}.jpg" for row in ranking]
    assert np.array_equal(by_rank.values("scale_embeddings"), VECTORS[ranking])
    assert np.array_equal(by_rank.values("coreset_score"), read_scores(selected)["score"].to_numpy()[ranking])
    assert results.config.method == "zcore"
    assert results.config.facts["scale"]["n_pool"] == 120
    assert results.config.facts["why"].startswith("30 chosen of 120 images of ")
    assert len(results.view("10%")) == 3
    assert "coverage" in str(results.report("50%")).lower()


def test_a_killed_import_is_continued(selected, dataset, monkeypatch):
    import fiftyone as fo

    add, calls = fo.Dataset.add_samples, []

    def killed(self, samples, **options):
        if calls:
            add(self, samples[: len(samples) // 2], **options)
            raise KeyboardInterrupt
        calls.append(add(self, samples, **options))

    monkeypatch.setattr(fo.Dataset, "add_samples", killed)
    monkeypatch.setattr(imports, "_BATCH", 10)
    with pytest.raises(KeyboardInterrupt):
        scale.import_coreset(selected.folder, "facility_location", "kept", **QUIET)
    monkeypatch.undo()
    assert 0 < fo.load_dataset("kept").count() < 40
    with pytest.raises(CoresetError, match="dataset 'kept' exists and is not of this import"):
        scale.import_coreset(selected.folder, "zcore", "kept", **QUIET)
    results = scale.import_coreset(selected.folder, "facility_location", "kept", **QUIET)
    ranking = scale.read_ranking(selected.folder, "facility_location")["row"].to_pylist()
    assert fo.load_dataset("kept").sort_by("coreset_rank").values("scale_row") == ranking
    assert len(results) == 40


def test_samples_that_are_there_are_found_by_path(selected, dataset):
    samples = dataset([f"/images/{number}.jpg" for number in reversed(range(120))])
    results = scale.import_coreset(selected.folder, "facility_location", samples.name, only="pool", **QUIET)
    ranking = scale.read_ranking(selected.folder, "facility_location")["uri"].to_pylist()
    from fiftyone import ViewField as F

    kept = samples.match(F("coreset_rank") >= 0).sort_by("coreset_rank")
    assert kept.values("filepath") == ranking
    assert (len(results), results.config.n_unranked) == (40, 80)
    assert results.view(10).sort_by("coreset_rank").values("filepath") == ranking[:10]


def test_samples_of_a_dataset_are_found_by_id(dataset, image_folder, tmp_path):
    samples = dataset(image_folder(n=12))
    run = scale.plan(samples, tmp_path / "run", rows_per_unit=5)
    scale.embed(run.folder, model="coreset-mini", num_workers=0)
    scale.select(run.folder, "random", keep=6)
    scale.import_coreset(run.folder, "random", samples.name, only="pool", **QUIET)
    from fiftyone import ViewField as F

    kept = samples.match(F("coreset_rank") >= 0).sort_by("coreset_rank")
    assert kept.values("id") == scale.read_ranking(run.folder, "random")["id"].to_pylist()
    scale.import_coreset(run.folder, "random", "kept", **QUIET)
    import fiftyone as fo
    import fiftyone_coreset as fc

    record = fc.embedding_record(fo.load_dataset("kept"), "scale_embeddings")
    assert (record["model"], record["state"], record["dimension"]) == ("coreset-mini", "complete", 96)


def test_an_import_that_is_complete_does_nothing(selected, dataset, monkeypatch, capsys):
    import fiftyone as fo

    command = ["scale", "import", str(selected.folder), "--select", "zcore", "--dataset", "kept", "--projection", "pca"]
    assert cli.main(command) == 0
    began = fo.load_dataset("kept").get_brain_info("coreset").timestamp
    with monkeypatch.context() as patch:
        patch.setattr(imports, "_add_samples", None)
        assert cli.main(command) == 0
    assert fo.load_dataset("kept").get_brain_info("coreset").timestamp == began
    other = [word.replace("zcore", "facility_location") for word in command]
    assert cli.main(other) == 1
    assert "dataset 'kept' exists and is not of this import" in capsys.readouterr().err
    assert cli.main([*command, "--overwrite"]) == 0
    assert fo.load_dataset("kept").get_brain_info("coreset").timestamp > began


def test_what_is_refused(selected, dataset, vector_run, write_vectors, tmp_path, monkeypatch):
    samples = dataset([f"/images/{number}.jpg" for number in range(0, 120, 2)])
    for arguments, message in (
        ({"name": "none", "dataset": "kept"}, r"select/none/stage.json; run the step before first"),
        ({"only": "some", "dataset": "kept"}, 'only must be "coreset" or "pool"'),
        ({"only": "pool", "dataset": "kept"}, "there is no FiftyOne dataset 'kept'"),
        ({"dataset": samples.name}, "exists and is not of this import"),
        (
            {"only": "pool", "dataset": samples.name},
            r"lacks \d+ of 40 rows, e.g. /images/\d+.jpg, ",
        ),
        ({"dataset": "kept", "keep": 41}, "budget 41 exceeds the 40 images"),
    ):
        with pytest.raises(CoresetError, match=message):
            scale.import_coreset(selected.folder, **({"name": "zcore"} | arguments), **QUIET)
    results = scale.import_coreset(selected.folder, "zcore", samples.name, only="pool", allow_unmatched=True, **QUIET)
    assert 0 < len(results) < 40
    monkeypatch.setattr(imports, "_MOST_SAMPLES", 10)
    with pytest.raises(CoresetError, match="has 60 samples, more than the 10 that can be ranked in place"):
        scale.import_coreset(selected.folder, "zcore", samples.name, only="pool", overwrite=True, **QUIET)
    source = write_vectors(VECTORS, name="bare")
    bare = scale.plan(source, tmp_path / "bare", id_column="id", vector_column="vector")
    scale.embed(bare.folder)
    scale.select(bare.folder, "random", keep=5)
    with pytest.raises(CoresetError, match="have no addresses; plan the run with uri_column"):
        scale.import_coreset(bare.folder, "random", "kept", **QUIET)
