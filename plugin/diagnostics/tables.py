"""Tables for the terminal (rich) and the notebook (HTML), from the same contents."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from io import StringIO

#: What Markdown acts on.
_MARKUP = re.compile(r"[\\`*_\[\]<>|!&~]")

#: Title, column names, rows, caption. The first and the last column hold text, those in between numbers.
Content = tuple[str, Sequence[str], Sequence[Sequence[str]], str]


def text_card(tables: Sequence[Content], warnings: Sequence[str] = ()) -> str:
    """Renders tables and warnings for a terminal of 120 columns."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    out = StringIO()
    console = Console(file=out, width=120, markup=False, emoji=False, highlight=False)
    for title, header, rows, caption in tables:
        table = Table(box=box.SIMPLE)
        for position, name in enumerate(header):
            middle = 0 < position < len(header) - 1
            table.add_column(name, justify="right" if middle else "left", overflow="fold", no_wrap=middle)
        for row in rows:
            table.add_row(*row)
        console.print(title, table, caption, sep="\n")
    for warning in warnings:
        console.print(f"! {warning}", soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))


def html_card(tables: Sequence[Content], warnings: Sequence[str] = ()) -> str:
    """Renders the same for a notebook."""
    parts = []
    for title, header, rows, caption in tables:
        cells = "".join(f"<th>{html.escape(name)}</th>" for name in header)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        table = f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
        parts.append(f"<h4>{html.escape(title)}</h4>{table}<p><small>{html.escape(caption)}</small></p>")
    return "".join([*parts, *(f"<p>&#9888; {html.escape(warning)}</p>" for warning in warnings)])


def markdown_card(tables: Sequence[Content], warnings: Sequence[str] = ()) -> str:
    """Renders the same for the App."""
    parts = []
    for title, header, rows, caption in tables:
        lines = [list(map(escaped, header)), ["---"] * len(header), *(list(map(escaped, row)) for row in rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append("\n\n".join(part for part in (f"**{escaped(title)}**", table, escaped(caption)) if part))
    return "\n\n".join([*parts, *(f"⚠ {escaped(warning)}" for warning in warnings)])


def escaped(text: str) -> str:
    """Text as Markdown shows it literally: names of fields, views and tags may hold anything."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def number(value: float | None) -> str:
    """Three significant digits, thousands with commas; a dash for no number."""
    if value is None or not math.isfinite(value):
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2e}" if 0 < abs(value) < 0.001 else f"{value:.3g}"


def percent(share: float) -> str:
    """A share as a percentage, with a decimal below 10 %."""
    value = 100 * share
    return f"{value:.1f} %" if value < 10 and not float(value).is_integer() else f"{value:.0f} %"
