"""``share_coreset``: a coreset as one file that any browser shows, without a server and without the images."""

from __future__ import annotations

import base64
import datetime
import html
import io
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from ..run_facts import facts_of
from ..run_figures import first_budgets_of, status_of
from ..selection.budget import budget_words
from ..vectors.neighbors import unit_rows
from .load import load_run
from .views import describe

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

    from ..results import CoresetResults

_PAGE = Path(__file__).resolve().parents[2] / "assets" / "share.html"
#: Dots of the map at most: 16 bytes each, 2.1 MB as text at 100,000.
MOST_DOTS = 100_000
#: Images of a kind that are shown, and the sides of their thumbnails: about 5 KB each.
_SHOWN, _SIDE, _QUALITY = 24, 192, 80


def share_coreset(
    samples: SampleCollection,
    brain_key: str = "coreset",
    path: str | os.PathLike[str] = "coreset.html",
    budget: Any = "10%",
    overwrite: bool = False,
) -> Path:
    """Writes a page that shows a coreset to somebody without FiftyOne.

    One file, with everything in it: the map with a budget to move, the coverage curve with its random band, thumbnails
    of what is kept, redundant and not covered, the report, and how the run was made. It is up to 3 MB large (2.6 MB
    measured at 100,000 images): of more than 100,000 images the map shows a random part, and says so.

    Args:
        samples: the dataset or one of its views
        brain_key ("coreset"): the name of the run
        path ("coreset.html"): the file
        budget ("10%"): what is kept, see :func:`~fiftyone_coreset.create_coreset_view`
        overwrite (False): whether to replace a file of this name

    Returns:
        the file

    Raises:
        CoresetError: if the file exists or cannot be written, there is no such run, or the budget is out of range

    Examples:
        >>> fc.share_coreset(dataset, "coreset", "for_the_client.html", budget=12).name
        'for_the_client.html'
    """
    target = Path(path)
    if target.exists() and not overwrite:
        raise CoresetError(f"file '{target}' exists; choose another name or pass overwrite=True")
    results = load_run(samples, brain_key)
    page = _page(results, budget)
    beside = target.with_name(f".{uuid.uuid4().hex}.html")
    try:
        try:
            beside.write_text(page, encoding="utf-8")
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise CoresetError(f"'{target}' cannot be written: {error.strerror or error}") from error
    return target


def _page(results: CoresetResults, budget: Any) -> str:
    kept = results.kept(budget)
    k, noun = len(kept), results.noun
    shown, note = _dots(results)
    status = status_of(results, k)
    title = f"{k:,} of {results.alive().sum():,} {noun} of '{results.rows().dataset.name}'"
    words = {
        "title": title,
        "subtitle": f"Chosen by {results.config.method}, budget {budget_words(budget)}. {_date()}",
        "noun": noun,
        "map_note": note,
    }
    parts = {
        "map_hidden": "" if results.points is not None else "hidden",
        "curve": _curve(results, k),
        "images": _images(results, kept, status),
        "report": results.report(budget)._repr_html_(),
        "made": _made(results, budget),
        "data": json.dumps(_data(results, shown, k)),
    }
    escaped = {name: html.escape(text) for name, text in words.items()}
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(escaped | parts)


def _date() -> str:
    return datetime.date.today().isoformat()


def _dots(results: CoresetResults) -> tuple[np.ndarray, str]:
    """The rows that the map shows, and what is to be said of that."""
    alive = np.flatnonzero(results.alive())
    if len(alive) <= MOST_DOTS:
        return alive, ""
    chosen = np.random.default_rng(results.config.seed).choice(alive, MOST_DOTS, replace=False)
    return np.sort(chosen), f"{MOST_DOTS:,} of the {len(alive):,} are shown, drawn at random."


def _data(results: CoresetResults, shown: np.ndarray, k: int) -> dict[str, Any]:
    """What the page draws the map from."""
    if results.points is None:
        return {}
    points = results.points[shown].astype(np.float64)
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    places = np.round((points - low) / np.where(span > 0, span, 1) * 65_535).astype(np.uint16)
    order = np.empty(len(results), dtype=np.uint32)
    alive = results.alive()
    order[results.ranking] = np.cumsum(alive[results.ranking]) - alive[results.ranking]  # without what was deleted
    budgets = first_budgets_of(results)
    never = np.full(len(results), np.iinfo(np.uint32).max, dtype=np.uint32)
    covered, duplicate = budgets if budgets is not None else (np.zeros_like(never), never)
    arrays = {
        "x": places[:, 0],
        "y": places[:, 1],
        "rank": order[shown],
        "covered": covered[shown],
        "duplicate": duplicate[shown],
    }
    return {name: _text(array) for name, array in arrays.items()} | {"n": int(alive.sum()), "k": k}


def _text(array: np.ndarray) -> str:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode()


def _curve(results: CoresetResults, k: int) -> str:
    """The curve as a drawing inside the page."""
    drawing = io.StringIO()
    results.curve().plot(k, backend="matplotlib").savefig(drawing, format="svg")
    text = drawing.getvalue()
    return text[text.index("<svg") :]


def _images(results: CoresetResults, kept: np.ndarray, status: dict[str, np.ndarray]) -> str:
    """Thumbnails of what is kept first, of what repeats a kept one beside it, and of what is not covered."""
    redundant = status.get("redundant", np.empty(0, dtype=np.int64))[: _SHOWN // 2]
    uncovered = status.get("uncovered", np.empty(0, dtype=np.int64))[:_SHOWN]
    twins = _nearest(results, redundant, kept)
    rows = np.unique(np.concatenate([kept[:_SHOWN], redundant, twins, uncovered]))
    pictures, names = _thumbnails(results, rows), _names(results, rows)

    def figure(*places: int) -> str:
        shown = [pictures[place] for place in places if place in pictures]
        tags = "".join(f'<img src="data:image/jpeg;base64,{picture}" alt="">' for picture in shown)
        caption = f"<figcaption>{html.escape(names.get(places[0], ''))}</figcaption>"
        return f'<figure class="{"pair" if len(places) > 1 else "one"}"><div>{tags}</div>{caption}</figure>'

    sections = [
        ("Kept first", "The first images of the ranking.", "images", [figure(int(row)) for row in kept[:_SHOWN]]),
        (
            "Redundant",
            "Left out, each beside the kept image that is most like it.",
            "images pairs",
            [figure(int(row), int(twin)) for row, twin in zip(redundant, twins, strict=True)],
        ),
        (
            "Not covered",
            "Left out, and nothing that is kept is like it; a larger budget reaches them last.",
            "images",
            [figure(int(row)) for row in uncovered],
        ),
    ]
    return "".join(
        f'<section><h2>{title}</h2><p>{words}</p><div class="{kind}">{"".join(figures)}</div></section>'
        for title, words, kind, figures in sections
        if figures and pictures
    )


def _nearest(results: CoresetResults, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The kept row that is nearest to each of the rows."""
    if not len(rows):
        return np.empty(0, dtype=np.int64)
    unit = np.nan_to_num(unit_rows(results.embeddings()[np.concatenate([rows, kept])])[0])
    return kept[np.argmax(unit[: len(rows)] @ unit[len(rows) :].T, axis=1)]


def _thumbnails(results: CoresetResults, rows: np.ndarray) -> dict[int, str]:
    """Small JPEGs by row; files that cannot be read have none."""
    from PIL import Image

    from ..embeddings.field import image_files
    from ..embeddings.framing import Framing
    from ..embeddings.loading import batches, choose_workers

    place = {results.ids[row]: int(row) for row in rows}
    seen = results.rows().as_patches()
    if seen.samples.media_type != "image":
        return {}
    files, framing = image_files(seen, set(place))[0], Framing(_SIDE, _SIDE)
    found = {}
    for batch in batches(files, framing, len(files) or 1, choose_workers(None, len(files), len(files), on_cpu=False)):
        for row_id, pixels in zip(batch.ids, batch.pixels, strict=True):
            content = io.BytesIO()
            Image.fromarray(pixels).save(content, "JPEG", quality=_QUALITY)
            found[place[row_id]] = base64.b64encode(content.getvalue()).decode()
    return found


def _names(results: CoresetResults, rows: np.ndarray) -> dict[int, str]:
    """The file of every row, without its folders: a page that is shown to others tells nothing of this machine."""
    seen = results.rows().as_patches()
    chosen = seen.samples.select(results.ids[rows].tolist())
    paths = dict(zip(*chosen.values(["id", "filepath"]), strict=True))
    return {int(row): os.path.basename(paths.get(results.ids[row], "")) for row in rows}


def _made(results: CoresetResults, budget: Any) -> str:
    """The record of the run, as a table."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        package = version("fiftyone-coreset")
    except PackageNotFoundError:  # a plugin folder
        package = str(results.config.package_version or "")
    facts: Sequence[tuple[str, str]] = [
        *facts_of(results).items(),
        ("why", str(results.config.facts.get("why") or "")),
        ("view", describe(results, budget)),
        ("fiftyone-coreset", package),
    ]
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in facts if text)
    return f"<table>{rows}</table>"
