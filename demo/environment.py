"""A FiftyOne of one's own: nothing of the user's database, settings or plugins is read or written."""

from __future__ import annotations

import os
import socket
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
        "FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{_free_port()}/",
        "FIFTYONE_DATABASE_NAME": "fiftyone",
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_DO_NOT_TRACK": "true",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
