"""How a run is written and replaced: whole or not at all, by one process at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import fiftyone_coreset as fc
import forked
import numpy as np
import pytest
from fiftyone_coreset.plugin import brain, owning_run
from fiftyone_coreset.plugin.runs import write
from small_runs import QUICK, stored_files, with_vectors

#: What a run writes with, in order: (module, name of the function), and how often it is called before the fault.
STEPS = [
    (write, "declare_fields", 0),
    (write, "_write_values", 0),
    (write, "_write_map", 0),
    (write, "store_results", 0),
    (write, "commit_run", 0),
    (brain, "retarget_views", 0),
    (brain, "delete_fields", 0),
    (owning_run, "declare_in_turn", 0),
    (owning_run, "copy_values", 0),
    (owning_run, "save_config", 0),
    (brain, "point_map_at", 0),
    (brain, "save_config", 0),
    (brain, "retarget_views", 1),
    (brain, "delete_fields", 1),
    (write, "delete_files", 0),
]


class Killed(BaseException):
    """Ends the work at once."""


def _fail_at(patched, module, name, after, when):
    """Lets the call number ``after`` of a function fail before, or after, it did its work."""
    original, calls = getattr(module, name), []

    def step(*args, **kwargs):
        calls.append(name)
        if len(calls) <= after:
            return original(*args, **kwargs)
        if when == "after":
            original(*args, **kwargs)
        raise Killed

    patched.setattr(module, name, step)


#: What makes another run than ``quick`` does, in its place.
ANOTHER = {"seed": 9, "overwrite": True}


@pytest.fixture
def replaced(embedded, quick):
    """A dataset with a run and a saved view of it, and the arguments of a run that is to replace it."""
    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    fc.create_coreset_view(dataset, "coreset", 8, name="eight")
    return dataset, quick | ANOTHER


@pytest.fixture(scope="module")
def undisturbed(mongod):
    """The ranks that the replacing run gives where nothing disturbs it."""
    import fiftyone as fo

    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=f"/nowhere/{row:04d}.png") for row in range(40)], progress=False)
    yield fc.compute_coreset(with_vectors(dataset), "emb", **QUICK | ANOTHER).rank
    dataset.delete()


@pytest.mark.parametrize(
    ("module", "name", "after", "when", "kind"),
    [
        *((*step, "before", "kill") for step in STEPS),
        *((*step, "before", "error") for step in STEPS[:5]),
        (write, "commit_run", 0, "after", "error"),
    ],
)
def test_a_fault_while_a_run_is_replaced_leaves_the_old_one_or_the_new_one(
    replaced, undisturbed, monkeypatch, module, name, after, when, kind
):
    import fiftyone as fo

    dataset, arguments = replaced
    old = set(dataset.load_saved_view("eight").values("id"))
    new = set(np.array(dataset.values("id"))[undisturbed < 8])
    assert new != old
    before, files = set(dataset.get_field_schema()), stored_files()

    with monkeypatch.context() as patched:
        _fail_at(patched, module, name, after, when)
        if kind == "kill":
            patched.setattr(write, "_undo", lambda *args: None)
        with pytest.raises(Killed):
            fc.compute_coreset(dataset, "emb", **arguments)

    shown = set(dataset.load_saved_view("eight").values("id"))
    assert shown in (old, new)
    loaded = fc.load_run(dataset, "coreset")
    assert set(loaded.view(8).values("id")) in (old, new)
    assert set(dataset.load_saved_view("eight").values("id")) == set(loaded.view(8).values("id"))
    assert set(dataset.get_field_schema()) == before
    assert dataset.list_brain_runs() == ["coreset", "coreset_umap"]
    assert dataset.get_brain_info("coreset_umap").config.points_field == "coreset_xy"

    results = fc.compute_coreset(dataset, "emb", **arguments)
    assert results.rank.tolist() == undisturbed.tolist()
    assert set(fo.load_dataset(dataset.name).load_saved_view("eight").values("id")) == new
    assert "seed 9" in dataset.get_saved_view_info("eight")["description"]
    assert set(dataset.get_field_schema()) == before
    assert stored_files() == files


@pytest.mark.parametrize("step", ["declare_fields", "_write_values", "_write_map", "store_results", "commit_run"])
def test_a_new_run_that_is_killed_is_incomplete_and_gives_way(embedded, quick, monkeypatch, step):
    dataset = embedded()
    before, files = set(dataset.get_field_schema()), stored_files()
    with monkeypatch.context() as patched:
        _fail_at(patched, write, step, 0, "before")
        patched.setattr(write, "_undo", lambda *args: None)
        with pytest.raises(Killed):
            fc.compute_coreset(dataset, "emb", **quick)
    with pytest.raises(fc.CoresetError, match=r"run 'coreset' is incomplete: .* compute it again with overwrite=True"):
        fc.load_run(dataset, "coreset")
    if step == "commit_run":
        dataset.delete_brain_run("coreset")
        assert set(dataset.get_field_schema()) == before
        assert dataset.list_brain_runs() == []
        assert stored_files() == files
    assert len(fc.compute_coreset(dataset, "emb", overwrite=True, **quick).view(5)) == 5


def test_objects_are_replaced_and_renamed_too(dataset, quick):
    import fiftyone as fo

    made = dataset(["/nowhere/a.png", "/nowhere/b.png"])
    rng = np.random.default_rng(0)
    boxes = [[fo.Detection(label="x", bounding_box=[0, 0, 0.5, 0.5], emb=rng.normal(size=4)) for _ in range(n)]
             for n in (5, 3)]  # fmt: skip
    made.set_values("objects", [fo.Detections(detections=detections) for detections in boxes])
    made.add_sample_field("objects.detections.emb", fo.VectorField)
    fc.compute_coreset(made.to_patches("objects"), "emb", **quick)
    fc.create_coreset_view(made, "coreset", 3, name="three")

    results = fc.compute_coreset(made.to_patches("objects"), "emb", overwrite=True, **quick | {"seed": 3})

    first = set(results.ids[results.rank < 3])
    assert set(made.load_saved_view("three").values("id")) == first
    made.rename_brain_run("coreset", "other")
    assert set(made.load_saved_view("three").values("id")) == first
    assert set(fc.load_run(made, "other").view(3).values("id")) == first
    assert not [path for path in made.get_field_schema(flat=True) if "coreset" in path]


def test_threads_with_keys_of_their_own_leave_whole_runs(embedded, quick):
    dataset = embedded()
    failures = []

    def compute(key):
        try:
            fc.compute_coreset(dataset, "emb", key, method="kcenter", projection="pca", progress=False)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=compute, args=(f"run{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for number in range(4):
        assert len(fc.load_run(dataset, f"run{number}").view(7)) == 7
        assert f"run{number}_umap" in dataset.list_brain_runs()


COMPUTE = """
import sys, json, fiftyone as fo, fiftyone_coreset as fc
dataset = fo.load_dataset(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for key in sys.argv[2:]:
    fc.compute_coreset(dataset, "emb", key, method="kcenter", projection="pca", progress=False)
"""


def test_processes_with_keys_of_their_own_leave_whole_runs(embedded):
    import fiftyone as fo

    dataset = embedded(20)
    dataset.persistent = True
    keys = [[f"run{process}_{number}" for number in range(3)] for process in range(3)]
    processes = [forked.Program(COMPUTE, dataset.name, *own) for own in keys]
    for process in processes:
        assert "ready" in process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait() for process in processes] == [0, 0, 0]
    fresh = fo.load_dataset(dataset.name, reload=True)
    assert len(fresh.list_brain_runs()) == 3 * 3 * 2  # with each run its map
    for key in (key for own in keys for key in own):
        run = fc.load_run(fresh, key)
        assert {"rank", "xy"} <= set(run.config.fields)
        assert set(run.config.fields.values()) <= set(fresh.get_field_schema())
        assert len(run.view(7)) == 7


KILLED = """
import os, signal, sys, fiftyone as fo, fiftyone_coreset as fc
from fiftyone_coreset.plugin.runs import write
write.store_results = lambda results: os.kill(os.getpid(), signal.SIGKILL)
dataset = fo.load_dataset(sys.argv[1])
fc.compute_coreset(dataset, "emb", method="kcenter", projection="pca", progress=False, overwrite=True)
"""


def test_the_run_of_a_killed_process_is_free_at_once(replaced):
    dataset, arguments = replaced
    dataset.persistent = True
    assert forked.run(KILLED, dataset.name).returncode == -signal.SIGKILL
    assert len(dataset.load_saved_view("eight")) == 8
    assert fc.load_run(dataset, "coreset").config.method == "zcore"
    fc.compute_coreset(dataset, "emb", **arguments)
    assert not [path for path in dataset.get_field_schema() if "staged" in path]


def test_a_sleeper_that_lost_the_lock_writes_nothing(embedded, quick, monkeypatch):
    from fiftyone.operators.store import ExecutionStore

    dataset = embedded()
    fields = set(dataset.get_field_schema())
    store = ExecutionStore.create("fiftyone-coreset-locks", dataset_id=dataset._doc.id)
    successor = {"owner": "another", "machine": "elsewhere", "pid": 1, "host": "elsewhere", "since": "2026-01-01"}
    values = write._write_values

    def asleep(*arguments):
        values(*arguments)
        store.set("run:coreset", successor)  # what MongoDB and another process do in the meantime

    monkeypatch.setattr(write, "_write_values", asleep)
    with pytest.raises(fc.CoresetError, match="run 'coreset' was given to another process while this"):
        fc.compute_coreset(dataset, "emb", **quick)
    assert store.get("run:coreset") == successor
    assert set(dataset.get_field_schema()) == fields
    assert dataset.list_brain_runs() == []
    with pytest.raises(fc.CoresetError, match="process 1 on elsewhere since 2026-01-01 00:00:00 UTC; wait for it"):
        fc.compute_coreset(dataset, "emb", **quick)


def test_of_many_that_take_the_lock_of_a_dead_process_one_gets_it(embedded):
    from fiftyone.operators.store import ExecutionStore
    from fiftyone_coreset.plugin.dataset import lock

    dataset = embedded(2)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    store = ExecutionStore.create("fiftyone-coreset-locks", dataset_id=dataset._doc.id)
    store.set("run:coreset", {**lock._this_process(), "owner": "dead", "pid": child.pid, "since": "2026-01-01"})
    inside, refused, barrier = [], [], threading.Barrier(6)

    def take():
        barrier.wait()
        try:
            with lock.run_lock(dataset, "coreset"):
                inside.append(os.getpid())
                barrier.wait()
        except fc.CoresetError:
            refused.append(os.getpid())
            barrier.wait()

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(inside), len(refused)) == (1, 5)
