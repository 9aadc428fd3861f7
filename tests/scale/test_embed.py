"""Vectors of a run: those of ``compute_embeddings``, each row exactly once, whatever happens to drivers and parts."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from fiftyone_coreset import cli
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from stopped_step import stopped_step

VECTORS = np.random.default_rng(0).normal(size=(25, 4)).astype(np.float32)
COLUMNS = {"id_column": "id", "uri_column": "uri", "vector_column": "vector"}


def table_of(run):
    return pa.concat_tables([run.embeddings.read(unit) for unit in range(run.n_units)])


def test_the_vectors_are_those_of_compute_embeddings(dataset, image_folder, tmp_path):
    import fiftyone_coreset as fc

    paths = image_folder(n=23)
    paths[3].write_bytes(b"no image")
    paths[9].unlink()
    samples = dataset(paths)
    # In the same batches: on one thread a matrix product of other rows may differ in the last digit.
    fc.compute_embeddings(samples, "vectors", model="coreset-mini", batch_size=5, progress=False)
    run = scale.plan(samples, tmp_path / "run", rows_per_unit=5)
    for share in ("2/2", "1/2"):
        scale.embed(run.folder, model="coreset-mini", units=share, num_workers=0)
    found = table_of(run).to_pydict()
    assert found["id"] == samples.values("id")
    for outcome, ours, theirs in zip(found["outcome"], found["vector"], samples.values("vectors"), strict=True):
        assert (outcome == "ok") == (theirs is not None)
        assert np.array_equal(np.float32(ours), np.zeros(len(ours)) if theirs is None else theirs)
    assert found["outcome"].count("ok") == 21
    assert (found["outcome"][3], found["outcome"][9]) == ("undecodable", "missing")
    assert found["reason"][9] == "No such file or directory"
    assert found["reason"][0] is None


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
def test_what_the_system_refuses_to_read_is_tried_again(image_folder, tmp_path):
    paths = image_folder(n=5)
    paths[4].rename(tmp_path / "kept")
    paths[4].symlink_to("/proc/self/mem")
    run = scale.plan(tmp_path / "images0", tmp_path / "run", rows_per_unit=2)
    paths[1].write_bytes(paths[1].read_bytes() + b"0")  # not the image that was listed
    state = scale.embed(run.folder, model="coreset-mini", num_workers=0)
    assert (state.outcomes, state.missing, state.complete) == ({"ok": 3, "unreadable": 1, "missing": 1}, [], False)
    assert table_of(run)["reason"].to_pylist()[4] == "Input/output error"
    assert table_of(run)["reason"].to_pylist()[1].startswith("changed since the run was planned: ")
    first = run.embeddings.path(0).stat().st_mtime_ns
    paths[4].unlink()
    (tmp_path / "kept").rename(paths[4])
    state = scale.embed(run.folder, model="coreset-mini", num_workers=0)
    assert (state.outcomes, state.complete) == ({"ok": 4, "missing": 1}, True)
    assert run.embeddings.path(0).stat().st_mtime_ns == first


def test_vectors_of_a_table_are_copied(write_vectors, tmp_path):
    rows = [None, *VECTORS[:8], np.full(4, np.nan)]
    run = scale.plan(write_vectors(rows), tmp_path / "run", rows_per_unit=4, **COLUMNS)
    state = scale.embed(run.folder)
    assert state.outcomes == {"ok": 8, "missing": 1, "non-finite": 1}
    numbers, matrix = zip(*(run.vectors(unit) for unit in range(run.n_units)), strict=True)
    assert np.concatenate(numbers).tolist() == list(range(1, 9))
    assert np.array_equal(np.concatenate(matrix), VECTORS[:8])


def test_a_complete_run_is_left_alone(vector_run):
    run = vector_run(VECTORS)
    files = {path: path.stat().st_mtime_ns for path in run.embeddings.folder.iterdir()}
    assert scale.embed(run.folder).complete
    assert {path: path.stat().st_mtime_ns for path in run.embeddings.folder.iterdir()} == files


def test_only_what_is_missing_or_damaged_is_made_again(vector_run):
    run = vector_run(VECTORS)
    expected, stage = table_of(run), run.embeddings
    digest = run.embeddings_digest()
    stage.path(0).unlink()
    stage.path(2).write_bytes(stage.path(2).read_bytes()[:-20])
    kept = stage.path(1).stat().st_mtime_ns
    assert scale.status(run.folder).stages[1].missing == [0, 2]
    assert scale.embed(run.folder).complete
    assert table_of(run).equals(expected)
    assert run.embeddings_digest() == digest
    assert stage.path(1).stat().st_mtime_ns == kept


def test_a_part_with_a_flipped_bit_is_named(vector_run):
    run = vector_run(np.random.default_rng(0).normal(size=(4_000, 8)), rows_per_unit=4_000)
    path = run.embeddings.path(0)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CoresetError, match=r"part-00000000.parquet is damaged .*; delete it and run the step again"):
        run.embeddings.read(0)


def test_a_part_of_another_run_is_refused(vector_run):
    run, other = vector_run(VECTORS), vector_run(VECTORS[::-1], name="other")
    os.replace(other.embeddings.path(1), run.embeddings.path(1))
    with pytest.raises(CoresetError, match=r"part-00000001.parquet belongs to another run"):
        scale.embed(run.folder)


def test_another_model_is_refused(image_folder, tmp_path):
    image_folder(n=3)
    run = scale.plan(tmp_path / "images0", tmp_path / "run")
    scale.embed(run.folder, model="coreset-mini", num_workers=0)
    with pytest.raises(CoresetError, match="was made with model='coreset-mini', not 'ViT-B-32'"):
        scale.embed(run.folder, model="ViT-B-32")
    with pytest.raises(CoresetError, match="units must be I/N"):
        scale.embed(run.folder, model="coreset-mini", units="0/3")


def test_a_source_that_changed_is_refused(write_vectors, tmp_path):
    run = scale.plan(write_vectors(VECTORS), tmp_path / "run", rows_per_unit=10, **COLUMNS)
    scale.embed(run.folder, units="1/3")
    write_vectors(VECTORS[:20])
    with pytest.raises(CoresetError, match=r"vectors.parquet was changed or removed since the run was planned"):
        scale.embed(run.folder)


def test_a_model_for_vectors_and_vectors_of_two_lengths_are_refused(write_vectors, tmp_path):
    rows = [*VECTORS[:6], *VECTORS[:3, :2]]
    run = scale.plan(write_vectors(rows), tmp_path / "run", rows_per_unit=6, **COLUMNS)
    with pytest.raises(CoresetError, match="leave model out"):
        scale.embed(run.folder, model="coreset-mini")
    with pytest.raises(CoresetError, match="unit 1 has vectors of 2 numbers and others have 4"):
        scale.embed(run.folder)
    mixed = scale.plan(write_vectors(rows, name="mixed"), tmp_path / "mixed", **COLUMNS)
    with pytest.raises(CoresetError, match="vectors of 4 and 2 numbers"):
        scale.embed(mixed.folder)


def test_a_run_without_a_single_vector_writes_nothing(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(4):
        (tmp_path / "images" / f"{number}.jpg").write_bytes(b"no image")
    run = scale.plan(tmp_path / "images", tmp_path / "run", rows_per_unit=2)
    with pytest.raises(CoresetError, match=r"none of the first 4 rows has a vector, e.g. .*0.jpg: "):
        scale.embed(run.folder, model="coreset-mini", num_workers=0)
    assert scale.status(run.folder).stages[1].missing == [0, 1]


def test_what_a_step_needs_is_said_before_it_starts(write_vectors, tmp_path, monkeypatch):
    run = scale.plan(write_vectors(VECTORS), tmp_path / "run", rows_per_unit=10, **COLUMNS)
    told = []
    scale.embed(run.folder, units="1/3", progress=lambda *said: told.append(said))
    assert told[0][0] == 0.0
    assert told[0][1].startswith("10 rows expected to take about 1 s, ")
    monkeypatch.setattr("shutil.disk_usage", lambda path: os.terminal_size((0, 0)) and type("", (), {"free": 10}))
    with pytest.raises(CoresetError, match="needs 2 kB and its disk has 0 kB left"):
        scale.embed(run.folder)


def test_a_driver_killed_in_mid_unit_is_continued(write_vectors, tmp_path):
    run = scale.plan(write_vectors(VECTORS), tmp_path / "run", rows_per_unit=10, **COLUMNS)
    with stopped_step(run.folder, "embed", {}, 2):
        for units in (None, "1/2"):
            with pytest.raises(CoresetError, match="another process is working on"):
                scale.embed(run.folder, units=units)
    assert scale.status(run.folder).stages[1].missing == [1, 2]
    assert list(run.embeddings.folder.glob(".*.tmp"))
    assert scale.embed(run.folder).complete
    assert not list(run.embeddings.folder.glob(".*.tmp"))
    assert table_of(run)["id"].to_pylist() == list(range(25))


def test_the_exit_status_says_what_came_of_a_step(write_vectors, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    run = scale.plan(write_vectors(VECTORS), tmp_path / "run", rows_per_unit=10, **COLUMNS)
    command = ["scale", "embed", str(run.folder)]
    statuses = [cli.main([*command, "--units", share]) for share in ("1/2", "2/2", "3/2")]
    monkeypatch.setattr(scale, "embed", interrupted)
    assert [*statuses, cli.main(command)] == [3, 0, 1, 130]
