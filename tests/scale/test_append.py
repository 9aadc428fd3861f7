"""What comes to a source after it was planned becomes new units; what is there stays as it is."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fiftyone_coreset import cli
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale import manifest, parts
from fiftyone_coreset.plugin.scale.scoring import read_scores
from PIL import Image

VECTORS = np.random.default_rng(1).normal(size=(60, 6)).astype(np.float32)
COLUMNS = {"id_column": "id", "vector_column": "vector", "rows_per_unit": 10}


@pytest.fixture
def add_file(tmp_path):
    """A function ``add_file(name, rows)`` that writes rows of VECTORS to a file of the source."""
    (tmp_path / "source").mkdir()

    def add(name, rows, ids=None):
        vectors = pa.array(VECTORS[rows].tolist(), pa.list_(pa.float32()))
        ids = [f"image {row}" for row in rows] if ids is None else ids
        pq.write_table(pa.table({"id": ids, "vector": vectors}), tmp_path / "source" / f"{name}.parquet")

    return add


def plan(tmp_path, **arguments):
    return scale.plan(tmp_path / "source", tmp_path / "run", **COLUMNS, **arguments)


def rows_of(stage, n_units, *columns):
    return pa.concat_tables([stage.read(unit, list(columns)) for unit in range(n_units)]).to_pydict()


def contents(run):
    """Ids and vectors of a run, in its order."""
    found = rows_of(run.embeddings, run.n_units, "id", "vector")
    return found["id"], np.array(found["vector"], dtype=np.float32)


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}


def test_new_rows_are_new_units_and_nothing_else_is_made(add_file, tmp_path):
    add_file("b", range(25))
    first = plan(tmp_path)
    scale.embed(first.folder)
    manifest_before, vectors_before = times(first.manifest.folder), times(first.embeddings.folder)
    add_file("a", range(25, 38))  # is listed before the rows that are there
    add_file("c", range(38, 41))
    assert plan(tmp_path).n_units == 3  # frozen, unless it is asked for
    run = plan(tmp_path, append=True)
    assert run.unit_rows == [10, 10, 5, 10, 3, 3]
    assert len(run) == 41
    assert scale.status(run.folder).stages[1].missing == [3, 4, 5]
    assert scale.embed(run.folder).complete
    assert manifest_before.items() <= times(run.manifest.folder).items()
    assert vectors_before.items() <= times(run.embeddings.folder).items()
    ids, vectors = contents(scale.open(run.folder))
    assert ids == [f"image {row}" for row in range(41)]
    assert np.array_equal(vectors, VECTORS[:41])
    again = plan(tmp_path, append=True)  # nothing is new
    assert again.unit_rows == run.unit_rows
    assert plan(tmp_path).unit_rows == run.unit_rows
    add_file("d", range(41, 43))
    assert plan(tmp_path, append=True).unit_rows == [*run.unit_rows, 2]


def test_rows_between_rows_that_are_there(add_file, tmp_path):
    rows = np.random.default_rng(0).permutation(60)
    add_file("a", np.sort(rows[:40]))
    add_file("b", rows[40:50])
    run = plan(tmp_path)
    scale.embed(run.folder)
    before = contents(scale.open(run.folder))[0]
    add_file("a", range(60))  # the file has more rows by now, among the old ones
    add_file("b", [])
    run = plan(tmp_path, append=True)
    assert scale.embed(run.folder).complete
    ids, vectors = contents(scale.open(run.folder))
    assert ids[:50] == before
    assert sorted(ids) == sorted(f"image {row}" for row in range(60))
    assert np.array_equal(vectors, VECTORS[[int(name.split()[1]) for name in ids]])


def test_images_of_a_folder_fill_units(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()

    def add(names):
        for name in names:
            Image.fromarray(np.full((8, 8, 3), ord(name[0]), dtype=np.uint8)).save(folder / f"{name}.png")

    add("bdfhj")
    run = scale.plan(folder, tmp_path / "run", rows_per_unit=4)
    add("acegik")
    (folder / "b.png").unlink()
    run = scale.plan(folder, tmp_path / "run", rows_per_unit=4, append=True)
    assert run.unit_rows == [4, 1, 4, 2]
    names = rows_of(run.manifest, 4, "uri")["uri"]
    assert [name[-5] for name in names] == list("bdfhjacegik")
    assert scale.embed(run.folder, model="coreset-mini").outcomes == {"ok": 10, "missing": 1}


def test_images_in_tables(tmp_path):
    import io

    def image(number):
        file = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), 8 * number, dtype=np.uint8)).save(file, "png")
        return file.getvalue()

    def write(rows):
        pq.write_table(pa.table({"id": rows, "image": [image(row) for row in rows]}), tmp_path / "source.parquet")

    columns = {"id_column": "id", "image_column": "image", "rows_per_unit": 8}
    write([1, 3, 5, 7])
    run = scale.plan(tmp_path / "source.parquet", tmp_path / "run", **columns)
    scale.embed(run.folder, model="coreset-mini")
    write([0, 1, 3, 4, 5, 6, 7, 9])
    scale.plan(tmp_path / "source.parquet", tmp_path / "run", append=True, **columns)
    scale.embed(run.folder, model="coreset-mini")
    write(list(range(10)))
    scale.plan(tmp_path / "source.parquet", tmp_path / "whole", **columns)
    scale.embed(tmp_path / "whole", model="coreset-mini")
    ids, vectors = contents(scale.open(run.folder))
    assert ids == [1, 3, 5, 7, 0, 4, 6, 9]
    assert np.allclose(vectors, contents(scale.open(tmp_path / "whole"))[1][ids], atol=1e-5)


def test_an_appended_run_scores_and_selects_as_one_that_was_planned_at_once(add_file, tmp_path):
    add_file("a", range(40))
    run = plan(tmp_path)
    scale.embed(run.folder)
    add_file("b", range(40, 60))
    plan(tmp_path, append=True)
    scale.embed(run.folder)
    whole = scale.plan(tmp_path / "source", tmp_path / "whole", **COLUMNS)
    scale.embed(whole.folder)
    found = []
    for folder in (run.folder, whole.folder):
        scale.score(folder, n_draws=500, n_neighbors=20)
        scale.select(folder, "facility_location", 30, rows_per_cell=20)
        ranking = scale.read_ranking(folder, "facility_location")
        found.append((read_scores(scale.open(folder))["score"].to_pylist(), ranking["id"].to_pylist()))
    assert found[0] == found[1]


def test_what_became_stale_is_named_until_it_is_made_anew(add_file, tmp_path, capsys):
    add_file("a", range(40))
    out = plan(tmp_path).folder
    scale.embed(out)
    scale.score(out, n_draws=300, n_neighbors=20)
    scale.select(out, "random", 10)
    add_file("b", range(40, 60))
    plan(tmp_path, append=True)
    of = "is of the first 40 of 60 rows; delete it"
    stale = [f"{out / name} {of} and run its step" for name in ("score", "columns", "select/random")]
    assert scale.status(out).stale == stale
    with pytest.raises(CoresetError, match=r"2 of 6 parts of .*embeddings are missing; run scale embed to complete"):
        scale.score(out, n_draws=300, n_neighbors=20)
    assert cli.main(["scale", "embed", str(out)]) == 0
    assert capsys.readouterr().out == "\n".join(["embeddings: 6 of 6 parts, 60 ok", *stale, ""])
    assert scale.status(out).stale == stale
    for refused in (
        lambda: scale.score(out, n_draws=300, n_neighbors=20),
        lambda: scale.select(out, "random", 10),
        lambda: scale.select(out, "zcore", 10),
        lambda: scale.read_ranking(out, "random"),
    ):
        with pytest.raises(CoresetError, match=f"{of} and run the step again"):
            refused()
    shutil.rmtree(out / "score")
    with pytest.raises(CoresetError, match=f"columns {of} and run the step again"):
        scale.score(out, n_draws=300, n_neighbors=20)
    for name in ("columns", "score", "select/random"):
        shutil.rmtree(out / name)
    assert scale.score(out, n_draws=300, n_neighbors=20).complete
    assert scale.select(out, "random", 10).complete
    assert scale.status(out).stale == []


class Killed(BaseException):
    """The process is gone, without a chance to tidy up."""


@pytest.mark.parametrize("after", [0, 1, 2, "record"])
def test_a_plan_that_was_killed_begins_again(add_file, tmp_path, monkeypatch, after):
    add_file("a", range(25))
    run = plan(tmp_path)
    scale.embed(run.folder)
    add_file("b", range(25, 55))
    with monkeypatch.context() as patch:
        write, made = parts.write_atomically, []

        def killed(path, content):
            if len(made) == after:
                raise Killed
            made.append(path)
            write(path, content)

        def no_record(*arguments):
            raise Killed

        patch.setattr(parts, "write_atomically", killed)
        if after == "record":
            patch.setattr(manifest, "write_record", no_record)
        with pytest.raises(Killed):
            plan(tmp_path, append=True)
    assert scale.open(run.folder).n_units == 3
    assert scale.embed(run.folder).complete  # of what was planned
    add_file("b", range(25, 38))  # and the source is another one by then
    run = plan(tmp_path, append=True)
    assert run.unit_rows == [10, 10, 5, 10, 3]
    assert scale.embed(run.folder).complete
    ids, vectors = contents(scale.open(run.folder))
    assert ids == [f"image {row}" for row in range(38)]
    assert np.array_equal(vectors, VECTORS[:38])


def test_two_that_append_at_once(add_file, tmp_path, monkeypatch):
    add_file("a", range(25))
    plan(tmp_path)
    add_file("b", range(25, 30))
    monkeypatch.setattr(manifest, "write_record", lambda *arguments: False)
    with pytest.raises(CoresetError, match="is planned by another process at the same time; plan again"):
        plan(tmp_path, append=True)


def test_ids_that_share_a_key_are_told_apart(add_file, tmp_path, monkeypatch):
    from fiftyone_coreset.plugin.scale import appending

    keys = appending.id_keys
    crowd = lambda values, hash_key=appending._HASHES[0]: (  # noqa: E731
        keys(values, hash_key) % 5 if hash_key == appending._HASHES[0] else keys(values, hash_key)
    )
    monkeypatch.setattr(appending, "id_keys", crowd)
    monkeypatch.setattr(manifest, "id_keys", crowd)
    add_file("a", range(25))
    plan(tmp_path)
    add_file("b", [*range(20, 33)])
    (tmp_path / "source" / "a.parquet").unlink()
    run = plan(tmp_path, append=True)
    assert rows_of(run.manifest, run.n_units, "id")["id"] == [f"image {row}" for row in range(33)]


def test_what_is_refused(add_file, tmp_path):
    add_file("a", range(25))
    with pytest.raises(CoresetError, match="run holds no run to append to; plan it first, without append"):
        plan(tmp_path, append=True)
    plan(tmp_path)
    add_file("b", [30, 30, 31])
    with pytest.raises(CoresetError, match=r"1 id comes more than once, e\.g\. 'image 30'; ids must be unique"):
        plan(tmp_path, append=True)
    add_file("b", [30], [7])
    with pytest.raises(CoresetError, match="ids are string in some files and int64 in others"):
        plan(tmp_path, append=True)
    (tmp_path / "source" / "b.parquet").unlink()
    with pytest.raises(CoresetError, match="holds a run with rows_per_unit=10, not 20; choose another folder"):
        scale.plan(tmp_path / "source", tmp_path / "run", append=True, **(COLUMNS | {"rows_per_unit": 20}))
    assert scale.open(tmp_path / "run").unit_rows == [10, 10, 5]


def test_images_that_moved_are_refused(tmp_path):
    def write(uris):
        table = pa.table({"id": np.arange(len(uris)), "uri": uris})
        pq.write_table(table, tmp_path / "source.parquet")

    arguments = {"id_column": "id", "uri_column": "uri"}
    write(["a", "b", "c"])
    scale.plan(tmp_path / "source.parquet", tmp_path / "run", **arguments)
    write(["a", "x", "y", "d"])
    with pytest.raises(CoresetError, match=r"2 rows of .*run have other addresses by now, e.g. of id 1, 2; give new"):
        scale.plan(tmp_path / "source.parquet", tmp_path / "run", append=True, **arguments)
    assert len(scale.open(tmp_path / "run")) == 3
    write(["a", "b", "c", "d"])
    assert len(scale.plan(tmp_path / "source.parquet", tmp_path / "run", append=True, **arguments)) == 4


def test_the_command(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    arguments = ["scale", "plan", str(tmp_path / "photos"), str(tmp_path / "run")]
    for name in "ab":
        (tmp_path / "photos" / f"{name}.png").touch()
        assert cli.main(arguments if name == "a" else [*arguments, "--append"]) == 0
    found = capsys.readouterr()
    assert "2 rows of" in found.out
    assert "100%  1 new row in 1 unit" in found.err
