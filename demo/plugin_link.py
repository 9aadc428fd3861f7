"""This package as a plugin of a FiftyOne: a link in its plugins folder."""

from __future__ import annotations

from pathlib import Path

from ..plugin.errors import CoresetError

#: The plugin's name in fiftyone.yml.
PLUGIN_NAME = "@fiftyone-coreset/coreset"

_LINK_NAME = "fiftyone-coreset"
_PACKAGE_ROOT = Path(__file__).resolve().parent.parent


def link_plugin(plugins_dir: Path) -> Path:
    """Links this package into a FiftyOne plugins folder; a link that leads elsewhere is replaced.

    Args:
        plugins_dir: the folder; made if missing

    Returns:
        the path of the link

    Raises:
        CoresetError: if something else than a link lies there under the same name
    """
    plugins_dir.mkdir(parents=True, exist_ok=True)
    link = plugins_dir / _LINK_NAME
    if link.is_symlink():
        if link.resolve() == _PACKAGE_ROOT:
            return link
        link.unlink()
    if link.exists():
        raise CoresetError(f"{link} exists and is no link; remove it first, it may be a copy of the plugin")
    link.symlink_to(_PACKAGE_ROOT, target_is_directory=True)
    return link


def other_copies(plugins_dir: Path) -> list[Path]:
    """Where FiftyOne finds other copies of this plugin, those included that it calls "shadowed".

    Args:
        plugins_dir: FiftyOne's plugins folder; the link that :func:`link_plugin` makes there is no other copy

    Returns:
        folders
    """
    import fiftyone.plugins as fop

    plugins = fop.list_plugins(enabled="all", shadowed="all")
    folders = {Path(plugin.directory) for plugin in plugins if plugin.name == PLUGIN_NAME}
    return sorted(folders - {plugins_dir / _LINK_NAME})
