"""``plan``: lists a source once, in units, and freezes it."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from ..requirements import package_version, require
from .forecast import Machines
from .lock import one_writer
from .model import plan_need
from .parts import FORMAT_VERSION, Stage, write_record
from .places import Place, as_place
from .run import MANIFEST, RECORD, ScaleRun
from .sources import Listed, Source, find_source, text_digest
from .store import StorePath


def plan(
    source: Any,
    out: str | Path | StorePath,
    *,
    id_column: str | None = None,
    uri_column: str | None = None,
    image_column: str | None = None,
    vector_column: str | None = None,
    rows_per_unit: int = 10_000,
    progress: bool | ProgressCallback | None = False,
) -> ScaleRun:
    """Lists what a run is to work on, in units that are worked on one by one.

    The list is frozen: images that come later are another run. A second call with the same source is answered with what
    is there.

    Args:
        source: a folder of images, a Parquet file, a Lance table, a tar file, a folder of Parquet or of tar files,
            also by an address in an object store, ``"fiftyone:<name>"``, a FiftyOne collection of images, or vectors
            with known answers, ``"synthetic://clusters?n=1000000&dim=512&copies=0.1"``, see :class:`SyntheticPool`
        out: the folder of the run, or its address in an object store; created if necessary
        id_column (None): the column of ids in a table, whole numbers or text; by default the addresses are the ids
        uri_column (None): the column of image files in a table
        image_column (None): the column of images in a table: their bytes, or a struct with ``bytes``
        vector_column (None): the column of vectors in a table, so that nothing has to be embedded
        rows_per_unit (10,000): rows of a unit
        progress (False): True for a terminal bar, or a function ``(fraction, message)``

    Returns:
        the run

    Raises:
        CoresetError: if the source cannot be read, is empty, has ids twice, or ``out`` holds a run of another source

    Examples:
        A folder of photographs::

            run = fc.scale.plan("photos", "run", rows_per_unit=1_000)
            print(len(run), "images in", run.n_units, "units")
    """
    require(["pyarrow"])
    if rows_per_unit < 1:
        raise CoresetError(f"rows_per_unit must be at least 1, got {rows_per_unit}")
    out = as_place(out)
    columns = {
        "id_column": id_column,
        "uri_column": uri_column,
        "image_column": image_column,
        "vector_column": vector_column,
    }
    found = find_source(source, columns, rows_per_unit)
    asked = {"source": found.name, **columns, "rows_per_unit": rows_per_unit}
    with one_writer(out), reporting(progress, "Listing") as report:
        if not (out / RECORD).is_file():
            if found.n_rows is not None:
                need = plan_need(found.n_rows, math.ceil(found.n_rows / rows_per_unit), Machines())
                report(0.0, f"{found.n_rows:,} rows expected to take {need}")
            _write(found, out, asked, report)
    run = ScaleRun(out)
    different = [name for name, value in asked.items() if run.record.get(name) != value]
    if different:
        name = different[0]
        raise CoresetError(
            f"{out} holds a run with {name}={run.record.get(name)!r}, not {asked[name]!r}; choose another folder"
        )
    return run


def _write(source: Source, out: Place, asked: dict[str, Any], report: ProgressCallback) -> None:
    """Writes the manifest, and last the record that makes it valid."""
    import pyarrow as pa

    folder = out / MANIFEST
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)  # of a call that was killed: without a record it is nothing
    stage = Stage.begin(folder, asked)
    digest, unit_rows, keys, written = hashlib.sha256(), [], [], []
    for number, listed in enumerate(_checked(source.listing)):
        table = pa.table({"id": listed.ids, "uri": listed.uris, "size": listed.sizes, "start": listed.starts})
        written.append(stage.write(number, table, {"origin": listed.origin}))
        for column in table.columns:
            text_digest(column, digest)
        digest.update(repr(listed.origin if source.holds_contents else None).encode())
        keys.append(_keys(listed.ids))
        unit_rows.append(len(listed.ids))
        report(0.5, f"{sum(unit_rows):,} rows")
    if not unit_rows:
        raise CoresetError(f"{source.name} holds no images, so there is nothing to plan")
    _refuse_duplicates(stage, np.concatenate(keys), unit_rows)
    if [(facts or {}).get("digest") for facts in stage.all_facts(range(len(written)))] != written:
        raise CoresetError(f"{out} is planned by another process at the same time; plan again when that is done")
    record = {"n": sum(unit_rows), "unit_rows": unit_rows, "digest": digest.hexdigest()[:16]}
    write_record(out / RECORD, {"format": FORMAT_VERSION, "package_version": package_version(), **asked, **record})


def _checked(listing: Iterator[Listed]) -> Iterator[Listed]:
    """Passes on what has rows, and makes sure that all ids are of one type."""
    kind = None
    for listed in listing:
        kind = kind or listed.ids.type
        if listed.ids.type != kind:
            raise CoresetError(f"ids are {kind} in some files and {listed.ids.type} in others; make them one type")
        if len(listed.ids):
            yield listed


def _keys(ids: Any) -> np.ndarray:
    """(m,) uint64 keys of ids; numbers are their own, texts are hashed."""
    import pyarrow as pa
    from pandas.util import hash_array

    if pa.types.is_integer(ids.type):
        return ids.to_numpy(zero_copy_only=False).view(np.uint64)
    return hash_array(np.asarray(ids.to_pylist(), dtype=object), categorize=False)


def _refuse_duplicates(stage: Stage, keys: np.ndarray, unit_rows: list[int]) -> None:
    """Refuses ids that come twice; ids that only share a key are looked at themselves."""
    ordered = np.sort(keys)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return
    rows = np.flatnonzero(np.isin(keys, repeated))
    starts = np.concatenate([[0], np.cumsum(unit_rows)])
    seen: set[Any] = set()
    twice: dict[Any, None] = {}
    for unit in np.unique(np.searchsorted(starts, rows, side="right") - 1):
        places = rows[(rows >= starts[unit]) & (rows < starts[unit + 1])] - starts[unit]
        for name in stage.read(int(unit), ["id"])["id"].take(places).to_pylist():
            if name in seen:
                twice[name] = None
            seen.add(name)
    if twice:
        named = ", ".join(repr(name) for name in list(twice)[:3])
        raise CoresetError(f"{len(twice)} ids come more than once, e.g. {named}; ids must be unique")
