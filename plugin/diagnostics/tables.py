"""Tables for the terminal (rich) and the notebook (HTML), from the same rows."""

from __future__ import annotations

import html
from collections.abc import Sequence
from io import StringIO


def text_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Renders rows for a terminal; all columns but the first and the last hold numbers and align right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, caption=caption or None, box=box.SIMPLE, title_justify="left", caption_justify="left")
    for position, name in enumerate(header):
        middle = 0 < position < len(header) - 1
        table.add_column(name, justify="right" if middle else "left", overflow="fold", no_wrap=middle)
    for row in rows:
        table.add_row(*row)
    out = StringIO()
    Console(file=out, width=120, markup=False, emoji=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))


def html_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Renders the same rows for a notebook."""
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    note = f"<p><small>{html.escape(caption)}</small></p>" if caption else ""
    return f"<h4>{html.escape(title)}</h4><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>{note}"


def number(value: float | None) -> str:
    """Three significant digits, or a dash."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
