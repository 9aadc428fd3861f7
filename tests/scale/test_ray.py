"""The same files by the workers of a local Ray, whoever of them is lost."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import deadly_work
import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from deadly_work import DeadlyWork
from fiftyone_coreset.plugin import requirements, scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.progress import silence
from fiftyone_coreset.plugin.scale.engines import as_engine
from fiftyone_coreset.plugin.scale.engines import ray as ray_engine
from fiftyone_coreset.plugin.scale.engines.base import Failure
from fiftyone_coreset.plugin.scale.engines.ray import init_ray

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra [ray]")

DEEP = pytest.mark.skipif(os.environ.get("CORESET_FAULTS") != "deep", reason="slow; CORESET_FAULTS=deep runs it")
COLUMNS = {"id_column": "id", "uri_column": "uri", "vector_column": "vector"}
CLUSTERED = np.repeat(np.random.default_rng(1).normal(size=(8, 5)), 40, axis=0) + np.random.default_rng(2).normal(
    scale=0.2, size=(320, 5)
)


@pytest.fixture(scope="module")
def cluster():
    """A Ray of six CPUs, which steps find running; four are for the crew."""
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "90")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    init_ray("local", num_cpus=6, object_store_memory=100e6)
    yield
    ray.shutdown()


class OneCrew:
    """An engine whose workers stay from one step to the next: it takes seconds to start them."""

    def __init__(self, crew):
        self._crew = crew

    @contextmanager
    def start(self):
        yield self._crew


@pytest.fixture(scope="module")
def crew(cluster):
    """Two workers."""
    with scale.RayEngine(workers=2, cpus_per_worker=2).start() as crew:
        yield crew


@pytest.fixture
def by_value(cluster):
    """Workers cannot import what lies beside the tests, so it is sent."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(deadly_work)
    yield
    cloudpickle.unregister_pickle_by_value(deadly_work)


def test_workers_that_lack_the_package_are_told_of(crew, tmp_path):
    with pytest.raises(CoresetError, match=r"cannot load the work \(ModuleNotFoundError: .*; install the same version"):
        list(crew.map(DeadlyWork(tmp_path, {}), [0], 1, silence))


def all_steps(source, folder, engine):
    """Digests of everything that the steps of a run of vectors made."""
    run = scale.plan(source, folder, rows_per_unit=50, **COLUMNS)
    assert scale.embed(folder, engine=engine).complete
    assert scale.score(folder, n_draws=2_000, n_neighbors=20, engine=engine).complete
    assert scale.select(folder, keep="20%", rows_per_cell=100, engine=engine).complete
    ranking = scale.read_ranking(folder, "facility_location")
    assert len(set(ranking["cell"].to_pylist())) > 1
    return run.embeddings_digest(), (folder / "score" / "scores.parquet").read_bytes(), ranking.to_pydict()


def test_workers_make_the_same_files(crew, write_vectors, tmp_path):
    source = write_vectors(CLUSTERED)
    assert all_steps(source, tmp_path / "ray", OneCrew(crew)) == all_steps(source, tmp_path / "local", "local")


@DEEP
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


def workers_at_work():
    """The processes of all workers of the cluster."""
    return {child for child in psutil.Process().children(recursive=True) if child.name().startswith("ray::_Worker")}


def test_a_refusal_of_a_worker_is_that_of_the_step(cluster, write_vectors, tmp_path):
    run = scale.plan(write_vectors([*CLUSTERED[:6], *CLUSTERED[:3, :2]]), tmp_path / "run", rows_per_unit=6, **COLUMNS)
    with pytest.raises(CoresetError, match="unit 1 has vectors of 2 numbers and others have 5") as refused:
        scale.embed(run.folder, engine=scale.RayEngine(workers=1, cpus_per_worker=2))
    assert "\n" not in str(refused.value)


def test_what_a_lost_worker_had_is_done_again_and_what_kills_workers_is_set_aside(crew, by_value, tmp_path):
    found = dict(crew.map(DeadlyWork(tmp_path, {3: 1, 5: 9}), range(8), 8, silence))
    failed = found.pop(5)
    assert found == {number: number**2 for number in range(8) if number != 5}
    assert isinstance(failed, Failure)
    assert failed.reason.startswith("3 workers ended while they worked on it")
    assert {number: len(list(tmp_path.glob(f"{number}-*"))) for number in (2, 3, 5)} == {2: 1, 3: 2, 5: 3}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"workers": 7, "cpus_per_worker": 1}, "7 workers of 1 CPUs are asked for, and the Ray cluster has room for 6"),
        ({"cpus_per_worker": 8}, "1 workers of 8 CPUs are asked for, and the Ray cluster has room for 0"),
        ({"gpus_per_worker": 64}, "and 64 GPUs are asked for, and the Ray cluster has room for 0"),
    ],
)
def test_more_than_the_cluster_has_is_refused_at_once(cluster, asked, sentence):
    started = time.monotonic()
    with pytest.raises(CoresetError, match=sentence), as_engine(asked).start() as crew:
        crew.machines(3)
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


@pytest.mark.parametrize(("failures", "address"), [(2, "local"), (3, "local"), (1, "far:6379")])
def test_a_ray_of_its_own_that_does_not_come_up_is_started_again(failures, address, monkeypatch):
    """Its raylet dies where its helpers take too long, which Ray tells by a plain Exception."""
    import ray

    starts = []

    def init(**options):
        starts.append(options["address"])
        if len(starts) <= failures:
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    if failures == 2:
        init_ray(address)
        assert len(starts) == 3
    else:
        with pytest.raises(CoresetError, match=f"Ray could not be reached at '{address}': The current node timed out"):
            init_ray(address)
        assert len(starts) == failures


def test_a_cluster_of_another_ray_or_python_is_told_in_one_sentence(monkeypatch):
    import ray

    def refuse(**options):
        raise RuntimeError(
            "Version mismatch: The cluster was started with:\n    Ray: 2.60.0\n    Python: 3.10.9\n"
            "This process on node 10.0.0.7 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
        )

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    sentence = (
        "Ray could not be reached at 'far:6379': Version mismatch: The cluster was started with: Ray: 2.60.0 Python: "
        "3.10.9 This process on node 10.0.0.7 was started with: Ray: 2.60.0 Python: 3.11.7"
    )
    with pytest.raises(CoresetError) as refused:
        init_ray("far:6379")
    assert str(refused.value) == sentence


def test_workers_with_another_version_of_the_package_are_refused(cluster, write_vectors, tmp_path, monkeypatch):
    run = scale.plan(write_vectors(CLUSTERED[:6]), tmp_path / "run", rows_per_unit=6, **COLUMNS)
    here = requirements.package_version()
    monkeypatch.setattr(ray_engine, "package_version", lambda: "9.9.9")
    sentence = f"a worker of Ray has fiftyone-coreset {here}, and this process 9.9.9; install the same version on every"
    with pytest.raises(CoresetError, match=sentence):
        scale.embed(run.folder, engine=scale.RayEngine(workers=1, cpus_per_worker=2))
    assert scale.status(run.folder).stages[1].missing == [0]


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda module: None)
    with (
        pytest.raises(CoresetError, match=r"ray must be installed first: pip install 'fiftyone-coreset\[ray\]'"),
        as_engine("ray").start() as crew,
    ):
        crew.machines(1)


DRIVER = """
import json, sys
from fiftyone_coreset.plugin import scale
step, folder, arguments = sys.argv[1:]
getattr(scale, step)(folder, **json.loads(arguments))
"""
#: Arguments of a step with many parts, and where these are.
STEPS = {
    "embed": ({}, "embeddings"),
    "score": ({"n_draws": 300_000, "n_neighbors": 100, "n_units": 50}, "score"),
    "select": ({"keep": "50%", "rows_per_cell": 20}, "select/facility_location"),
}


@contextmanager
def driver_with_a_part(folder, step, engine):
    """A process that takes a step and has made a part of it; killed at the end."""
    arguments, parts = STEPS[step]
    command = [sys.executable, "-c", DRIVER, step, str(folder), json.dumps({**arguments, "engine": engine})]
    driver = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 300
        while not list((folder / parts).glob("part-*.parquet")):
            assert driver.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield driver
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()


def assert_continued(step, killed, whole):
    """The step was not complete, and the next call leaves the files of one that nobody disturbed."""
    arguments, parts = STEPS[step]
    made = [path.name for path in sorted((killed / parts).glob("part-*.parquet"))]
    times = [(killed / parts / name).stat().st_mtime_ns for name in made]
    for folder in (killed, whole):
        assert getattr(scale, step)(folder, **arguments).complete
    wanted = sorted((whole / parts).glob("*.parquet"))
    assert 0 < len(made) < len(wanted)
    assert [(killed / parts / name).stat().st_mtime_ns for name in made] == times
    for path in wanted:
        assert pq.read_table(killed / parts / path.name).equals(pq.read_table(path))


def planned(write_vectors, folder, step):
    """A run and its twin, before a step."""
    source = write_vectors(np.tile(CLUSTERED, (2, 1)))
    for name in ("killed", "whole"):
        scale.plan(source, folder / name, rows_per_unit=2, **COLUMNS)
        if step != "embed":
            scale.embed(folder / name)
    return folder / "killed", folder / "whole"


def test_a_killed_driver_leaves_whole_parts_and_a_free_cluster(cluster, write_vectors, tmp_path):
    import ray

    killed, whole = planned(write_vectors, tmp_path, "embed")
    others = workers_at_work()
    engine = {"address": ray.get_runtime_context().gcs_address, "workers": 1, "cpus_per_worker": 2}
    with driver_with_a_part(killed, "embed", engine):
        workers = workers_at_work() - others
        assert len(workers) == 1
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    assert_continued("embed", killed, whole)


@DEEP
@pytest.mark.parametrize("step", STEPS)
def test_a_killed_driver_takes_its_own_ray_along(step, write_vectors, tmp_path):
    killed, whole = planned(write_vectors, tmp_path, step)
    with driver_with_a_part(killed, step, "ray") as driver:
        # Ray's agents look for their node once in a while, so they end later.
        children = psutil.Process(driver.pid).children(recursive=True)
        children = [child for child in children if "Agent" not in child.name()]
        assert "raylet" in {child.name() for child in children}
    left = psutil.wait_procs(children, timeout=60)[1]
    assert [process.name() for process in left] == []
    assert_continued(step, killed, whole)


@DEEP
def test_a_step_whose_ray_was_killed_ends_and_is_continued(write_vectors, tmp_path):
    killed, whole = planned(write_vectors, tmp_path, "embed")
    with driver_with_a_part(killed, "embed", "ray") as driver:
        children = psutil.Process(driver.pid).children(recursive=True)
        next(child for child in children if child.name() == "raylet").kill()
        assert driver.wait(timeout=200) != 0
    psutil.wait_procs(children, timeout=60)
    assert_continued("embed", killed, whole)


@DEEP
def test_a_machine_that_is_lost_leaves_the_same_scores(write_vectors, tmp_path, monkeypatch):
    """Two nodes on this machine, one of which is killed while its worker takes draws."""
    from ray.cluster_utils import Cluster

    arguments = {"n_draws": 3_000_000, "n_neighbors": 100, "n_units": 60, "num_workers": 1}
    monkeypatch.setitem(STEPS, "score", (arguments, "score"))
    killed, whole = planned(write_vectors, tmp_path, "score")
    node = {"num_cpus": 1, "object_store_memory": 100 << 20}
    nodes = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        lost = nodes.add_node(**node)
        raylet = psutil.Process(lost.all_processes["raylet"][0].process.pid)
        with driver_with_a_part(killed, "score", {"address": nodes.address, "cpus_per_worker": 1}) as driver:
            while not any(child.name().startswith("ray::_Worker") for child in raylet.children()):
                assert driver.poll() is None, "all was done before the second node had a worker"
                time.sleep(0.02)
            nodes.remove_node(lost, allow_graceful=False)
            assert not (killed / "score" / "scores.parquet").exists()
            assert driver.wait(timeout=300) == 0
    finally:
        nodes.shutdown()
    assert scale.score(whole, **arguments).complete
    for path in sorted((whole / "score").glob("*.parquet")):
        assert pq.read_table(killed / "score" / path.name).equals(pq.read_table(path))


def test_workers_that_never_begin_end_the_step(monkeypatch):
    import ray
    from fiftyone_coreset.plugin.scale.engines.ray import _Workers

    def ends(answer):
        raise ray.exceptions.RayActorError

    monkeypatch.setattr(ray, "get", ends)
    workers = _Workers(scale.RayEngine(), ExitStack())
    workers._room = 1, 1, 2  # a node, a core for each worker, two workers
    for answer in range(7):
        workers._coming[answer] = object()
    for answer in range(6):
        workers._welcome(answer)
    with pytest.raises(CoresetError, match="7 workers of Ray ended, one after the other, before they had begun"):
        workers._welcome(6)
