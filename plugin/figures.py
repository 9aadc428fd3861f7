"""Figures of curves and maps: interactive ones by plotly, as FiftyOne's are, or static ones by matplotlib.

A figure is described once, as panes of marks; :func:`draw` alone knows the two libraries.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .errors import CoresetError
from .requirements import require

ORANGE, BLUE, RED, GREY, LIGHT = "#e8590c", "#1c6fb8", "#c92a2a", "#868e96", "#dee2e6"

#: How marks are drawn: matplotlib's format, plotly's mode, plotly's dash.
_STYLES = {
    "line": ("-", "lines", "solid"),
    "dashed": ("--", "lines", "dash"),
    "dotted": (":", "lines", "dot"),
    "points": ("o", "markers", "solid"),
}


@dataclass(frozen=True)
class Mark:
    """What is drawn in one colour.

    Attributes:
        label: its words in the legend; "" for none
        x: (n,) places
        y: (n,) values, or (2, n) lower and upper end of a band
        color: a hex colour
        style: how it is drawn; a band by its area
        spread: (n,) standard errors of points
        size: diameter of points
        hover: (n,) words at each point, in interactive figures
    """

    label: str
    x: Any
    y: Any
    color: str
    style: Literal["line", "dashed", "dotted", "points", "band"] = "line"
    spread: np.ndarray | None = None
    size: float = 7
    hover: np.ndarray | None = None


@dataclass(frozen=True)
class Pane:
    """One pair of axes; without titles it is a map, on which only neighbourhood means something.

    Attributes:
        marks: from the lowest to the topmost
        x: title of the horizontal axis
        y: title of the vertical axis
        from_zero: whether the axes begin at 0
    """

    marks: Sequence[Mark]
    x: str = ""
    y: str = ""
    from_zero: bool = False


def draw(panes: Sequence[Pane], width: float, height: float, backend: str) -> Any:
    """Draws panes side by side; nobody has to show the figure, a notebook does when it is the last line of its cell.

    Args:
        panes: what is drawn
        width: of a static figure in inches; interactive ones are as wide as there is room
        height: in inches
        backend: "plotly" for an interactive figure, "matplotlib" for a static one

    Returns:
        a ``plotly.graph_objects.Figure`` or a ``matplotlib.figure.Figure``

    Raises:
        CoresetError: if there is no such backend, or matplotlib is not installed
    """
    if backend == "plotly":
        return _interactive(panes, height)
    if backend == "matplotlib":
        return _static(panes, width, height)
    raise CoresetError(f"backend={backend!r}: give 'plotly' for an interactive figure or 'matplotlib' for a static one")


def _interactive(panes: Sequence[Pane], height: float) -> Any:
    from plotly.graph_objects import Scatter, Scattergl
    from plotly.subplots import make_subplots

    figure = make_subplots(1, len(panes))
    named = set()
    for column, pane in enumerate(panes, 1):
        for mark in pane.marks:
            shared = {"x": mark.x, "name": mark.label, "legendgroup": mark.label or None, "line_color": mark.color}
            if mark.style == "band":
                edge = {**shared, "mode": "lines", "line_width": 0, "hoverinfo": "skip"}
                traces = [
                    Scatter(**edge, y=mark.y[0], showlegend=False),
                    Scatter(**edge, y=mark.y[1], fill="tonexty", fillcolor=mark.color),
                ]
            else:
                _, mode, dash = _STYLES[mark.style]
                drawn = {**shared, "y": mark.y, "mode": mode, "marker_size": mark.size}
                if mark.hover is not None:
                    traces = [
                        Scattergl(**drawn, text=mark.hover, hovertemplate="%{text}<extra></extra>")
                    ]  # quick for 100,000 points
                else:
                    spread = {"error_y": {"array": mark.spread}} if mark.spread is not None else {}
                    traces = [Scatter(**drawn, **spread, line_dash=dash, hovertemplate="%{y:.4~g}")]
            traces[-1].showlegend = bool(mark.label) and mark.label not in named
            named.add(mark.label)
            figure.add_traces(traces, rows=1, cols=column)
        mode = "tozero" if pane.from_zero else "normal"
        is_map = not (pane.x or pane.y)
        figure.update_xaxes(title_text=pane.x, rangemode=mode, visible=not is_map, col=column)
        figure.update_yaxes(title_text=pane.y, rangemode=mode, visible=not is_map, col=column)
        if is_map:
            figure.update_yaxes(scaleanchor=f"x{column}" if column > 1 else "x", col=column)
    figure.update_layout(
        template="plotly_white",
        height=100 * height,
        margin={"l": 60, "r": 20, "t": 30, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "itemsizing": "constant"},
        hovermode="closest" if is_map else "x unified",
    )
    return figure


def _static(panes: Sequence[Pane], width: float, height: float) -> Any:
    require(("matplotlib",))
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")  # no window draws it, and pyplot does not know it
    named: dict[str, Any] = {}
    for axes, pane in zip(np.ravel(figure.subplots(1, len(panes))), panes, strict=True):
        for mark in pane.marks:
            label = mark.label or "_"  # not in the legend
            if mark.style == "band":
                axes.fill_between(mark.x, *mark.y, color=mark.color, linewidth=0, label=label)
            else:
                form = _STYLES[mark.style][0]
                looks = {"color": mark.color, "markersize": mark.size, "markeredgewidth": 0}
                axes.errorbar(mark.x, mark.y, yerr=mark.spread, fmt=form, label=label, **looks)
        axes.set(xlabel=pane.x, ylabel=pane.y)
        if pane.from_zero:
            axes.set(xlim=(0, None), ylim=(0, None))
        if not (pane.x or pane.y):
            axes.set(xticks=[], yticks=[], aspect="equal")
        axes.spines[["top", "right"] if pane.x or pane.y else list(axes.spines)].set_visible(False)
        named |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named, loc="outside upper center", ncols=6, frameon=False, fontsize="small")
    figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]  # notebooks ask for it by name
    return figure


def _png(figure: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
