"""Tables for the terminal (rich) and the notebook (HTML), from the same contents."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from io import StringIO

_THREE_DIGITS = Context(prec=3, rounding=ROUND_HALF_UP)

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


# Numbers are written as `short` and `percent` of panels/web/src/budget.ts write them: one report shows both.
def number(value: float | None) -> str:
    """Three significant digits, thousands with commas; a dash for no number."""
    if value is None or not math.isfinite(value):
        return "-"
    if abs(value) >= 1000:
        return f"{_rounded(value, '1'):,}"
    digits = float(_THREE_DIGITS.create_decimal_from_float(float(value))) + 0.0  # no -0
    if 0 < abs(digits) < 1e-6:
        return f"{digits:g}".replace("e-0", "e-")
    return f"{digits:.8f}".rstrip("0").rstrip(".")


def percent(share: float) -> str:
    """A share as a percentage with as many digits as say something."""
    value = 100 * float(share)
    if 0 < value < 0.1:
        return "< 0.1 %"
    if 99.9 < value < 100:
        return "> 99.9 %"
    return f"{_rounded(value, '0.1' if value < 10 and not value.is_integer() else '1')} %"


def _rounded(value: float, step: str) -> Decimal:
    """Halves away from zero, as browsers round."""
    return Decimal(float(value)).quantize(Decimal(step), ROUND_HALF_UP)
