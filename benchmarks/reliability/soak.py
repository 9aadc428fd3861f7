"""Clients that work on one dataset at random while they and the database are killed: is everything whole at the end?

    python -m benchmarks.reliability.soak --minutes 5 [--clients 4] [--samples 300] [--every 20] [--seed 0]

Each client is a process that embeds, ranks, overwrites, renames, deletes, makes views, adds and deletes samples, and
opens runs in the panel. About
every ``--every`` seconds one of them is killed, or mongod is restarted, killed and started again, away for 8 s, or
suspended for 5 s. The first client is left alone: its memory and open files are compared between the first and the last
third of its operations. At the end everything that a client was told is complete must be so. FiftyOne and mongod are
private ones, in a folder that is deleted. The choices come from the seed; which of them meet does not. Exits with 1 if
anything is wrong.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from fiftyone_coreset.demo.environment import use_private_fiftyone

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

NAME = "soak"
KEYS = [f"run{number}" for number in range(6)]
#: What clients do, and how often.
OPERATIONS = {"compute": 5, "view": 4, "load": 3, "panel": 3, "embed": 2} | dict.fromkeys(
    ["rename", "delete", "add", "remove"], 1
)
#: What happens to clients and to the database, and how often.
DISTURBANCES = {"client killed": 4, "restart": 1, "kill": 1, "pause": 1, "gone": 1}


class Client:
    """One process's operations on the dataset.

    Args:
        seed: the seed of its choices
        images: the folder of the images that it may add
    """

    def __init__(self, seed: int, images: Path):
        self._rng = np.random.default_rng(seed)
        self._images = images

    def step(self, tell: Callable[..., None]) -> None:
        """Does one operation and tells what came of it."""
        import fiftyone_coreset as fc

        operation = str(self._rng.choice(list(OPERATIONS), p=_shares(OPERATIONS)))
        key = str(self._rng.choice(KEYS))
        other = str(self._rng.choice([name for name in KEYS if name != key]))
        keys = [key, other] if operation == "rename" else [key] if operation in ("compute", "delete") else []
        tell(event="start", operation=operation, keys=keys)
        end: dict[str, Any] = {"event": "end", "operation": operation, "keys": keys}
        try:
            end |= {"outcome": "done", "result": getattr(self, f"_{operation}")(key, other)}
        except fc.CoresetError as error:
            end |= {"outcome": "refused", "message": str(error)}
        except Exception:
            end |= {"outcome": "crash" if _is_ours() else "refused by FiftyOne", "message": traceback.format_exc()}
        process = psutil.Process()
        tell(**end, memory=process.memory_info().rss, files=process.num_fds())

    def _compute(self, key: str, other: str) -> dict[str, Any]:
        import fiftyone_coreset as fc

        method, seed = str(self._rng.choice(["random", "kcenter"])), int(self._rng.integers(1_000))
        projection = "pca" if self._rng.random() < 0.5 else None
        arguments = {"method": method, "seed": seed, "projection": projection, "overwrite": True, "progress": False}
        return {"method": method, "seed": seed, "n": len(fc.compute_coreset(self._dataset(), "emb", key, **arguments))}

    def _view(self, key: str, other: str) -> int:
        import fiftyone_coreset as fc

        field = "keep" if self._rng.random() < 0.3 else None
        return len(fc.create_coreset_view(self._dataset(), key, "20%", overwrite=True, field=field))

    def _load(self, key: str, other: str) -> int:
        import fiftyone_coreset as fc

        return len(fc.load_run(self._dataset(), key).view("20%"))

    def _panel(self, key: str, other: str) -> None:
        """What the panel asks for when a run is opened and its budget moved."""
        import fiftyone_coreset as fc
        from fiftyone.operators.executor import ExecutionContext, Executor
        from fiftyone_coreset.panels.coreset import CoresetPanel

        panel, k = CoresetPanel(), int(self._rng.integers(1, 60))
        for event in ("load_run", "load_curve", "load_layers", "load_view", "show_kept", "load_groups"):
            request = {"dataset_name": NAME, "view": [], "params": {"key": key, "k": k}}
            answer = getattr(panel, event)(ExecutionContext(request, Executor()))
            if "error" in answer:
                raise fc.CoresetError(answer["error"])

    def _rename(self, key: str, other: str) -> None:
        self._dataset().rename_brain_run(key, other)

    def _delete(self, key: str, other: str) -> None:
        self._dataset().delete_brain_run(key)

    def _add(self, key: str, other: str) -> None:
        files = self._rng.choice(sorted(self._images.iterdir()), 3)
        add_samples(self._dataset(), [str(file) for file in files], self._rng)

    def _remove(self, key: str, other: str) -> None:
        dataset = self._dataset()
        dataset.delete_samples(dataset.take(3, seed=int(self._rng.integers(1_000))))

    def _embed(self, key: str, other: str) -> None:
        import fiftyone_coreset as fc

        some = self._dataset().take(12, seed=int(self._rng.integers(1_000)))
        fc.compute_embeddings(some, "clip", model="coreset-mini", device="cpu", num_workers=0, progress=False)

    def _dataset(self) -> Any:
        import fiftyone as fo

        dataset = fo.load_dataset(NAME)
        dataset.reload()
        return dataset


def _is_ours() -> bool:
    """Whether the exception that is being handled came through this package: if not, FiftyOne's own call raised it."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    return any(
        Path(frame.filename).is_relative_to(ROOT / folder) for frame in frames for folder in ("plugin", "panels")
    )


def add_samples(dataset: Any, files: list[str], rng: np.random.Generator) -> None:
    import fiftyone as fo

    vectors = rng.normal(size=(len(files), 8)).astype(np.float32)
    samples = [fo.Sample(filepath=file, emb=vector) for file, vector in zip(files, vectors, strict=True)]
    dataset.add_samples(samples, progress=False)


def run_client(number: int, seed: int, home: Path) -> None:
    """Works until the file ``stop`` appears; the last line of the journal is what it was doing."""
    client = Client(seed, home / "images")
    with (home / f"client{number}-{os.getpid()}.jsonl").open("a", buffering=1) as journal:
        while not (home / "stop").exists():
            client.step(lambda **facts: journal.write(json.dumps(facts | {"time": time.time()}) + "\n"))


def check(home: Path) -> None:
    """Prints what is there at the end, and what of it is wrong, as JSON."""
    import fiftyone as fo
    import fiftyone_coreset as fc

    dataset, wrong, told = fo.load_dataset(NAME), [], collections.Counter()
    interrupted = _interrupted_keys(home)
    for key in dataset.list_brain_runs(type="coreset"):
        try:
            run = fc.load_run(dataset, key)
            n = len(run.view("20%"))
            told["whole runs"] += 1
            expected = _last_word(home, key)
            if expected and (run.config.method, run.config.seed) != (expected["method"], expected["seed"]):
                wrong.append(f"run '{key}' is not the one that was reported as complete last")
            if n != run.budget("20%"):
                wrong.append(f"run '{key}' shows {n} images")
        except fc.CoresetError as error:
            told["runs that say that they are incomplete"] += 1
            if key not in interrupted:
                wrong.append(f"nobody interrupted run '{key}', and {error}")
    for key in KEYS:
        if _last_word(home, key) and key not in dataset.list_brain_runs():
            wrong.append(f"run '{key}' was reported as complete and is gone")
    orphans = fc.find_orphans(dataset)
    told["orphaned fields"] = len(orphans["fields"])
    fc.remove_orphans(dataset)
    for name in dataset.list_saved_views():
        told["saved views"] += 1
        if not told["runs that say that they are incomplete"] and not len(dataset.load_saved_view(name)):
            wrong.append(f"view '{name}' is empty")
    if dataset.has_field("clip"):
        lengths = np.linalg.norm(np.array(dataset.exists("clip").values("clip")), axis=1)
        told["embeddings"] = len(lengths)
        if len(lengths) and not np.allclose(lengths, 1, atol=1e-4):
            wrong.append("field 'clip' holds vectors that are not embeddings")
    for key in list(dataset.list_brain_runs(type="coreset")):
        dataset.delete_brain_run(key)
    left = [path for path in dataset.get_field_schema(flat=True) if re.match(r"run\d_", path)]
    if left or dataset.list_brain_runs():
        wrong.append(f"after all runs were deleted these are left: {left + dataset.list_brain_runs()}")
    print(json.dumps({"told": told, "wrong": wrong}))


def _events(home: Path) -> list[list[dict[str, Any]]]:
    """The journal of each process; the last line of a killed one may be cut."""
    journals = []
    for file in sorted(home.glob("client*.jsonl")):
        lines = [line for line in file.read_text().splitlines() if line.endswith("}")]
        journals.append([json.loads(line) for line in lines])
    return journals


def _operations(home: Path) -> list[dict[str, Any]]:
    """All operations with their start and end, which is None for those that were killed."""
    done = []
    for journal in _events(home):
        for number, event in enumerate(journal):
            if event["event"] == "start":
                end = journal[number + 1] if number + 1 < len(journal) else {}
                done.append(event | end | {"start": event["time"], "end": end.get("time")})
    return done


def _last_word(home: Path, key: str) -> dict[str, Any] | None:
    """What the last computation of a run reported, if nothing touched that name while it ran or after."""
    touched = [step for step in _operations(home) if key in step["keys"]]
    words = [step for step in touched if step["operation"] == "compute" and step.get("outcome") == "done"]
    if not words:
        return None
    last = max(words, key=lambda step: step["end"])
    others = [step for step in touched if step is not last]
    undisturbed = all(step["end"] is not None and step["end"] < last["start"] for step in others)
    return last["result"] if undisturbed else None


def _interrupted_keys(home: Path) -> set[str]:
    """Runs that a killed client or a lost database was changing."""
    return {key for step in _operations(home) if step.get("outcome") != "done" for key in step["keys"]}


def soak(minutes: float, clients: int, samples: int, every: float, seed: int, home: Path) -> int:
    """Runs everything; returns the number of things that are wrong."""
    import images
    from breakable_mongod import Mongod

    use_private_fiftyone(home)
    mongod = Mongod(home / "mongod")
    os.environ |= {
        "FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{mongod.port}/",
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
        "HF_HUB_OFFLINE": "1",
    }
    files = [str(file) for file in images.write_images(home / "images", 60)]
    _python("prepare", home, str(samples), *files)
    rng, started, disturbed = np.random.default_rng(seed), 0, collections.Counter()

    def start(number: int) -> subprocess.Popen:
        nonlocal started
        started += 1
        return _client(number, seed + started, home)

    running = [start(number) for number in range(clients)]
    until = time.monotonic() + 60 * minutes
    try:
        while time.monotonic() < until:
            time.sleep(min(every * rng.uniform(0.5, 1.5), max(0.0, until - time.monotonic())))
            what = str(rng.choice(list(DISTURBANCES), p=_shares(DISTURBANCES)))
            disturbed[what] += 1
            if what == "client killed":
                number = int(rng.integers(1, clients))
                running[number].kill()
                running[number].wait()
                running[number] = start(number)
            else:
                mongod.recover()
                mongod.fail(what)
        mongod.recover()
        (home / "stop").touch()
        ended = [process.wait() for process in running]
        steps = _operations(home)
        found = json.loads(_python("check", home).splitlines()[-1])
    finally:
        for process in running:
            process.kill()
        mongod.stop()
    crashes = [step["message"] for step in steps if step.get("outcome") == "crash"]
    outcomes = collections.Counter(step.get("outcome", "killed") for step in steps)
    print(f"{len(steps):,} operations by {started} processes: {dict(outcomes)}")
    print(f"disturbances: {dict(disturbed)}")
    print(f"at the end: {found['told']}")
    print(_growth(home))
    refusals = collections.Counter(re.sub(r"'\w+'|\d+", "_", step.get("message", ""))[:110]
                                   for step in steps if step.get("outcome") == "refused")  # fmt: skip
    for words, count in refusals.most_common():
        print(f"  {count} refused: {words}")
    for words in [*crashes, *found["wrong"]]:
        print(f"WRONG: {words}")
    return len(crashes) + len(found["wrong"]) + sum(code != 0 for code in ended)


def _growth(home: Path) -> str:
    """Memory and open files of the client that was left alone."""
    ends = [event for journal in _events(home) for event in journal if event["event"] == "end"]
    first = [event for event in _events(home)[0] if event["event"] == "end"]
    third = len(first) // 3
    if third == 0:
        return f"too few operations of one client to judge memory ({len(ends)} of all)"
    early, late = first[:third], first[-third:]
    mebibytes = [np.median([event["memory"] for event in part]) / 2**20 for part in (early, late)]
    handles = [np.median([event["files"] for event in part]) for part in (early, late)]
    return (
        f"client 0, {len(first)} operations, median of the first and the last third: memory {mebibytes[0]:.0f} and "
        f"{mebibytes[1]:.0f} MiB, open files {handles[0]:.0f} and {handles[1]:.0f}"
    )


def _prepare(n: int, files: list[str]) -> None:
    import fiftyone as fo

    dataset = fo.Dataset(NAME, persistent=True)
    add_samples(dataset, [files[row % len(files)] for row in range(n)], np.random.default_rng(0))


def _command(*arguments: str) -> list[str]:
    return [sys.executable, __file__, *arguments]


def _client(number: int, seed: int, home: Path) -> subprocess.Popen:
    log = (home / f"client{number}.log").open("a")
    return subprocess.Popen(_command("--client", str(number), str(seed), str(home)), stdout=log, stderr=log)


def _python(part: str, home: Path, *arguments: str) -> str:
    done = subprocess.run(
        _command(f"--{part}", str(home), *arguments), stdout=subprocess.PIPE, text=True, check=True
    )  # fmt: skip
    return done.stdout


def _shares(weights: dict[str, int]) -> list[float]:
    return [weight / sum(weights.values()) for weight in weights.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--every", type=float, default=20, help="seconds between disturbances")
    parser.add_argument("--seed", type=int, default=0)
    for part in ("client", "prepare", "check"):  # of this program, in processes of their own
        parser.add_argument(f"--{part}", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        run_client(int(options.client[0]), int(options.client[1]), Path(options.client[2]))
    elif options.prepare:
        _prepare(int(options.prepare[1]), options.prepare[2:])
    elif options.check:
        check(Path(options.check[0]))
    else:
        with tempfile.TemporaryDirectory(prefix="coreset-soak-") as home:
            wrong = soak(options.minutes, options.clients, options.samples, options.every, options.seed, Path(home))
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
