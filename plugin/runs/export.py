"""A coreset outside FiftyOne: a table of ids, ranks and scores for any other tool."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dataset.rows import FRAMES, IN_FRAMES
from ..errors import CoresetError
from ..requirements import require
from .load import load_run

if TYPE_CHECKING:
    import pandas as pd
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset

    from ..results import CoresetResults

#: Kinds of table, by the end of the file's name.
TABLES = (".csv", ".parquet")


def coreset_table(dataset: SampleCollection, brain_key: str, budget: Any = None) -> pd.DataFrame:
    """The ranking of a run as a table, first to keep first.

    Args:
        dataset: the dataset or one of its views
        brain_key: the name of the run
        budget (None): what is kept of it, see :func:`~fiftyone_coreset.create_coreset_view`; all that is ranked by
            default

    Returns:
        a ``pandas.DataFrame``, a row for each image (or object) that still exists, with the columns ``id``, for
        objects and frames ``sample_id`` too, ``filepath`` (that of the video for frames without images), for frames
        ``frame_number``, ``rank``, every figure of the run, e.g. ``score``, and ``label`` where the run has a label
        field

    Raises:
        CoresetError: if there is no such run, or the budget is out of range

    Examples:
        >>> table = fc.coreset_table(dataset, "coreset", "10%")
        >>> table["rank"].tolist()
        [0, 1, 2, 3, 4, 5]
        >>> table["filepath"].to_csv("to_label.txt", index=False, header=False)
    """
    import pandas as pd

    results = load_run(dataset, brain_key)
    places = results.ranking if budget is None else results.kept(budget)
    places = places[results.alive()[places]]
    columns: dict[str, Any] = {"id": results.ids[places]} | _files(results, places)
    columns["rank"] = results.rank[places]
    columns |= {name: values[places] for name, values in results.columns.items()}
    labels = results.labels()
    if labels is not None:
        columns["label"] = [labels[place] for place in places]
    return pd.DataFrame(columns)


def export_table(
    dataset: SampleCollection, brain_key: str, path: str | os.PathLike[str], budget: Any = None, overwrite: bool = False
) -> int:
    """Writes :func:`coreset_table` to a file, which is there whole or not at all.

    Args:
        dataset: the dataset or one of its views
        brain_key: the name of the run
        path: the file, ending in ``.csv`` or ``.parquet`` (which needs pyarrow)
        budget (None): what is kept of it; all that is ranked by default
        overwrite (False): whether to replace a file of this name

    Returns:
        how many rows were written

    Raises:
        CoresetError: if the file exists, is of another kind, or cannot be written

    Examples:
        >>> fc.export_table(dataset, "coreset", "to_label.csv", budget=12)
        12
    """
    target = Path(path)
    if target.suffix not in TABLES:
        raise CoresetError(f"'{target.name}' must end in {' or '.join(TABLES)}")
    if target.suffix == ".parquet":
        require(["pyarrow"])
    if target.exists() and not overwrite:
        raise CoresetError(f"file '{target}' exists; choose another name or pass overwrite=True")
    table = coreset_table(dataset, brain_key, budget)
    try:
        beside = target.with_name(f".{uuid.uuid4().hex}{target.suffix}")
        try:
            if target.suffix == ".csv":
                table.to_csv(beside, index=False)
            else:
                table.to_parquet(beside, index=False)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise CoresetError(f"'{target}' cannot be written: {error.strerror or error}") from error
    return len(table)


def _files(results: CoresetResults, places: Any) -> dict[str, list[Any]]:
    """Where the images are, and the samples that objects or frames are in."""
    if results.config.patches_field == FRAMES:
        names, found = ["sample_id", "filepath", "frame_number"], _frames(results.samples._root_dataset)
    else:
        rows = results.rows().as_patches()
        names = ["filepath"] if rows.patches_field is None else ["sample_id", "filepath"]
        ids, *values = rows.samples.values(["id", *names])
        found = dict(zip(ids, zip(*values, strict=True), strict=True))
    gone = (None,) * len(names)  # deleted since the places were read
    chosen = [found.get(row_id, gone) for row_id in results.ids[places].tolist()]
    return {name: [values[place] for values in chosen] for place, name in enumerate(names)}


def _frames(videos: Dataset) -> dict[str, tuple[str, str, int]]:
    """The video of every frame by id, the file of its image, else that of the video, and its number."""
    paths = [f"{IN_FRAMES}{name}" for name in ("id", "frame_number", "filepath") if videos.has_frame_field(name)]
    found = {}
    for video, path, *of_frames in zip(*videos.values(["id", "filepath", *paths]), strict=True):
        for row_id, number, *image in zip(*of_frames, strict=True):
            found[row_id] = (video, next(filter(None, image), path), number)
    return found
