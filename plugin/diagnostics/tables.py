"""Tables for the terminal (rich) and the notebook (HTML), from the same contents."""

from __future__ import annotations

import html
from collections.abc import Sequence
from io import StringIO

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
        lines = [header, ["---"] * len(header), *rows]
        table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        parts.append("\n\n".join(part for part in (f"**{title}**", table, caption) if part))
    return "\n\n".join([*parts, *(f"⚠ {warning}" for warning in warnings)])


def number(value: float | None) -> str:
    """Three significant digits, or a dash."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
