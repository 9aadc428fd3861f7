"""The same files by the workers of a local Ray, whoever of them is lost."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time

import deadly_work
import numpy as np
import psutil
import pytest
from deadly_work import DeadlyWork
from fiftyone_coreset.plugin import requirements, scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.progress import silence
from fiftyone_coreset.plugin.scale.engines import as_engine
from fiftyone_coreset.plugin.scale.engines.base import Failure

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra [ray]")

CLUSTER = scale.RayEngine(workers=2, cpus_per_worker=2)
COLUMNS = {"id_column": "id", "uri_column": "uri", "vector_column": "vector"}
CLUSTERED = np.repeat(np.random.default_rng(1).normal(size=(8, 5)), 40, axis=0) + np.random.default_rng(2).normal(
    scale=0.2, size=(320, 5)
)


@pytest.fixture(scope="module")
def cluster():
    """A Ray of four CPUs, which steps find running."""
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "240")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=100e6)
    yield
    ray.shutdown()


@pytest.fixture
def by_value(cluster):
    """Workers cannot import what lies beside the tests, so it is sent."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(deadly_work)
    yield
    cloudpickle.unregister_pickle_by_value(deadly_work)


def test_workers_that_lack_the_package_are_told_of(cluster, tmp_path):
    with (
        pytest.raises(CoresetError, match=r"cannot load the work \(ModuleNotFoundError: .*; install the same version"),
        CLUSTER.start(DeadlyWork(tmp_path, {}), 1) as crew,
    ):
        list(crew.map([0], 1, silence))


def all_steps(source, folder, engine):
    """Digests of everything that the steps of a run of vectors made."""
    run = scale.plan(source, folder, rows_per_unit=50, **COLUMNS)
    assert scale.embed(folder, engine=engine).complete
    assert scale.score(folder, n_draws=2_000, n_neighbors=20, engine=engine).complete
    assert scale.select(folder, keep="20%", rows_per_cell=100, engine=engine).complete
    ranking = scale.read_ranking(folder, "facility_location")
    assert len(set(ranking["cell"].to_pylist())) > 1
    return run.embeddings_digest(), (folder / "score" / "scores.parquet").read_bytes(), ranking.to_pydict()


def test_workers_make_the_same_files(cluster, write_vectors, tmp_path):
    source = write_vectors(CLUSTERED)
    assert all_steps(source, tmp_path / "ray", CLUSTER) == all_steps(source, tmp_path / "local", "local")


@pytest.mark.skipif(
    os.environ.get("CORESET_FAULTS") != "deep", reason="two processes that import torch; CORESET_FAULTS=deep runs it"
)
def test_images_have_the_same_vectors(cluster, image_folder, tmp_path):
    """On as many threads: sums of a matrix product depend on them in the last digits."""
    import torch

    image_folder(n=7)
    (tmp_path / "images0" / "broken.png").write_bytes(b"no image")
    runs = [scale.plan(tmp_path / "images0", tmp_path / name, rows_per_unit=2) for name in ("ray", "local")]
    states = [scale.embed(runs[0].folder, model="coreset-mini", engine={"workers": 2, "cpus_per_worker": 1})]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        states.append(scale.embed(runs[1].folder, model="coreset-mini", num_workers=0))
    finally:
        torch.set_num_threads(threads)
    assert states[0].outcomes == states[1].outcomes == {"ok": 7, "undecodable": 1}
    assert runs[0].embeddings_digest() == runs[1].embeddings_digest()


def test_a_refusal_of_a_worker_is_that_of_the_step(cluster, write_vectors, tmp_path):
    run = scale.plan(write_vectors([*CLUSTERED[:6], *CLUSTERED[:3, :2]]), tmp_path / "run", rows_per_unit=6, **COLUMNS)
    with pytest.raises(CoresetError, match="unit 1 has vectors of 2 numbers and others have 5") as refused:
        scale.embed(run.folder, engine=scale.RayEngine(workers=1))
    assert "\n" not in str(refused.value)


def test_what_a_lost_worker_had_is_done_again_and_what_kills_workers_is_set_aside(cluster, by_value, tmp_path):
    with CLUSTER.start(DeadlyWork(tmp_path, {3: 1, 5: 9}), 8) as crew:
        found = dict(crew.map(range(8), 8, silence))
    failed = found.pop(5)
    assert found == {number: number**2 for number in range(8) if number != 5}
    assert isinstance(failed, Failure)
    assert failed.reason.startswith("3 workers ended while they worked on it")
    assert {number: len(list(tmp_path.glob(f"{number}-*"))) for number in (2, 3, 5)} == {2: 1, 3: 2, 5: 3}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"workers": 5, "cpus_per_worker": 1}, "5 workers of 1 CPUs are asked for, and the Ray cluster has room for 4"),
        ({"cpus_per_worker": 6}, "1 workers of 6 CPUs are asked for, and the Ray cluster has room for 0"),
        ({"gpus_per_worker": 64}, "and 64 GPUs are asked for, and the Ray cluster has room for 0"),
    ],
)
def test_more_than_the_cluster_has_is_refused_at_once(cluster, tmp_path, asked, sentence):
    started = time.monotonic()
    with pytest.raises(CoresetError, match=sentence), as_engine(asked).start(DeadlyWork(tmp_path, {}), 3):
        pytest.fail("it started")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        ("slurm", "engine must be 'local', 'ray' or a RayEngine, got 'slurm'"),
        ({"nodes": 3}, "engine takes the arguments address, workers, cpus_per_worker, gpus_per_worker; got nodes"),
        ({"workers": 0}, "workers must be a whole number of at least 1, got 0"),
        ({"gpus_per_worker": "all"}, "gpus_per_worker must be at least 0, got 'all'"),
    ],
)
def test_engines_that_are_none(engine, sentence):
    with pytest.raises(CoresetError, match=sentence):
        as_engine(engine)


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda module: None)
    with (
        pytest.raises(CoresetError, match=r"ray must be installed first: pip install 'fiftyone-coreset\[ray\]'"),
        as_engine("ray").start(DeadlyWork(tmp_path, {}), 1),
    ):
        pytest.fail("it started")


DRIVER = """
import sys
from fiftyone_coreset.plugin import scale
scale.embed(sys.argv[1], engine="ray")
"""


def test_a_killed_driver_leaves_whole_parts_and_no_process(write_vectors, tmp_path):
    run = scale.plan(
        write_vectors(np.tile(CLUSTERED, (10, 1)), ids=[*range(3_200)]), tmp_path / "run", rows_per_unit=2, **COLUMNS
    )
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(run.folder)])
    try:
        deadline = time.monotonic() + 300
        while not list(run.folder.glob("embeddings/part-*.parquet")):
            assert driver.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        # Ray's agents look for their node once in a while, so they end later.
        children = psutil.Process(driver.pid).children(recursive=True)
        children = [child for child in children if "Agent" not in child.name()]
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    left = psutil.wait_procs(children, timeout=60)[1]
    assert children
    assert [process.name() for process in left] == []
    assert not scale.status(run.folder).stages[1].complete
    assert scale.embed(run.folder).complete
    rows = [run.embeddings.read(unit)["id"].to_pylist() for unit in range(run.n_units)]
    assert [row for unit in rows for row in unit] == list(range(3_200))
