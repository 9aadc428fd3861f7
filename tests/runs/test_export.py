"""A coreset as a table and as a file: the rows a budget keeps, in their order, whole or not at all."""

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pandas as pd
import pytest
from fiftyone_coreset import CoresetError


@pytest.fixture
def ranked(dataset):
    """30 ranked images with labels, of which the best was deleted since."""
    samples = dataset([f"/nowhere/{row:02d}.png" for row in range(30)])
    samples.set_values("emb", list(np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)))
    samples.set_values("truth", [fo.Classification(label="ab"[row % 2]) for row in range(30)])
    fc.compute_coreset(samples, "emb", method="random", label_field="truth", projection=None, progress=False)
    samples.delete_samples(samples.match(fo.ViewField("coreset_rank") == 0).values("id"))
    return samples


def test_the_table_is_what_the_dataset_holds(ranked):
    table = fc.coreset_table(ranked, "coreset", 10)
    expected = ranked.sort_by("coreset_rank").limit(10)
    assert table["id"].tolist() == expected.values("id")
    assert table["filepath"].tolist() == expected.values("filepath")
    assert table["rank"].tolist() == expected.values("coreset_rank")
    assert table["score"].tolist() == expected.values("coreset_score")
    assert table["label"].tolist() == expected.values("truth.label")
    assert len(fc.coreset_table(ranked, "coreset")) == 29


def test_a_run_writes_itself_as_parquet(ranked, tmp_path):
    path = tmp_path / "kept.parquet"
    results = fc.load_run(ranked, "coreset")
    assert results.to_parquet(path, budget=10) == 10
    assert pd.read_parquet(path)["id"].tolist() == ranked.sort_by("coreset_rank").limit(10).values("id")
    with pytest.raises(CoresetError, match=r"kept.csv' must end in .parquet"):
        results.to_parquet(tmp_path / "kept.csv")


def test_objects_name_their_images(dataset):
    samples = dataset(["/nowhere/0.png", "/nowhere/1.png"])
    boxes = [
        fo.Detections(
            detections=[fo.Detection(label=f"{row}", bounding_box=[0, 0, 1, 1], emb=[row, k]) for k in (0, 1)]
        )
        for row in (1, 2)
    ]
    samples.set_values("things", boxes)
    fc.compute_coreset(samples.to_patches("things"), "emb", method="random", projection=None, progress=False)
    table = fc.coreset_table(samples, "coreset")
    sample_of = dict(
        zip(samples.values("things.detections.id", unwind=True), np.repeat(samples.values("id"), 2), strict=True)
    )
    assert len(table) == 4
    assert [sample_of[row_id] for row_id in table["id"]] == table["sample_id"].tolist()


@pytest.mark.parametrize("images", [True, False])
def test_frames_name_their_videos(dataset, images):
    videos = dataset()
    for name in "ab":
        video = fo.Sample(f"/nowhere/{name}.mp4")
        for number in (1, 2, 5):
            file = {"filepath": f"/nowhere/{name}{number}.jpg"} if images else {}
            video.frames[number] = fo.Frame(emb=np.random.default_rng(number).normal(size=4), **file)
        videos.add_sample(video)
    fc.compute_coreset(videos, "frames.emb", method="random", projection=None, progress=False)
    table = fc.coreset_table(videos, "coreset", 4)
    assert list(table.columns) == ["id", "sample_id", "filepath", "frame_number", "rank", "score"]
    assert table["rank"].tolist() == [0, 1, 2, 3]
    for row in table.itertuples():
        video = videos[row.sample_id]
        frame = video.frames[row.frame_number]
        assert (frame.id, frame["coreset_rank"]) == (row.id, row.rank)
        assert row.filepath == (frame.filepath if images else video.filepath)


def test_a_file_is_written_whole_and_never_over_another(ranked, tmp_path):
    path = tmp_path / "kept.csv"
    assert fc.export_table(ranked, "coreset", path, "10%") == 3
    pd.testing.assert_frame_equal(
        pd.read_csv(path, dtype={"id": str}), fc.coreset_table(ranked, "coreset", "10%"), check_dtype=False
    )
    with pytest.raises(CoresetError, match=r"kept.csv' exists; choose another name or pass overwrite=True"):
        fc.export_table(ranked, "coreset", path)
    assert fc.export_table(ranked, "coreset", path, overwrite=True) == 29
    assert [file.name for file in tmp_path.iterdir()] == ["kept.csv"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("kept.xlsx", r"'kept.xlsx' must end in .csv or .parquet"),
        ("absent/kept.csv", r"cannot be written: .*"),
        ("kept.parquet", "pyarrow must be installed first"),
    ],
)
def test_files_that_cannot_be(ranked, tmp_path, monkeypatch, name, says):
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    with pytest.raises(CoresetError, match=says):
        fc.export_table(ranked, "coreset", tmp_path / name)
    assert list(tmp_path.iterdir()) == []
