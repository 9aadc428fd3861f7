"""Runs each operation in a process of its own, forked from one that has imported everything, with a fault in it.

Reads one JSON request a line and answers in JSON lines: ``{"fault": action}`` when the fault point is reached and
another process has to act, then ``{"outcome": ...}`` unless the process died, then ``{"ended": ..., "left": [...]}``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

#: Seconds that processes have to notice that their parent is gone.
_PATIENCE = 30
_SIGNALS = {"SIGKILL", "SIGINT", "SIGTERM", "SIGSTOP"}
#: Seconds for which a process is suspended.
_SUSPENDED = 3

#: Where answers go; what libraries print goes to stderr.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def answer(**fields) -> None:
    answers.write(json.dumps(fields) + "\n")
    answers.flush()


def prepare(name, files, weights):
    """A dataset with vectors, a run and a saved view, all on the disk of the database."""
    import fiftyone as fo
    import fiftyone_coreset as fc
    import numpy as np
    from fiftyone_coreset.plugin.dataset.journal import journal

    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    dataset = fo.Dataset(name, persistent=True)
    dataset.add_samples([fo.Sample(filepath=file) for file in files], progress=False)
    dataset.add_sample_field("emb", fo.VectorField)
    dataset.set_values("emb", list(np.random.default_rng(0).normal(size=(len(files), 6)).astype(np.float32)))
    fc.compute_coreset(dataset, "emb", method="random", seed=1, projection="pca", progress=False)
    fc.create_coreset_view(dataset, "coreset", 8, name="eight")
    journal()


def weights(name, files, weights):
    import tiny_clip

    tiny_clip.register(Path(weights).parent)
    tiny_clip.write_weights(Path(weights))


def embed(name, files, weights):
    import fiftyone as fo
    import fiftyone_coreset as fc
    import tiny_clip

    tiny_clip.register(Path(weights).parent)
    report = fc.compute_embeddings(
        fo.load_dataset(name),
        "clip",
        model=tiny_clip.NAME,
        checkpoint=weights,
        device="cpu",
        batch_size=6,
        num_workers=1,
        progress=False,
    )
    return {"embedded": report.n_embedded, "present": report.n_present}


def score(name, files, weights):
    import fiftyone as fo
    import fiftyone_coreset as fc

    arguments = {"method": "kcenter", "projection": "pca", "overwrite": True, "progress": False}
    return {"n": len(fc.compute_coreset(fo.load_dataset(name), "emb", **arguments))}


def update(name, files, weights):
    """Three images come, once, and the run takes them in."""
    import fiftyone as fo
    import fiftyone_coreset as fc
    import numpy as np
    from fiftyone_coreset.plugin.dataset.journal import journal

    dataset = fo.load_dataset(name)
    if dataset.count("id") == len(files):
        vectors = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
        came = [fo.Sample(filepath=f"/nowhere/new{row}.png", emb=vector) for row, vector in enumerate(vectors)]
        dataset.add_samples(came, progress=False)
        journal()  # FiftyOne's own call does not wait until its samples would survive
    fc.update_coreset(dataset, "coreset", progress=False)
    return {"n": len(fc.load_run(dataset, "coreset"))}


def view(name, files, weights):
    import fiftyone as fo
    import fiftyone_coreset as fc

    dataset = fo.load_dataset(name)
    saved = fc.create_coreset_view(dataset, "coreset", 5, name="five", overwrite=True, tag="kept", field="keep")
    return {"n": len(saved)}


def state(name, files, weights):
    """Everything of the dataset that users see, by file."""
    import fiftyone as fo
    import fiftyone_coreset as fc
    from fiftyone.core.odm import get_db_conn

    dataset = fo.load_dataset(name)
    label = dict(zip(dataset.values("id"), map(os.path.basename, dataset.values("filepath")), strict=True))
    by_file = {}
    for field in ("clip", "keep", "tags"):
        values = dataset.values(field) if dataset.has_field(field) else [None] * len(label)
        values = [value if value is None or field != "clip" else value.tolist() for value in values]
        by_file[field] = dict(zip(label.values(), values, strict=True))
    try:
        run = fc.load_run(dataset, "coreset")
        ranked = [run.config.method, [label[row] for row in run.ids[run.ranking].tolist()]]
    except fc.CoresetError as error:
        ranked = str(error)
    record = fc.embedding_record(dataset, "clip")
    return {
        **by_file,
        "run": ranked,
        "record": record and record["state"],
        "views": {name: sorted(label[row] for row in dataset.load_saved_view(name).values("id"))
                  for name in dataset.list_saved_views()},
        "descriptions": {name: dataset.get_saved_view_info(name)["description"] for name in dataset.list_saved_views()},
        "fields": sorted(dataset.get_field_schema(flat=True)),
        "runs": dataset.list_brain_runs(),
        "stored": get_db_conn().fs.files.count_documents({"coreset_dataset": dataset._doc.id}),
    }  # fmt: skip


OPERATIONS = {function.__name__: function for function in (weights, prepare, embed, score, update, view, state)}


def send(name: str) -> None:
    """Sends this process a signal; one that is suspended goes on after some seconds."""
    if name == "SIGSTOP":
        subprocess.Popen(["sh", "-c", f"sleep {_SUSPENDED}; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.Signals[name])


def place(fault) -> list[bool]:
    """Lets the call number ``after`` of a function do the fault first; returns whether that happened."""
    reached = []
    if fault is None:
        return [True]
    if "delay" in fault:
        timer = threading.Timer(fault["delay"], send, (fault["action"],))
        timer.daemon = True
        timer.start()
        return [True]
    module, _, path = fault["point"].partition(":")
    *parents, attribute = path.split(".")
    owner = import_module(f"fiftyone_coreset.plugin.{module}")
    for parent in parents:
        owner = getattr(owner, parent)
    original, calls = getattr(owner, attribute), []

    def hook(*args, **kwargs):
        calls.append(None)
        if len(calls) == fault.get("after", 0) + 1:
            reached.append(True)
            if fault["action"] in _SIGNALS:
                send(fault["action"])
            else:
                answer(fault=fault["action"])
                sys.stdin.readline()
        return original(*args, **kwargs)

    setattr(owner, attribute, hook)
    return reached


def child(request) -> None:
    from fiftyone_coreset import CoresetError

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reached, outcome = place(request.get("fault")), []
    for operation in request["operations"]:
        try:
            outcome.append({"done": OPERATIONS[operation](*request["arguments"])})
        except CoresetError as error:
            outcome.append({"refused": str(error)})
        except KeyboardInterrupt:
            outcome.append({"interrupted": True})
        except BaseException:
            outcome.append({"crash": traceback.format_exc()})
    answer(outcome=outcome, reached=bool(reached))


def left_of(session: int) -> list[int]:
    """Processes of a session that do not end by themselves."""
    import psutil

    until = time.monotonic() + _PATIENCE
    while True:
        left = []
        for pid in psutil.pids():
            try:
                if os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    left.append(pid)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.1)


def main() -> None:
    for name in ("fiftyone.brain", "fiftyone.operators.store", "sklearn.decomposition", "numba"):
        import_module(name)  # once, and not in each process
    for name in ("runs.compute", "runs.views", "vectors.projection"):
        import_module(f"fiftyone_coreset.plugin.{name}")
    answer(ready=True)
    while line := sys.stdin.readline():
        if {"embed", "weights"} & set(json.loads(line)["operations"]):
            import_module("open_clip")
            import_module("fiftyone_coreset.plugin.embeddings.compute")
        pid = os.fork()
        if pid == 0:
            try:
                child(json.loads(line))
            except BaseException:  # a fault point that does not exist
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        answer(ended=os.waitstatus_to_exitcode(status), left=left_of(pid))


if __name__ == "__main__":
    main()
