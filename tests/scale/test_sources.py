"""Images in tar files and in tables have the vectors of the same images in a folder."""

from __future__ import annotations

import io
import tarfile
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale.store import StorePath


@pytest.fixture
def images(image_folder, tmp_path):
    """The content of some images, by key, and their vectors."""
    content = {path.stem: path.read_bytes() for path in image_folder(n=7)}
    run = scale.plan(tmp_path / "images0", tmp_path / "files", rows_per_unit=4)
    return dict(sorted(content.items())), vectors_of(run)


def vectors_of(run, outcomes=None):
    state = scale.embed(run.folder, model="coreset-mini", num_workers=0, batch_size=4)
    assert state.outcomes == (outcomes or {"ok": 7})
    return np.concatenate([run.vectors(unit)[1] for unit in range(run.n_units)])


def ids_of(run):
    return [name for unit in range(run.n_units) for name in run.manifest.read(unit)["id"].to_pylist()]


def as_tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


@pytest.mark.parametrize("where", ["folder", "store"])
def test_webdataset(where, images, tmp_path):
    content, expected = images
    shards = tmp_path / "shards" if where == "folder" else StorePath(f"memory://{tmp_path.name}-shards")
    shards.mkdir()
    keys = list(content)
    for number, part in enumerate((keys[:3], keys[3:])):
        files = {}
        for key in part:
            files |= {f"train/{key}.json": b"{}", f"train/{key}.view.png": content[key]}
        (shards / f"{number:05d}.tar").write_bytes(as_tar(files))
    run = scale.plan(shards, tmp_path / "run", rows_per_unit=4)
    assert ids_of(run) == [f"train/{key}" for key in keys]
    assert run.manifest.read(1)["uri"][2].as_py() == f"tar://train/{keys[6]}.view.png::{shards}/00001.tar"
    assert np.array_equal(vectors_of(run), expected)
    (shards / "00001.tar").write_bytes(as_tar({"other.png": content[keys[0]]}))
    run.embeddings.path(1).unlink()
    with pytest.raises(CoresetError, match=r"00001.tar was changed or removed since the run was planned"):
        scale.embed(run.folder, model="coreset-mini", num_workers=0)


def test_tar_files_that_are_refused(tmp_path):
    image = b"0" * 5_000
    for name, content, message in (
        ("gz", as_tar({"a.png": image}, "w:gz"), "is no plain tar file"),
        ("cut", as_tar({"a.png": image})[:3_000], "it is cut short"),
        ("twice", as_tar({"a.left.png": image, "a.right.png": image}), "1 id comes more than once, e.g. 'a'"),
        ("none", as_tar({"a.json": b"{}"}), "holds no images"),
    ):
        (tmp_path / f"{name}.tar").write_bytes(content)
        with pytest.raises(CoresetError, match=message):
            scale.plan(tmp_path / f"{name}.tar", tmp_path / f"run-{name}")
    with pytest.raises(CoresetError, match="but this is a tar file"):
        scale.plan(tmp_path / "none.tar", tmp_path / "run", id_column="id")


@pytest.mark.parametrize("nested", [False, True])
def test_a_table_of_images(nested, images, tmp_path):
    content, expected = images
    rows = [*content.values(), None]
    column = pa.array([data and {"bytes": data, "path": None} for data in rows]) if nested else pa.array(rows)
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"key": range(8), "image": column}), path, row_group_size=3)
    run = scale.plan(path, tmp_path / "run", id_column="key", image_column="image", rows_per_unit=4)
    assert np.array_equal(vectors_of(run, {"ok": 7, "missing": 1}), expected)
    assert run.embeddings.read(1)["reason"][3].as_py() == "the table has no image for it"
    pq.write_table(pa.table({"key": range(8), "image": column[::-1]}), path)
    run.embeddings.path(1).unlink()
    with pytest.raises(CoresetError, match="was changed or removed since the run was planned"):
        scale.embed(run.folder, model="coreset-mini", num_workers=0)


def test_tables_of_images_that_are_refused(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"key": [1], "image": [b""], "vector": [[1.0]]}), path)
    for columns, message in (
        ({"image_column": "image"}, "images need ids; name their column with id_column"),
        ({"image_column": "key"}, "column 'key' of .* holds int64, not the bytes of images"),
        (
            {"id_column": "key", "image_column": "image", "vector_column": "vector"},
            "give image_column or vector_column",
        ),
    ):
        with pytest.raises(CoresetError, match=message):
            scale.plan(path, tmp_path / "run", **columns)


def test_lance(images, tmp_path):
    lance = pytest.importorskip("lance")
    content, expected = images
    table = pa.table({"key": list(content), "image": list(content.values())})
    path = tmp_path / "table.lance"
    lance.write_dataset(table, path)
    run = scale.plan(path, tmp_path / "run", id_column="key", image_column="image", rows_per_unit=4)
    lance.write_dataset(table.slice(0, 2), path, mode="overwrite")  # the run keeps to the version that it was made of
    assert ids_of(run) == list(content)
    assert np.array_equal(vectors_of(run), expected)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(expected.ravel()), expected.shape[1])
    lance.write_dataset(pa.table({"key": list(content), "vector": vectors}), path, mode="overwrite")
    copied = scale.plan(path, tmp_path / "copied", id_column="key", vector_column="vector", rows_per_unit=4)
    scale.embed(copied.folder)
    assert np.array_equal(np.concatenate([copied.vectors(unit)[1] for unit in range(2)]), expected)
    run.embeddings.path(0).unlink()
    lance.dataset(path).cleanup_old_versions(older_than=timedelta(0))
    with pytest.raises(CoresetError, match=r"table.lance has no version 1 any more"):
        scale.embed(run.folder, model="coreset-mini", num_workers=0)


def test_lance_without_its_package(tmp_path, monkeypatch):
    from fiftyone_coreset.plugin import requirements

    (tmp_path / "table.lance").mkdir()
    find = requirements.importlib.util.find_spec
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda name: None if name == "lance" else find(name))
    with pytest.raises(CoresetError, match=r"pylance must be installed first: pip install 'fiftyone-coreset\[lance\]'"):
        scale.plan(tmp_path / "table.lance", tmp_path / "run", id_column="id", vector_column="v")


@pytest.mark.parametrize(
    ("names", "there"),
    [
        (["a.tar", "b.tar", "c.jpg"], "2 tar files and images"),
        (["a.parquet", "b.TAR"], "1 tables and 1 tar files"),
    ],
)
def test_nothing_in_a_folder_is_passed_over_in_silence(names, there, tmp_path):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(CoresetError, match=f"holds {there}; plan one kind, from a folder of its own"):
        scale.plan(tmp_path, tmp_path / "run")
