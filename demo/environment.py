"""A FiftyOne of the demo's own: nothing of the user's database, settings or plugins is read or written."""

from __future__ import annotations

import os
from pathlib import Path

from ..plugin.errors import CoresetError

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent

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
}


def use_private_fiftyone(home: Path) -> None:
    """Points FiftyOne at folders under ``home`` and links the plugin there. Call it before FiftyOne is imported.

    Args:
        home: the demo's folder; made if missing
    """
    home = home.resolve()
    for name in _FOLDERS.values():
        (home / name).mkdir(parents=True, exist_ok=True)
    for variable in [name for name in os.environ if name.startswith("FIFTYONE_")]:
        del os.environ[variable]
    os.environ |= {variable: str(home / name) for variable, name in (_FOLDERS | _SETTINGS).items()}
    os.environ |= {"FIFTYONE_DO_NOT_TRACK": "true", "FIFTYONE_DATABASE_VALIDATION": "false"}
    link_plugin(home / "plugins")


def link_plugin(plugins_dir: Path) -> Path:
    """Links this package into a FiftyOne plugins folder.

    Args:
        plugins_dir: the folder; made if missing

    Returns:
        the path of the link

    Raises:
        CoresetError: if another plugin lies there under the same name
    """
    plugins_dir.mkdir(parents=True, exist_ok=True)
    link = plugins_dir / "fiftyone-coreset"
    if link.is_symlink():
        link.unlink()
    if link.exists():
        raise CoresetError(f"{link} exists and is no link; remove it first, it may be a downloaded copy of the plugin")
    link.symlink_to(_PACKAGE_ROOT, target_is_directory=True)
    return link
