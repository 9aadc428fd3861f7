"""Killed drivers and full disks: the next call ends the step, with what nothing had disturbed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale import places
from stopped_step import stopped_step

VECTORS = np.repeat(np.random.default_rng(1).normal(size=(4, 5)), 30, axis=0) + np.random.default_rng(2).normal(
    scale=0.2, size=(120, 5)
)
DEEP = os.environ.get("CORESET_FAULTS") == "deep"
OPTIONS = {
    "embed": {},
    "score": {"n_draws": 500, "n_neighbors": 20, "n_units": 3},
    "select": {"keep": "20%", "rows_per_cell": 40},
}


def take(step: str, folder: Path, **more):
    return getattr(scale, step)(folder, **OPTIONS[step], **more)


def made(folder: Path) -> dict[str, object]:
    """What the steps made."""
    run = scale.open(folder)
    return {
        "rows": [row for unit in range(run.n_units) for row in run.embeddings.read(unit)["id"].to_pylist()],
        "scores": pq.read_table(folder / "score" / "scores.parquet").to_pydict(),
        "ranking": scale.read_ranking(folder, "facility_location").to_pydict(),
    }


@pytest.mark.parametrize(
    ("step", "at"),
    [("score", 2), ("select", 2), *([("score", 4), ("select", 4), ("select", 6), ("select", 7)] if DEEP else [])],
)
def test_a_killed_driver_is_continued(step, at, vector_run):
    """While it draws or adds up; while it sorts rows into cells, orders a cell, or writes the ranking."""
    runs = [vector_run(VECTORS, rows_per_unit=50, name=name) for name in ("killed", "whole")]
    if step == "select":
        take("score", runs[0].folder)
    with (
        stopped_step(runs[0].folder, step, OPTIONS[step], at),
        pytest.raises(CoresetError, match="another process is working on"),
    ):
        take(step, runs[0].folder)
    for run in runs:
        for name in ("score", "select"):
            assert take(name, run.folder).complete
        assert not list(run.folder.glob("**/.*.tmp"))
    assert made(runs[0].folder) == made(runs[1].folder)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_one_sentence_and_the_step_continues(vector_run, monkeypatch):
    run, whole = (vector_run(VECTORS, rows_per_unit=50, name=name) for name in ("full", "whole"))
    run.embeddings.path(2).unlink()
    aside = places._aside

    def full(place: Path) -> Path:
        """Writes go to a device without space."""
        path = aside(place)
        path.symlink_to("/dev/full")
        return path

    for step in OPTIONS:
        with monkeypatch.context() as patch:
            patch.setattr(places, "_aside", full)
            with pytest.raises(CoresetError, match="has no space left; make room and run the step again") as refused:
                take(step, run.folder)
        assert "\n" not in str(refused.value)
        assert not list(run.folder.glob("**/.*.tmp"))
        assert take(step, run.folder).complete
    for name in ("score", "select"):
        take(name, whole.folder)
    assert made(run.folder) == made(whole.folder)


def test_columns_that_do_not_fit_are_refused(vector_run, monkeypatch):
    """Before they are mapped into memory: a page that finds no space would end the process."""

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    run = vector_run(VECTORS)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(CoresetError, match="has no space left; make room"):
            take("score", run.folder)
    assert take("score", run.folder).complete
