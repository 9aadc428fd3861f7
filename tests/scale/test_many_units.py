"""What a unit costs, whatever is in it: how often its files are opened, counted by a store."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.scale.sources import find_source

fsspec = pytest.importorskip("fsspec")
memory = pytest.importorskip("fsspec.implementations.memory")

UNITS = 60
COLUMNS = {"id_column": "id", "uri_column": "uri", "vector_column": "vector"}


class CountingStore(memory.MemoryFileSystem):
    """A store that counts how often the size of a file is asked for, as whoever opens it does."""

    protocol = ("counting",)
    store, pseudo_dirs = {}, [""]
    opened: Counter[tuple[str, str]] = Counter()  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).replace("counting://", "memory://"))

    def info(self, path, **options):
        part = re.search(r"(\w+)/(part-\d+)\.parquet$", path)
        if part:
            self.opened[part[1], part[2]] += 1
        return super().info(path, **options)


fsspec.register_implementation("counting", CountingStore, clobber=True)


@pytest.fixture
def opens():
    """A function ``opens()``: how often the parts of each stage were opened since the last call, all parts alike."""

    def count() -> dict[str, float]:
        found: dict[str, list[int]] = {}
        for (stage, _), times in CountingStore.opened.items():
            found.setdefault(stage, []).append(times)
        CountingStore.opened.clear()
        return {stage: float(np.mean(times)) for stage, times in found.items() if len(times) == UNITS}

    CountingStore.store.clear()
    CountingStore.opened.clear()
    return count


def test_each_footer_is_read_once_a_step(opens, write_vectors, tmp_path, monkeypatch, dataset):
    monkeypatch.setenv("FIFTYONE_CORESET_SCRATCH", str(tmp_path))
    source = write_vectors(np.random.default_rng(0).normal(size=(2 * UNITS, 4)))
    out = "counting://pool/run"
    scale.plan(source, out, rows_per_unit=2, **COLUMNS)
    assert opens() == {"manifest": 1}
    assert scale.embed(out).complete
    assert opens() == {"manifest": pytest.approx(1 + 1 / UNITS)}  # one unit was measured before
    assert scale.embed(out).complete
    assert opens() == {"embeddings": 1}
    assert scale.score(out, n_draws=300).complete
    assert opens() == {"embeddings": 1 + 1, "manifest": 1}  # footers and vectors; ids
    assert scale.select(out, keep=1.0, rows_per_cell=10_000).complete
    # Footers, vectors for the centers, and to be sorted; vectors of the only cell; ids.
    assert opens() == {"embeddings": 1 + 2, "cells": 1, "manifest": 1}
    assert scale.select(out, "zcore", keep=1.0).complete
    assert opens() == {"embeddings": 1, "manifest": 1}
    assert scale.status(out).stages[0].complete
    assert opens() == {"manifest": 1, "embeddings": 1}
    scale.import_coreset(out, "zcore", "kept", projection=None, progress=False)
    assert opens() == {"embeddings": 1 + 1}


def test_a_source_of_more_files_than_a_process_may_have_open(tmp_path):
    import resource

    for number in range(80):
        pq.write_table(pa.table({"id": [number], "vector": [[0.0, number]]}), tmp_path / f"{number}.parquet")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 60, most[1]))
    try:
        columns = {"id_column": "id", "uri_column": None, "image_column": None, "vector_column": "vector"}
        listed = [found.ids.to_pylist() for found in find_source(tmp_path, columns, 10).listing]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    assert sorted(number for ids in listed for number in ids) == list(range(80))
