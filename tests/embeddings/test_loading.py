"""Batches from worker processes: the same as without, and no process outlives its work."""

import multiprocessing
import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest
from fiftyone_coreset import CoresetError
from fiftyone_coreset.plugin.embeddings import loading
from fiftyone_coreset.plugin.embeddings.framing import Framing
from fiftyone_coreset.plugin.embeddings.loading import ImageFile, batches, choose_workers

FRAMING = Framing(16, 16)


@pytest.fixture
def files(image_folder, tmp_path):
    paths = [str(path) for path in image_folder(n=9)]
    paths.insert(4, str(tmp_path / "absent.png"))
    return [ImageFile(path, [f"id{i}"]) for i, path in enumerate(paths)]


def children():
    return [child for child in psutil.Process().children(recursive=True) if "mongod" not in child.name()]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_in_order(files, num_workers):
    got = list(batches(files, FRAMING, 3, num_workers))
    assert [batch.ids for batch in got] == [["id0", "id1", "id2"], ["id3", "id5"], ["id6", "id7", "id8"], ["id9"]]
    assert [failure.id for batch in got for failure in batch.failures] == ["id4"]
    assert got[0].pixels.shape == (3, 16, 16, 3)
    expected = loading.ImageFiles(files, FRAMING)[7][1][0].pixels
    assert np.array_equal(got[2].pixels[1], expected)


def test_objects_of_one_file_share_a_batch(files):
    file = ImageFile(files[0].path, ["a", "b", "c"], [(0, 0, 1, 1), (0, 0, 0, 0), (0, 0, 0.5, 1)])
    (batch,) = batches([file], FRAMING, 1, 0)
    assert batch.ids == ["a", "c"]
    assert [failure.id for failure in batch.failures] == ["b"]


def test_workers_end_with_an_interrupted_run(files):
    before = set(children())
    iterator = batches(files, FRAMING, 1, 2)
    next(iterator)
    assert len(set(children()) - before) == 2
    with pytest.raises(KeyboardInterrupt):
        iterator.throw(KeyboardInterrupt())
    psutil.wait_procs(list(set(children()) - before), timeout=5)
    assert set(children()) <= before


def test_dead_worker_is_a_clear_error(files):
    before = set(children())
    iterator = batches(files * 50, FRAMING, 1, 1)
    next(iterator)
    (worker,) = set(children()) - before
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(CoresetError, match=r"decoding images died.*call again to continue"):
        list(iterator)


def test_number_of_workers(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    monkeypatch.setattr(sys, "platform", "linux")
    assert choose_workers(None, 1000, 32, on_cpu=True) == 6
    assert choose_workers(None, 1000, 32, on_cpu=False) == 12
    assert choose_workers(None, 32, 32, on_cpu=False) == 0  # one batch: nothing to prepare meanwhile
    assert choose_workers(3, 32, 32, on_cpu=True) == 3
    monkeypatch.setattr(sys, "platform", "win32")
    assert choose_workers(None, 1000, 32, on_cpu=True) == 0


def test_no_workers_where_a_child_could_not_import_the_package(monkeypatch):
    """A plugin folder that was never installed: known to this process only, under an alias."""
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: "spawn")
    assert choose_workers(2, 1000, 32, on_cpu=True) == 2  # installed here
    monkeypatch.setattr(loading, "__name__", "known_only_in_this_process.plugin.embeddings.loading")
    assert choose_workers(2, 1000, 32, on_cpu=True) == 0
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: "fork")
    assert choose_workers(2, 1000, 32, on_cpu=True) == 2


def test_workers_that_are_spawned(files):
    """As on macOS and Windows: the workers start from nothing and import the package."""
    script = f"""
import multiprocessing
from fiftyone_coreset.plugin.embeddings.framing import Framing
from fiftyone_coreset.plugin.embeddings.loading import ImageFile, batches

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    files = [ImageFile(path, [path]) for path in {[file.path for file in files]!r}]
    print(sum(len(batch.ids) for batch in batches(files, Framing(16, 16), 4, 1)))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert run.stdout.split() == ["9"], run.stderr


def test_workers_end_when_their_parent_is_killed(files):
    """Even in the middle of handing over a batch that is larger than a pipe."""
    script = f"""
import multiprocessing, time
from fiftyone_coreset.plugin.embeddings.framing import Framing
from fiftyone_coreset.plugin.embeddings.loading import ImageFile, batches

files = [ImageFile({files[0].path!r}, ["id"])] * 400
iterator = batches(files, Framing(512, 512), 4, 2)
next(iterator)
time.sleep(1)
print(*[child.pid for child in multiprocessing.active_children()], flush=True)
time.sleep(100)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(workers, timeout=30)
    for worker in alive:
        worker.kill()
    assert len(gone) == 2


def test_decoding_imports_nothing_heavy():
    """Worker processes start from these modules."""
    script = (
        "import sys; import fiftyone_coreset.plugin.embeddings.loading\n"
        "print(sorted({'torch', 'open_clip', 'fiftyone', 'numba', 'sklearn'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    assert run.stdout.strip() == "[]"
