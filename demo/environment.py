"""A FiftyOne of one's own: nothing of the user's database, settings or plugins is read or written."""

from __future__ import annotations

import os
import random
import socket
from contextlib import suppress
from pathlib import Path

_FOLDERS = {
    "FIFTYONE_DATABASE_DIR": "database",
    "FIFTYONE_DEFAULT_DATASET_DIR": "datasets",
    "FIFTYONE_DATASET_ZOO_DIR": "dataset_zoo",
    "FIFTYONE_MODEL_ZOO_DIR": "model_zoo",
    "FIFTYONE_PLUGINS_DIR": "plugins",
}
_SETTINGS = {
    "FIFTYONE_CONFIG_PATH": "config.json",
    "FIFTYONE_APP_CONFIG_PATH": "app_config.json",
    "FIFTYONE_ANNOTATION_CONFIG_PATH": "annotation_config.json",
    "FIFTYONE_EVALUATION_CONFIG_PATH": "evaluation_config.json",
}
#: Registered ports; 32,768 and above are handed out (net.ipv4.ip_local_port_range).
_PORTS = (20_000, 32_768)

#: Variables of a FiftyOne elsewhere that would lead this one to another database or keep its App from starting.
_FOREIGN = (
    "FIFTYONE_PRIVATE_DATABASE_PORT",
    "FIFTYONE_DATABASE_ADMIN",
    "FIFTYONE_DATABASE_COMPRESSOR",
    "FIFTYONE_DISABLE_SERVICES",
    "FIFTYONE_HEADLESS",
    "FIFTYONE_MODULE_PATH",
)


def use_private_fiftyone(home: Path) -> None:
    """Points this process and its children at a FiftyOne under ``home``. Call it before FiftyOne is imported.

    FiftyOne attaches to any database service of the same user, whatever its ``database_dir`` says. An explicit URI
    keeps it from that; :func:`~fiftyone_coreset.demo.database.running_mongod` starts the database that answers there.

    Args:
        home: the folder for everything that FiftyOne keeps; made if missing
    """
    home = home.resolve()
    for folder in _FOLDERS.values():
        (home / folder).mkdir(parents=True, exist_ok=True)
    for variable in _FOREIGN:
        os.environ.pop(variable, None)
    os.environ |= {variable: str(home / name) for variable, name in (_FOLDERS | _SETTINGS).items()}
    os.environ |= {
        "FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{free_port()}/",
        "FIFTYONE_DATABASE_NAME": "fiftyone",
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_DO_NOT_TRACK": "true",
    }


def free_port() -> int:
    """A port that nothing uses, below those that Linux gives to whoever asks for any before the database has it."""
    while True:
        port = random.SystemRandom().randrange(*_PORTS)
        with socket.socket() as probe, suppress(OSError):  # it is taken
            probe.bind(("127.0.0.1", port))
            return port
