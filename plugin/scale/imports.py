"""``import_coreset``: a ranking becomes a run of a FiftyOne dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback, part_of, reporting
from ..selection.budget import resolve_budget
from ..selection.method import Selection
from .forecast import Machines
from .model import import_need
from .parts import Stage
from .ranking import ranking_of
from .run import SELECT, ScaleRun
from .scoring import read_scores
from .sources import FIFTYONE
from .store import StorePath
from .tars import container

if TYPE_CHECKING:
    import pyarrow as pa
    from fiftyone.core.dataset import Dataset

    from ..results import CoresetResults

#: What marks a dataset that an import made, in its ``info``.
_INFO_KEY = "coreset_scale"
#: Fields of the samples that an import makes.
_ROW, _ID = "scale_row", "scale_id"
#: Samples that are added at a time, from however many units.
_BATCH = 10_000
#: More images than this are not ranked in place: FiftyOne's lists of them would not fit.
_MOST_SAMPLES = 10_000_000
#: Share of the rows that a dataset may lack.
_UNMATCHED = 0.01


@dataclass(frozen=True)
class _Ranked:
    """The rows that are imported.

    Attributes:
        run: the run
        stage: the selection
        table: its first rows, first to keep first
    """

    run: ScaleRun
    stage: Stage
    table: pa.Table

    @property
    def rows(self) -> np.ndarray:
        """(k,) int64 their numbers in the run, first to keep first."""
        return self.table["row"].to_numpy()

    @property
    def facts(self) -> dict[str, Any]:
        """What the coreset run says of where it comes from."""
        pool, source = self.run.n_usable(), self.run.record["source"]
        return {
            "scale": {"folder": str(self.run.folder), "source": source, "n_pool": pool, **self.stage.record},
            "why": f"{len(self.rows):,} chosen of {pool:,} images of {source}",
        }

    def selection(self, places: np.ndarray, n: int) -> Selection:
        """The ranking of a dataset.

        Args:
            places: (k,) place in the dataset of every row, -1 where it has none
            n: rows of the dataset
        """
        record, run = self.stage.record, self.run
        there = places >= 0
        columns = {}
        if record["method"] == "zcore":
            scores = read_scores(run).take(self.rows[there])
            for name in ("score", "coverage", "redundancy"):
                columns[name] = np.full(n, np.nan)
                columns[name][places[there]] = scores[name].to_numpy()
        return Selection(places[there], record["method"], record["seed"], n, columns, self.facts)


def import_coreset(
    out: str | Path | StorePath,
    name: str,
    dataset: str,
    *,
    only: str = "coreset",
    keep: int | float | str | None = None,
    brain_key: str = "coreset",
    embeddings_field: str = "scale_embeddings",
    projection: str | None = "umap",
    allow_unmatched: bool = False,
    progress: bool | ProgressCallback | None = None,
    overwrite: bool = False,
) -> CoresetResults:
    """Makes a selection of a run a coreset run in FiftyOne, so that panel, reports and views work on it.

    With ``only="coreset"`` a new dataset is made of the rows that are kept, with their vectors in a field. An import
    that was killed continues when it is called again, and one that is complete does nothing. With ``only="pool"`` the
    rows are found among the samples of a dataset: by sample id if the run was made of a FiftyOne dataset, else by file
    path. The run knows the kept rows alone, so its coverage is that among them.

    Args:
        out: the folder of the run
        name: the name of the selection
        dataset: the name of the dataset; a new one with ``only="coreset"``
        only ("coreset"): ``"coreset"`` or ``"pool"``
        keep (None): how many of the rows to import: a count, a fraction or a percentage of those that are ranked; all
            of them by default
        brain_key ("coreset"): the name of the coreset run
        embeddings_field ("scale_embeddings"): the field of the vectors in a new dataset
        projection ("umap"): the map: ``"umap"``, ``"pca"`` or ``None``
        allow_unmatched (False): whether a dataset may lack more than 1 % of the rows
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)
        overwrite (False): whether to replace a coreset run of this name

    Returns:
        a :class:`~fiftyone_coreset.CoresetResults`

    Raises:
        CoresetError: if the selection is not complete, the dataset exists and is of something else, or does not exist,
            or lacks rows, or the rows have no addresses

    Examples:
        A dataset of what is kept, and its report::

            results = fc.scale.import_coreset("run", "facility_location", "kept", projection="pca")
            print(results.report("10%"))
    """
    import fiftyone as fo

    if only not in ("coreset", "pool"):
        raise CoresetError(f'only must be "coreset" or "pool", got {only!r}')
    run = ScaleRun(out)
    table = ranking_of(run, name)
    if keep is not None:
        table = table.slice(0, resolve_budget(keep, len(table)))
    ranked = _Ranked(run, Stage.load(run.folder / SELECT / name), table)
    done = _imported(ranked, dataset, brain_key, projection)
    if done is not None and not overwrite:
        return done
    with reporting(progress, "Importing") as report:
        need = import_need(run.dimension(), len(table), Machines())
        report(0.0, f"{len(table):,} rows expected to take {need} of the database")
        if only == "coreset":
            made = _dataset(ranked, dataset, embeddings_field)
            _add_samples(ranked, made, embeddings_field, part_of(report, 0.0, 0.5))
            place_of = {row: place for place, row in enumerate(made.values(_ROW))}
            embeddings: Any = embeddings_field
        else:
            if dataset not in fo.list_datasets():
                raise CoresetError(f"there is no FiftyOne dataset '{dataset}'; only='coreset' makes one")
            made = fo.load_dataset(dataset)
            place_of = _match(ranked, made, allow_unmatched)
            embeddings = None
        places = np.array([place_of.get(row, -1) for row in ranked.rows.tolist()])
        n = made.count("id")
        if embeddings is None:
            embeddings = np.zeros((n, run.dimension()), dtype=np.float32)  # takes memory where it is written only
            for within, vectors in ranked.run.vectors_of(ranked.rows):
                known = places[within] >= 0
                embeddings[places[within][known]] = vectors[known]
        return _store(made, embeddings, ranked.selection(places, n), brain_key, projection, report, overwrite)


def _imported(ranked: _Ranked, dataset: str, brain_key: str, projection: str | None) -> CoresetResults | None:
    """The coreset run of this import, if it is there."""
    import fiftyone as fo

    from ..runs.load import list_runs, load_run

    if dataset not in fo.list_datasets():
        return None
    made = fo.load_dataset(dataset)
    if brain_key not in list_runs(made):
        return None
    results = load_run(made, brain_key)
    known = results.config.facts
    same = all(known.get(name) == value for name, value in ranked.facts.items())
    return results if same and results.config.projection in (projection, None) else None


def _store(
    dataset: Dataset,
    embeddings: Any,
    selection: Selection,
    brain_key: str,
    projection: str | None,
    report: ProgressCallback,
    overwrite: bool,
) -> CoresetResults:
    from ..runs.compute import store_ranking

    return store_ranking(
        dataset,
        embeddings,
        selection,
        brain_key,
        projection=projection,
        progress=part_of(report, 0.5, 1.0),
        overwrite=overwrite,
    )


def _dataset(ranked: _Ranked, name: str, embeddings_field: str) -> Dataset:
    """A new dataset for the rows, or the one that an import of the same rows has begun."""
    import fiftyone as fo

    if ranked.table["uri"].null_count:
        raise CoresetError(f"rows of {ranked.run.folder} have no addresses; plan the run with uri_column to import it")
    inside = next((uri for uri in ranked.table["uri"].to_pylist() if container(uri) != uri), None)
    if inside is not None:
        raise CoresetError(
            f"rows of {ranked.run.folder} lie in tar files, e.g. {inside}, which FiftyOne cannot open; unpack them and "
            "plan a run of the folder"
        )
    mark = {"selection": ranked.stage.key, "n": len(ranked.rows), "embeddings_field": embeddings_field}
    if name not in fo.list_datasets():
        made = fo.Dataset(name, persistent=True)
        made.info = {_INFO_KEY: mark}
        made.save()
        return made
    made = fo.load_dataset(name)
    if made.info.get(_INFO_KEY) != mark:
        raise CoresetError(f"dataset '{name}' exists and is not of this import; choose another name, or delete it")
    return made


def _add_samples(ranked: _Ranked, made: Dataset, embeddings_field: str, report: ProgressCallback) -> None:
    """Adds the rows that are not there yet, in the order of the run."""
    import fiftyone as fo

    from ..dataset.rows import Rows
    from ..embeddings.record import write_record

    made.add_sample_field(embeddings_field, fo.VectorField)
    made.add_sample_field(_ROW, fo.IntField)
    there = set(made.values(_ROW))
    rows, ids, uris = (ranked.table[name].to_pylist() for name in ("row", "id", "uri"))
    waiting: list[fo.Sample] = []
    done = 0
    for places, vectors in ranked.run.vectors_of(ranked.rows):
        waiting += [
            fo.Sample(filepath=uris[place], **{_ROW: rows[place], _ID: ids[place], embeddings_field: vector})
            for place, vector in zip(places.tolist(), vectors, strict=True)
            if rows[place] not in there
        ]
        done += len(places)
        if len(waiting) >= _BATCH or done == len(rows):
            made.add_samples(waiting, progress=False)
            waiting = []
            report(done / len(rows), f"{done:,} of {len(rows):,} samples")
    record = ranked.run.model_record()
    if record is not None:
        write_record(Rows(made), embeddings_field, record, "complete")


def _match(ranked: _Ranked, dataset: Dataset, allow_unmatched: bool) -> dict[int, int]:
    """The place of every row in a dataset, by its number, as far as it is there."""
    n = dataset.count("id")
    if n > _MOST_SAMPLES:
        raise CoresetError(
            f"dataset '{dataset.name}' has {n:,} samples, more than the {_MOST_SAMPLES:,} that can be ranked in place; "
            "use only='coreset'"
        )
    by_id = ranked.run.record["source"].startswith(FIFTYONE)
    place_of = {key: place for place, key in enumerate(dataset.values("id" if by_id else "filepath"))}
    keys = ranked.table["id" if by_id else "uri"].to_pylist()
    unmatched = [key for key in keys if key not in place_of]
    if len(unmatched) == len(keys) or (len(unmatched) > _UNMATCHED * len(keys) and not allow_unmatched):
        named = ", ".join(map(str, unmatched[:3]))
        raise CoresetError(
            f"dataset '{dataset.name}' lacks {len(unmatched):,} of {len(keys):,} rows, e.g. {named}; import into the "
            "dataset they came from, or pass allow_unmatched=True"
        )
    rows = ranked.rows.tolist()
    return {row: place_of[key] for row, key in zip(rows, keys, strict=True) if key in place_of}
