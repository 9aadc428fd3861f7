"""``plan``: lists a source once, in units, and freezes it."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..dataset.rows import counted
from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from ..requirements import package_version, require
from .appending import Known, filled_up, id_keys
from .forecast import Machines
from .lock import one_writer
from .model import plan_need
from .parts import FORMAT_VERSION, Stage, write_record
from .places import Place, as_place
from .run import APPENDED, MANIFEST, RECORD, ScaleRun
from .sources import Listed, Source, find_source, text_digest
from .store import StorePath

if TYPE_CHECKING:
    import pyarrow as pa


def plan(
    source: Any,
    out: str | Path | StorePath,
    *,
    id_column: str | None = None,
    uri_column: str | None = None,
    image_column: str | None = None,
    vector_column: str | None = None,
    rows_per_unit: int = 10_000,
    append: bool = False,
    progress: bool | ProgressCallback | None = False,
) -> ScaleRun:
    """Lists what a run is to work on, in units that are worked on one by one.

    The list is frozen. A second call with the same source is answered with what is there, unless ``append`` asks for
    what came since: rows whose ids are not there yet become new units, which :func:`embed` then makes alone; units that
    are there stay as they are, also where rows have gone from the source. What was scored or selected before is named
    and refused until its folder is deleted.

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
        append (False): list the source again, and add the rows that are new
        progress (False): True for a terminal bar, or a function ``(fraction, message)``

    Returns:
        the run

    Raises:
        CoresetError: if the source cannot be read, is empty, has ids twice, ``out`` holds a run of another source,
            there is no run to append to, or ids that are there have other addresses by now

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
            if append:
                raise CoresetError(f"{out} holds no run to append to; plan it first, without append")
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
        if append:
            _append(found, run, report)
            run = ScaleRun(out)
        return run


def _write(source: Source, out: Place, asked: dict[str, Any], report: ProgressCallback) -> None:
    """Writes the manifest, and last the record that makes it valid."""
    folder = out / MANIFEST
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)  # of a call that was killed: without a record it is nothing
    stage = Stage.begin(folder, asked)
    digest = hashlib.sha256()
    units = _write_units(stage, 0, _hashed(_checked(source.listing), digest, source.holds_contents), report)
    if not units.rows:
        raise CoresetError(f"{source.name} holds no images, so there is nothing to plan")
    _refuse_duplicates(stage, np.concatenate(units.keys), units.rows)
    record = {**asked, "n": sum(units.rows), "unit_rows": units.rows, "digest": digest.hexdigest()[:16]}
    _make_valid(out, RECORD, stage, 0, units, record)


def _append(source: Source, run: ScaleRun, report: ProgressCallback) -> None:
    """Writes the rows whose ids are not there yet as new units, and last the record that makes them valid."""
    known = Known(run, report)
    listing = filled_up(known.new_of(_checked(source.listing, known.kind)), run.record["rows_per_unit"])
    units = _write_units(run.manifest, run.n_units, listing, report)
    known.refuse_moved()
    report(1.0, f"{counted(sum(units.rows), 'new rows')} in {counted(len(units.rows), 'units')}")
    if units.rows:
        _refuse_duplicates(run.manifest, np.concatenate([known.keys, *units.keys]), run.unit_rows + units.rows)
        record = {"n": sum(units.rows), "unit_rows": units.rows}
        name = APPENDED.format(len(run.ends))
        if not _make_valid(run.folder, name, run.manifest, run.n_units, units, record):
            raise _at_the_same_time(run.folder)


class _Units(NamedTuple):
    """Units that were written.

    Attributes:
        rows: of each
        keys: of their ids
        digests: of their parts
    """

    rows: list[int]
    keys: list[np.ndarray]
    digests: list[str]


def _write_units(stage: Stage, first: int, listing: Iterator[Listed], report: ProgressCallback) -> _Units:
    """Writes rows as units from a number on."""
    import pyarrow as pa

    units = _Units([], [], [])
    for number, listed in enumerate(listing, start=first):
        table = pa.table({"id": listed.ids, "uri": listed.uris, "size": listed.sizes, "start": listed.starts})
        units.digests.append(stage.write(number, table, {"origin": listed.origin}))
        units.keys.append(id_keys(listed.ids))
        units.rows.append(len(listed.ids))
        report(0.5, f"{sum(units.rows):,} rows")
    return units


def _make_valid(out: Place, name: str, stage: Stage, first: int, units: _Units, record: dict[str, Any]) -> bool:
    """Writes the record of units unless it is there; refuses if another process wrote some of them meanwhile."""
    numbers = range(first, first + len(units.rows))
    if [(facts or {}).get("digest") for facts in stage.all_facts(numbers)] != units.digests:
        raise _at_the_same_time(out)
    return write_record(out / name, {"format": FORMAT_VERSION, "package_version": package_version(), **record})


def _at_the_same_time(out: Place) -> CoresetError:
    return CoresetError(f"{out} is planned by another process at the same time; plan again when that is done")


def _checked(listing: Iterator[Listed], kind: pa.DataType | None = None) -> Iterator[Listed]:
    """Passes on what has rows, and makes sure that all ids are of one type."""
    for listed in listing:
        kind = kind or listed.ids.type
        if listed.ids.type != kind:
            raise CoresetError(f"ids are {kind} in some files and {listed.ids.type} in others; make them one type")
        if len(listed.ids):
            yield listed


def _hashed(listing: Iterator[Listed], into: hashlib._Hash, with_origins: bool) -> Iterator[Listed]:
    """Passes on what was listed, and adds it to a hash."""
    for listed in listing:
        for column in listed.columns:
            text_digest(column, into)
        into.update(repr(listed.origin if with_origins else None).encode())
        yield listed


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
        come = f"{counted(len(twice), 'ids')} {'comes' if len(twice) == 1 else 'come'} more than once"
        raise CoresetError(f"{come}, e.g. {named}; ids must be unique")
