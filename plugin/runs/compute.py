"""``compute_coreset``: from embeddings to a brain run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from ..brain import CoresetConfig, visualization_key
from ..dataset.arguments import resolve_arguments
from ..dataset.embeddings import DEFAULT_FIELD, Embeddings, EmbeddingSource
from ..dataset.labels import read_labels
from ..dataset.lock import database_faults, run_lock
from ..dataset.rows import Rows, rows_of
from ..embeddings.class_texts import with_class_texts
from ..errors import CoresetError
from ..progress import ProgressCallback, part_of, reporting
from ..requirements import check_count, package_version, require
from ..results import CoresetResults
from ..seeds import check_seed
from ..selection.cost import expected_cost
from ..selection.pool import all_alike
from ..selection.registry import get_method
from ..vectors import half
from .load import list_runs
from .near_duplicates import find_near_copies
from .orphans import find_orphans
from .write import write_run

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

    from ..selection.method import Selection
    from ..vectors.near_copies import NearCopies
    from ..vectors.projection import Projection


def compute_coreset(
    samples: SampleCollection,
    embeddings: Any = DEFAULT_FIELD,
    brain_key: str = "coreset",
    *,
    similarity_index: Any = None,
    model: Any = None,
    method: str = "auto",
    label_field: str | None = None,
    projection: str | None = "umap",
    prefer: str = "central",
    seed: int = 0,
    num_workers: int | None = None,
    progress: bool | ProgressCallback | None = None,
    overwrite: bool = False,
    **method_kwargs: Any,
) -> CoresetResults:
    """Ranks the images (or objects) of a collection by how much they are worth keeping.

    Writes the fields ``<brain_key>_score``, ``_rank`` (0 = first to keep) and what else the method measures, e.g.
    ``_coverage`` and ``_redundancy``, on the scored samples only, and registers a brain run of type ``"coreset"`` and,
    with a projection, a standard visualization run ``<brain_key>_umap``. Everything is computed before anything is
    written: a run that fails leaves the dataset as it was.

    Args:
        samples: a dataset, a view, a ``to_patches()`` view to rank objects, or a ``to_frames()`` view to rank frames of
            videos; a dataset of videos too, if ``embeddings`` is a frame field such as ``"frames.clip_embeddings"``. Of
            a grouped collection, groups are ranked, by the embeddings of the active slice, or of those that
            ``embeddings`` names, e.g. ``["left.emb", "right.emb"]``, and views keep groups with all their slices
        embeddings ("clip_embeddings"): a vector field, a list of fields (balanced and concatenated), the brain key of a
            similarity index or of a visualization that was made from embeddings, a mapping from id to vector, an (n, d)
            array, or the path of an ``.npy`` file, with one row a sample. Samples without a usable vector are left
            out, counted in ``results.config.n_missing``, and keep ``None``. Vectors that are given are kept with the
            run in half precision, up to 128 MiB of them
        brain_key ("coreset"): the name of the run
        similarity_index (None): the brain key of a similarity index, or a loaded one, instead of ``embeddings``
        model (None): a model to embed the images with first, see :func:`~fiftyone_coreset.compute_embeddings`;
            ``embeddings`` names the field then that the vectors are kept in, and only what it lacks is computed
        method ("auto"): a name from :func:`list_methods`
        label_field (None): a label field, for methods that use labels and for class retention in reports
        projection ("umap"): the map: ``"umap"``, ``"pca"`` or ``None``
        prefer ("central"): which image stands for its near-copies, see :func:`~fiftyone_coreset.near_duplicates`
        seed (0): the random seed; the same seed gives the same result for any number of workers
        num_workers (None): threads to use; all cores by default
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)
        overwrite (False): whether to replace an existing run of this name
        **method_kwargs: passed to the method, e.g. ``n_draws=`` of ZCore; or ``k=``, the largest budget that is needed
            (methods whose selections are not nested need it, others rank all rows); or one of the constraints that all
            methods share, e.g. ``preselected=`` a view, tag or field of what must be kept, or ``groups=`` a field and
            ``quota=`` (see :meth:`.Method.select`). ``clip_powered`` also takes ``class_names=`` and ``templates=``,
            see :func:`.class_texts.class_texts`

    Returns:
        a :class:`CoresetResults`

    Raises:
        CoresetError: if an argument is unusable, the name is taken, or the same run is being computed elsewhere

    Examples:
        >>> results = fc.compute_coreset(dataset, "clip_embeddings", brain_key="worth_labelling", projection="pca")
        >>> len(results.view("10%"))
        6
        >>> print(results.config.facts["why"])
        10% of the pool are near-copies in 6 bursts of up to 2, so one of each burst comes first
    """
    chosen = get_method(method)
    require(("numba", "sklearn", *(["umap"] if projection == "umap" else [])))
    if chosen.needs_model:
        raise CoresetError(
            f"method '{method}' chooses by the predictions of a model, which no ranking of a whole dataset has; call "
            f"get_method('{method}').select(..., predictions=), or choose another method"
        )
    rows = rows_of(samples, embeddings)
    seed = check_seed(seed)
    check_count("num_workers", num_workers, 1)
    if model is not None and similarity_index is not None:
        raise CoresetError("model= computes embeddings and similarity_index= names some; give one of them")
    source = EmbeddingSource.chosen(rows, embeddings, similarity_index)
    _require_no_budget(method_kwargs, brain_key)
    arguments, record = resolve_arguments(rows, source.recorded, method_kwargs)
    config = CoresetConfig(
        method=method,
        embeddings=source.recorded,
        patches_field=rows.patches_field,
        label_field=label_field,
        whole_groups=rows.are_groups,
        seed=seed,
        method_kwargs=record,
    )
    _require_free(rows, brain_key, overwrite)
    if model is not None:
        _embed(samples, source, model, num_workers, progress)
    unharmed = "nothing that was there is changed: see that mongod runs, and call again"
    with (
        database_faults(unharmed),
        run_lock(rows.dataset, brain_key) as lock,
        reporting(progress, f"Coreset '{brain_key}'") as report,
    ):
        report(0.0, "reading embeddings")
        found = source.load(rows)
        if source.fields is None:
            _tell_what_is_lost(found)
        labels = read_labels(rows, label_field)
        if chosen.needs_text:
            arguments = with_class_texts(rows, source, labels, arguments)
        _require_different(found, rows)
        cost = expected_cost(method, int(found.valid.sum()), found.matrix.shape[1])
        report(0.05, f"ranking by {method}" + ("" if cost is None else f", expected to take {cost}"))
        copies = find_near_copies(rows, found, prefer=prefer, seed=seed, num_workers=num_workers)
        selection = chosen.select(
            found.matrix,
            labels=labels,
            near_copies=copies,
            seed=seed,
            num_workers=num_workers,
            progress=part_of(report, 0.05, 0.65),
            **arguments,
        )
        config.n_missing = int((~found.valid).sum())
        results = _build_results(
            rows, config, brain_key, found, selection, copies, projection, part_of(report, 0.65, 0.95)
        )
        report(0.95, "writing fields")
        write_run(results, lock, overwrite)
    return results


def store_ranking(
    samples: SampleCollection,
    embeddings: Any,
    selection: Selection,
    brain_key: str = "coreset",
    *,
    projection: str | None = "umap",
    progress: bool | ProgressCallback | None = None,
    overwrite: bool = False,
) -> CoresetResults:
    """Writes a ranking that was made elsewhere as a run, with all that :func:`compute_coreset` writes.

    Args:
        samples: a dataset or view
        embeddings: see :func:`compute_coreset`
        selection: the ranking of its rows; those that it does not rank are left out
        brain_key ("coreset"): the name of the run
        projection ("umap"): the map: ``"umap"``, ``"pca"`` or ``None``
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)
        overwrite (False): whether to replace an existing run of this name

    Returns:
        a :class:`CoresetResults`

    Raises:
        CoresetError: if the name is taken, or the embeddings are unusable
    """
    rows = rows_of(samples, embeddings)
    source = EmbeddingSource.of(embeddings)
    config = CoresetConfig(method=selection.method, embeddings=source.recorded, seed=selection.seed)
    _require_free(rows, brain_key, overwrite)
    with (
        database_faults("nothing that was there is changed: see that mongod runs, and call again"),
        run_lock(rows.dataset, brain_key) as lock,
        reporting(progress, f"Coreset '{brain_key}'") as report,
    ):
        found = source.load(rows)
        if source.fields is None:
            _tell_what_is_lost(found)
        config.n_missing = int((~found.valid).sum())
        results = _build_results(rows, config, brain_key, found, selection, None, projection, report)
        write_run(results, lock, overwrite)
    return results


def _embed(
    samples: SampleCollection, source: EmbeddingSource, model: Any, num_workers: int | None, progress: Any
) -> None:
    """Completes the field of a run's embeddings; what could not be embedded is logged, and left out of the run."""
    from ..embeddings.compute import compute_embeddings

    if source.fields is None or len(source.fields) != 1:
        raise CoresetError("with model=, embeddings= names the one field that the vectors are kept in")
    told = compute_embeddings(samples, source.fields[0], model=model, num_workers=num_workers, progress=progress)
    if told.failures:
        logger.warning("%s", told)


def _require_no_budget(method_kwargs: dict[str, Any], brain_key: str) -> None:
    """Refuses the name under which views take a budget."""
    if "budget" in method_kwargs:
        raise CoresetError(
            "compute_coreset ranks all images, for every budget: give budget= to "
            f"create_coreset_view(dataset, '{brain_key}', budget), or k= here, the largest budget you need"
        )


def _require_free(rows: Rows, brain_key: str, overwrite: bool) -> None:
    """Refuses a name that is taken, before any work is done."""
    dataset = rows.dataset
    if not isinstance(brain_key, str) or not brain_key.isidentifier() or brain_key.startswith("_"):
        raise CoresetError(
            f"brain_key {brain_key!r} must be a valid variable name that begins with a letter, e.g. 'coreset'"
        )
    if brain_key in dataset.list_brain_runs():
        if brain_key not in list_runs(dataset):
            raise CoresetError(f"brain key '{brain_key}' belongs to a run of another type; choose another one")
        if not overwrite:
            raise CoresetError(f"run '{brain_key}' exists; choose another brain_key or pass overwrite=True")
        return
    orphans, map_key = find_orphans(dataset), visualization_key(brain_key)
    if map_key in dataset.list_brain_runs() and map_key not in orphans["maps"]:
        raise CoresetError(f"brain run '{map_key}' exists; choose another brain_key")
    for path in map(rows.path, (f"{brain_key}_rank", f"{brain_key}_score")):
        if dataset.has_field(path) and path not in orphans["fields"]:
            raise CoresetError(f"field '{path}' exists and belongs to no coreset run; choose another brain_key")


def _tell_what_is_lost(found: Embeddings) -> None:
    """Says before the start what will not work in another process, if there are too many vectors to store."""
    size = half.half_bytes(found.matrix)
    if size > half.MAX_STORED:
        logger.warning(
            "embeddings: %d MiB of vectors are more than the %d MiB that a run stores, so reports, explanations and "
            "budgets in words will work in this process only; write the vectors to a field and name it to keep them",
            size // 2**20,
            half.MAX_STORED // 2**20,
        )


def _require_different(found: Embeddings, rows: Rows) -> None:
    """Refuses vectors that no method can rank."""
    count = int(found.valid.sum())
    if count < 2:
        raise CoresetError(
            f"embeddings: {count} of {len(found.valid)} vectors are usable, but a ranking compares at least 2 "
            f"{rows.noun}"
        )
    if all_alike(found.matrix, found.valid):
        raise CoresetError(
            f"embeddings: all {count} usable vectors are identical, so there is nothing to rank; compute them again"
        )


def _build_results(
    rows: Rows,
    config: CoresetConfig,
    brain_key: str,
    found: Embeddings,
    selection: Selection,
    copies: NearCopies | None,
    projection: str | None,
    report: ProgressCallback,
) -> CoresetResults:
    from ..diagnostics.coverage import coverage_curve
    from ..diagnostics.first_cover import MAX_ROWS

    chosen = np.flatnonzero(selection.rank >= 0)
    kept = found.matrix[chosen]
    projected: Projection | None = None
    if projection is not None:
        from ..vectors.projection import project

        projected = project(kept, projection, config.seed, part_of(report, 0.0, 0.6))
    rank = selection.rank[chosen]
    groups = None if copies is None else copies.groups[chosen]
    curve = coverage_curve(
        kept, np.argsort(rank), near_copies=groups, seed=config.seed, progress=part_of(report, 0.6, 0.8)
    )
    config.columns = [*selection.columns, "rank", *(["xy"] if projected else [])]
    config.facts = selection.details | _group_facts(rows) | _copy_facts(copies, found.valid)
    config.n, config.n_unranked = len(chosen), len(found.matrix) - len(chosen)
    if projected is not None:
        config.projection, config.projection_note = projected.method, projected.note
    config.package_version = package_version()
    config.models = _model_records(rows, config.embeddings)
    stored = None
    if config.embeddings is None and half.half_bytes(kept) <= half.MAX_STORED:
        stored = half.to_half(kept)  # and read from there in this process too, so that every process says the same
    results = CoresetResults(
        rows.samples,
        config,
        brain_key,
        ids=np.array(rows.ids())[chosen],
        rank=rank,
        columns={name: values[chosen] for name, values in selection.columns.items()},
        points=None if projected is None else projected.points,
        curve=curve,
        embeddings=kept if stored is None else None,
        vectors=stored,
        near_copies=groups,
        fingerprints=None if found.fingerprints is None else found.fingerprints[chosen],
        left_out=np.array(rows.ids())[(selection.rank < 0) & found.valid],
    )
    if projected is not None and len(chosen) <= MAX_ROWS:
        results.first_cover(part_of(report, 0.8, 1.0))  # what the panel's map shows at every budget
    return results


def _group_facts(rows: Rows) -> dict[str, str]:
    """What a run of slices of a grouped dataset is to be known for: it ranks images, not their groups."""
    if rows.dataset.media_type != "group" or rows.are_groups:
        return {}
    slices = ", ".join(f"'{name}'" for name in rows.slices())
    note = f"the dataset is grouped: ranks and coreset views hold {rows.noun} of slice {slices}, not whole groups"
    logger.warning(note)
    return {"grouped_dataset": note}


def _copy_facts(copies: NearCopies | None, valid: np.ndarray) -> dict[str, Any]:
    """What fingerprints told of usable rows, if there are any."""
    if copies is None:
        return {}
    sizes = np.bincount(copies.groups)
    return {
        "near_copy_groups": int((sizes > 1).sum()),
        "near_copies": int(sizes[sizes > 1].sum()),
        "without_fingerprint": int((valid & ~copies.known).sum()),
        "near_copy_false_alarm_rate": copies.false_alarm_rate,
        "near_copy_model": None if copies.model is None else copies.model.to_dict(),
        "near_copy_models_in_order": {name: model.to_dict() for name, model in copies.in_order.items()},
    }


def _model_records(rows: Rows, fields: list[str] | None) -> dict[str, Any]:
    from ..embeddings.record import record_of

    records = {field: record_of(rows, field) for field in fields or []}
    return {field: record for field, record in records.items() if record}
