"""Figures that nobody has to show: a notebook draws one that is the last line of its cell."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

from .requirements import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, drawn by no window.

    Args:
        width: in inches
        height: in inches

    Returns:
        a ``matplotlib`` figure; notebooks show it, also before ``matplotlib.pyplot`` was used in them

    Raises:
        CoresetError: if matplotlib is not installed
    """
    require(("matplotlib",))
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]  # notebooks ask for it by name
    return figure


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
