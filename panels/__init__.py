"""The App's panels: the Python side owns state and data, the web component in ``web/`` draws."""

from __future__ import annotations

from typing import Any


def register(plugin: Any) -> None:
    """Registers the panels with FiftyOne."""
    from .coreset import CoresetPanel

    plugin.register(CoresetPanel)
