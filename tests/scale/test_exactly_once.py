"""Whatever happens to parts and drivers, in whatever order, every row ends up there exactly once."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale import parts
from fiftyone_coreset.plugin.scale.lock import one_writer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

VECTORS = np.random.default_rng(0).normal(size=(23, 3)).astype(np.float32)
UNITS = 5
COLUMNS = {"id_column": "id", "vector_column": "vector"}


class Killed(BaseException):
    """The driver is gone, without a chance to tidy up."""


class Driver(RuleBasedStateMachine):
    """Drivers of one run, and what happens to its files."""

    @initialize()
    def plan(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="coreset-scale-"))
        vectors = pa.array([list(map(float, row)) for row in VECTORS], pa.list_(pa.float32()))
        pq.write_table(pa.table({"id": range(23), "vector": vectors}), self.folder / "source.parquet")
        self.run = scale.plan(self.folder / "source.parquet", self.folder / "run", rows_per_unit=5, **COLUMNS)
        self.parts = self.folder / "run" / "embeddings"

    @rule(share=st.sampled_from([None, "1/2", "2/2", "3/3"]))
    def work(self, share: str | None) -> None:
        state = scale.embed(self.run.folder, units=share)
        assert state.complete or share is not None

    @rule(at=st.integers(0, 4), moment=st.sampled_from(["writing", "renaming", "renamed"]))
    def kill(self, at: int, moment: str) -> None:
        """Ends a driver in the middle of a unit; unlike an error, a kill leaves what was written aside."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parts, "write_atomically", _killed_at(at, moment))
            with contextlib.suppress(Killed):
                scale.embed(self.run.folder)

    @rule(unit=st.integers(0, UNITS - 1), length=st.floats(0, 0.99))
    def cut_short(self, unit: int, length: float) -> None:
        path = self.parts / f"part-{unit:08d}.parquet"
        if path.exists():
            content = path.read_bytes()
            path.write_bytes(content[: int(length * len(content))])

    @rule(unit=st.integers(0, UNITS - 1))
    def delete(self, unit: int) -> None:
        (self.parts / f"part-{unit:08d}.parquet").unlink(missing_ok=True)

    @rule(share=st.sampled_from([None, "1/2"]))
    def second_driver(self, share: str | None) -> None:
        with one_writer(self.parts), pytest.raises(CoresetError, match="another process is working on"):
            scale.embed(self.run.folder, units=share)

    def teardown(self) -> None:
        if not hasattr(self, "run"):
            return
        assert scale.embed(self.run.folder).complete
        tables = [pq.read_table(path) for path in sorted(self.parts.glob("*.parquet"))]
        found = pa.concat_tables(tables)
        assert found["id"].to_pylist() == list(range(23))
        assert np.array_equal(np.array(found["vector"].to_pylist(), dtype=np.float32), VECTORS)
        assert sorted(path.name for path in self.parts.iterdir() if path.name.endswith(".tmp")) == []
        assert scale.status(self.run.folder).stages[1].complete
        shutil.rmtree(self.folder)


def _killed_at(at: int, moment: str):
    """``write_atomically`` in a driver that is killed while it writes one of its files."""
    whole, calls = parts.write_atomically, []

    def write_atomically(path, write):
        calls.append(path)
        if len(calls) <= at:
            whole(path, write)
            return
        aside = path.with_name(f".{path.name}.killed.tmp")
        with open(aside, "wb") as file:
            write(file)
        if moment == "writing":
            aside.write_bytes(aside.read_bytes()[:100])
        elif moment == "renamed":
            aside.rename(path)
        raise Killed

    return write_atomically


def test_every_row_is_there_exactly_once():
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Driver,
        settings=settings(
            max_examples=20, stateful_step_count=8, deadline=None, derandomize=True, suppress_health_check=checks
        ),
    )
