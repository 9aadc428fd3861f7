"""What a run is made of: every source, listed once, in units, and frozen."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError

VECTORS = np.random.default_rng(0).normal(size=(25, 4)).astype(np.float32)


def rows_of(run):
    tables = [run.manifest.read(unit, ["id", "uri"]) for unit in range(run.n_units)]
    return pa.concat_tables(tables).to_pydict()


def test_a_folder_is_all_its_images_in_order(tmp_path):
    for name in ("b/2.jpg", "a/1.PNG", "b/notes.txt", "3.webp"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    run = scale.plan(tmp_path / "images", tmp_path / "run", rows_per_unit=2)
    expected = [str(tmp_path / "images" / name) for name in ("3.webp", "a/1.PNG", "b/2.jpg")]
    assert rows_of(run) == {"id": expected, "uri": expected}
    assert run.unit_rows == [2, 1]


def test_a_table_of_addresses_keeps_its_ids(tmp_path):
    pq.write_table(pa.table({"key": [7, 5, 6], "path": ["c", "a", "b"]}), tmp_path / "table.parquet")
    run = scale.plan(tmp_path / "table.parquet", tmp_path / "run", id_column="key", uri_column="path", rows_per_unit=2)
    assert rows_of(run) == {"id": [7, 5, 6], "uri": ["c", "a", "b"]}


def test_a_dataset_keeps_its_sample_ids(dataset, tmp_path):
    samples = dataset([f"/images/{number}.jpg" for number in range(5)])
    for source, name in ((samples, "a"), (f"fiftyone:{samples.name}", "b")):
        run = scale.plan(source, tmp_path / name, rows_per_unit=2)
        assert rows_of(run) == {"id": samples.values("id"), "uri": samples.values("filepath")}


def test_a_second_plan_is_the_first(write_vectors, tmp_path):
    source = write_vectors(VECTORS)
    columns = {"id_column": "id", "vector_column": "vector"}
    first = scale.plan(source, tmp_path / "run", **columns)
    before = (tmp_path / "run" / "run.json").read_bytes()
    assert scale.plan(source, tmp_path / "run", **columns).digest == first.digest
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    with pytest.raises(CoresetError, match="rows_per_unit=10000, not 5; choose another folder"):
        scale.plan(source, tmp_path / "run", rows_per_unit=5, **columns)


@pytest.mark.parametrize(("column", "what"), [("key", "id"), ("path", "address")])
def test_rows_without_an_id_or_an_address_are_counted(column, what, tmp_path):
    columns = {"key": [7, 5, 6], "path": ["c", "a", "b"]}
    columns[column][1] = None
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    with pytest.raises(CoresetError, match=f"column '{column}': 1 of 3 rows have no {what}; leave them out"):
        scale.plan(tmp_path / "table.parquet", tmp_path / "run", id_column="key", uri_column="path")


def test_a_run_of_a_later_format_is_refused(write_vectors, tmp_path):
    run = scale.plan(write_vectors(VECTORS), tmp_path / "run", id_column="id", vector_column="vector")
    record = run.folder / "run.json"
    record.write_text(record.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(CoresetError, match=r"run.json has format 2, this version reads 1"):
        scale.embed(run.folder)


def test_the_digest_tells_inputs_apart(write_vectors, tmp_path):
    digests = {
        scale.plan(write_vectors(VECTORS, ids, f"t{n}"), tmp_path / f"r{n}", id_column="id", uri_column="uri").digest
        for n, ids in enumerate([list(range(25)), list(range(25)), list(range(1, 26))])
    }
    assert len(digests) == 2


def test_what_is_refused(write_vectors, tmp_path):
    vectors, out = write_vectors(VECTORS), tmp_path / "run"
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.parquet").write_bytes(b"no table")
    twice = write_vectors(VECTORS, [3, 1, 1, 2, 2, *range(5, 25)], "twice")
    text = write_vectors(VECTORS, ["b", "a", "b", *map(str, range(22))], "text")
    for source, arguments, message in (
        (tmp_path / "nowhere", {}, "there is no .*nowhere"),
        (tmp_path / "empty", {}, "holds no images"),
        (tmp_path / "empty", {"uri_column": "uri"}, "but this is a folder of images"),
        (tmp_path / "broken.parquet", {"uri_column": "uri"}, "is no Parquet table"),
        (vectors, {}, "its columns are id, uri, vector"),
        (vectors, {"uri_column": "address"}, "'address' is no column"),
        (vectors, {"vector_column": "vector"}, "vectors need ids"),
        (vectors, {"id_column": "id", "vector_column": "uri"}, "holds string, not vectors"),
        (twice, {"id_column": "id", "uri_column": "uri", "rows_per_unit": 2}, "2 ids come more than once, e.g. 1, 2;"),
        (text, {"id_column": "id", "uri_column": "uri", "rows_per_unit": 2}, "1 id comes more than once, e.g. 'b'"),
        (vectors, {"uri_column": "uri", "rows_per_unit": 0}, "rows_per_unit must be at least 1"),
    ):
        with pytest.raises(CoresetError, match=message):
            scale.plan(source, out, **arguments)
        assert not (out / "run.json").exists()
        shutil.rmtree(out, ignore_errors=True)


def test_an_unknown_dataset_is_refused(mongod, tmp_path):
    with pytest.raises(CoresetError, match="there is no FiftyOne dataset 'no such'"):
        scale.plan("fiftyone:no such", tmp_path / "run")
