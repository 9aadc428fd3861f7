"""Batches from worker processes: the same as without, and no process outlives its work."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import odd_images
import psutil
import pytest
from fiftyone_coreset import CoresetError
from fiftyone_coreset.plugin.embeddings import loading, workers
from fiftyone_coreset.plugin.embeddings.decode import decode
from fiftyone_coreset.plugin.embeddings.framing import Framing
from fiftyone_coreset.plugin.embeddings.loading import batches, choose_workers
from fiftyone_coreset.plugin.embeddings.workers import ImageFile

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
    expected = decode(files[7].path, FRAMING)[0].pixels
    assert np.array_equal(got[2].pixels[1], expected)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_odd_files_cost_only_themselves(tmp_path, files, num_workers):
    """In one batch, exactly the bad ones fail, and the good ones have the pixels that they have alone."""
    odd = odd_images.write_odd_images(tmp_path / "odd")
    assert len(odd) >= 120
    good = [file for file in files if "absent" not in file.path]
    mixed = [file for i, path in enumerate(odd) for file in (ImageFile(path, [path]), good[i % len(good)])]

    (batch,) = batches(mixed, FRAMING, len(mixed), num_workers)

    bad = {path: outcome for path, outcome in odd.items() if outcome != odd_images.OK}
    assert {failure.id: failure.outcome.value for failure in batch.failures} == bad
    alone = {file.ids[0]: decode(file.path, FRAMING)[0].pixels for file in mixed if file.ids[0] not in bad}
    assert set(batch.ids) == set(alone)
    for image_id, pixels in zip(batch.ids, batch.pixels, strict=True):
        assert np.array_equal(pixels, alone[image_id]), image_id


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


def test_a_worker_that_is_killed_costs_nothing(files):
    before = set(children())
    iterator = batches(files * 50, FRAMING, 1, 1)
    got = [next(iterator)]
    (worker,) = set(children()) - before
    os.kill(worker.pid, signal.SIGKILL)
    got += iterator
    assert [image_id for batch in got for image_id in batch.ids] == [
        file.ids[0] for file in files * 50 if "absent" not in file.path
    ]


def test_a_dead_worker_interrupts_no_other_line(files):
    """A signal handler that raises would end the run wherever it is, for example while it writes."""
    handler = signal.getsignal(signal.SIGCHLD)
    iterator = batches(files, FRAMING, 1, 1)
    next(iterator)
    assert signal.getsignal(signal.SIGCHLD) is handler
    iterator.close()


@pytest.fixture
def hostile(monkeypatch):
    """Decoders in C that never come back, or take their process along, stood for by two file names."""
    original = workers.decode

    def decode(path, *args):
        if "endless" in path:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            threading.Event().wait()
        if "crash" in path:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(path, *args)

    monkeypatch.setattr(workers, "decode", decode)
    monkeypatch.setattr(workers, "_SECONDS_PER_FILE", 1.0)


@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in reaches workers that are forked only")
@pytest.mark.parametrize("num_workers", [1, 3])
def test_a_hostile_file_costs_itself_only(files, hostile, num_workers):
    expected = list(batches(files, FRAMING, 4, 0))
    bad = {"endless": ImageFile("endless.jpg", ["endless"]), "crash": ImageFile("crash.tif", ["c1", "c2"], [None] * 2)}
    mixed = [*files[:2], bad["endless"], *files[2:6], bad["crash"], *files[6:]]

    got = list(batches(mixed, FRAMING, 5, num_workers))

    assert [image_id for batch in got for image_id in batch.ids] == [i for batch in expected for i in batch.ids]
    assert np.array_equal(
        np.concatenate([batch.pixels for batch in got]), np.concatenate([batch.pixels for batch in expected])
    )
    reasons = {failure.id: failure.reason for batch in got for failure in batch.failures}
    assert reasons.pop("endless") == "decoding it took longer than 1 seconds"
    assert reasons.pop("c1") == reasons.pop("c2") == "decoding it crashed a process (exit code -9)"
    assert list(reasons) == ["id4"]


def test_processes_that_cannot_start(files, monkeypatch):
    monkeypatch.setattr(workers, "_end_with_parent", lambda: os._exit(3))
    with pytest.raises(CoresetError, match=r"does not start \(.*exit code 3\).*num_workers=0"):
        list(batches(files, FRAMING, 4, 2))


def test_processes_that_the_system_refuses(files, monkeypatch):
    """The second one, as at a limit of processes; the first ends."""
    before = set(children())
    start, started = multiprocessing.Process.start, []

    def refuse_second(process):
        if started:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(process)
        start(process)

    monkeypatch.setattr(multiprocessing.Process, "start", refuse_second)
    with pytest.raises(CoresetError, match=r"does not start \(.*temporarily unavailable\).*num_workers=0"):
        list(batches(files, FRAMING, 4, 2))
    started[0].join(5)
    assert set(children()) <= before


@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in reaches workers that are forked only")
def test_every_file_is_tried_twice(files, tmp_path, monkeypatch):
    """Also the one after a file that has failed."""
    original = workers.decode

    def decode(path, *args):
        mark = tmp_path / "tried"
        if path == files[1].path and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if "crash" in path:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(path, *args)

    monkeypatch.setattr(workers, "decode", decode)
    (batch,) = batches([files[0], ImageFile("crash.tif", ["crash"]), *files[1:3]], FRAMING, 9, 1)
    assert batch.ids == ["id0", "id1", "id2"]
    assert [failure.id for failure in batch.failures] == ["crash"]


def test_number_of_workers(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    monkeypatch.setattr(sys, "platform", "linux")
    assert choose_workers(None, 1000, 32, on_cpu=True) == 6
    assert choose_workers(None, 1000, 32, on_cpu=False) == 12
    assert choose_workers(None, 32, 32, on_cpu=False) == 1  # one batch: nothing to prepare meanwhile
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: "spawn")
    assert choose_workers(None, 32, 32, on_cpu=False) == 0  # would cost more than it decodes
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
from fiftyone_coreset.plugin.embeddings.loading import batches
from fiftyone_coreset.plugin.embeddings.workers import ImageFile

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
from fiftyone_coreset.plugin.embeddings.loading import batches
from fiftyone_coreset.plugin.embeddings.workers import ImageFile

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
