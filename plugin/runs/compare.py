"""``compare_coresets``: runs, views, tags and fields of a dataset side by side."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.rows import Rows
from ..diagnostics.subsets import CoresetComparison, compare_subsets
from ..errors import CoresetError
from ..progress import ProgressCallback
from .load import list_runs, load_run

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

    from ..results import CoresetResults

logger = logging.getLogger(__name__)

#: The budget that the App's forms suggest too.
DEFAULT_BUDGET = "10%"


@dataclass(frozen=True, repr=False)
class ComparedCoresets(CoresetComparison):
    """Coresets of a dataset side by side; prints as tables in a terminal and in a notebook.

    Attributes:
        samples: the compared images, or objects
        ids: (n,) sample ids (label ids of objects) of the rows that ``selected``, ``only()`` and so on speak of

    Examples:
        >>> compared = fc.compare_coresets(dataset, {"coreset": ("coreset", 12), "street": "street"})
        >>> compared.names
        ['coreset', 'street']
    """

    samples: SampleCollection
    ids: np.ndarray

    def only_view(self, name: str) -> SampleCollection:
        """What one coreset keeps and every other drops, as a view.

        Examples:
            >>> compared = fc.compare_coresets(dataset, {"coreset": ("coreset", 12), "street": "street"})
            >>> len(compared.only_view("coreset")) + len(compared.shared_view())
            12
        """
        return self._view(self.only(name))

    def dropped_view(self, name: str) -> SampleCollection:
        """What every other coreset keeps and this one drops, as a view.

        Examples:
            >>> compared = fc.compare_coresets(dataset, {"coreset": ("coreset", 12), "street": "street"})
            >>> len(compared.dropped_view("coreset")) + len(compared.shared_view())
            20
        """
        return self._view(self.dropped_by(name))

    def shared_view(self) -> SampleCollection:
        """What all coresets keep, as a view.

        Examples:
            >>> compared = fc.compare_coresets(dataset, {"coreset": ("coreset", 12), "train": "train"})
            >>> len(compared.shared_view()) + len(compared.only_view("coreset"))
            12
        """
        return self._view(self.shared())

    def _view(self, rows: np.ndarray) -> SampleCollection:
        return self.samples.select(self.ids[rows].tolist())


def compare_coresets(
    samples: SampleCollection,
    coresets: Sequence[Any] | Mapping[str, Any],
    budget: Any = DEFAULT_BUDGET,
    embeddings: Any = None,
    label_field: str | None = None,
    seed: int = 0,
    progress: bool | ProgressCallback | None = None,
) -> ComparedCoresets:
    """Compares coresets of a dataset: overlap, coverage, redundancy, class drift, and what each keeps alone.

    Args:
        samples: a dataset, a view, or a ``to_patches()`` view to compare selections of objects
        coresets: at least two of: the name of a coreset run (its first ``budget`` images), a tuple of such a name and
            a budget of its own, a view, or the name of a saved view, of a boolean field or of a sample tag; as a list,
            or as a dict with names to show
        budget ("10%"): the budget of runs that come without one; see :func:`create_coreset_view`
        embeddings (None): a vector field, a list of fields, an (n, d) array or the path of an ``.npy`` file; by default
            those of the first run, and then over the images that the run ranked
        label_field (None): label field for class drift; by default that of the first run
        seed (0): the random seed of the comparison
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)

    Returns:
        a :class:`ComparedCoresets`; print it, or take views from ``only_view(name)``

    Raises:
        CoresetError: if there are fewer than two coresets, one is unknown or empty, or there are no embeddings

    Examples:
        >>> by_chance = fc.compute_coreset(dataset, method="random", brain_key="chance", projection=None)
        >>> compared = fc.compare_coresets(dataset, ["coreset", "chance"], budget="20%")
        >>> print(compared)
        Overlap: share of the row's images that the column keeps too...
        >>> len(compared.only_view("coreset")) + len(compared.shared_view())
        12
    """
    named = _named(samples, coresets, budget)
    first_run = next((item.run for item in named.values() if item.run is not None), None)
    pool = _pool(samples, embeddings, label_field, first_run)
    row_of = {row_id: row for row, row_id in enumerate(pool.ids.tolist())}
    usable = np.isfinite(pool.matrix).all(axis=1)
    selected = {name: _rows(name, item.ids, row_of, usable) for name, item in named.items()}
    compared = compare_subsets(pool.matrix, selected, labels=pool.labels, seed=seed, progress=progress)
    return ComparedCoresets(compared.selected, compared.reports, compared.n, pool.samples, pool.ids)


@dataclass(frozen=True)
class _Item:
    """One coreset: the ids it keeps, first to keep first, and the run it comes from."""

    ids: list[str]
    run: CoresetResults | None = None


@dataclass(frozen=True)
class _Pool:
    """What the coresets are compared on."""

    samples: SampleCollection
    ids: np.ndarray
    matrix: np.ndarray
    labels: list[str | None] | None


def _named(samples: SampleCollection, coresets: Sequence[Any] | Mapping[str, Any], budget: Any) -> dict[str, _Item]:
    """Resolves the coresets and gives them names."""
    if isinstance(coresets, str) or len(coresets) < 2:
        raise CoresetError("a comparison needs at least two coresets; give a list of run names, views or tags")
    if isinstance(coresets, Mapping):
        return {name: _resolve(samples, coreset, budget) for name, coreset in coresets.items()}
    names = [_name(coreset, position) for position, coreset in enumerate(coresets)]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise CoresetError(f"'{repeated[0]}' is given more than once; name the coresets with a dict")
    return {name: _resolve(samples, coreset, budget) for name, coreset in zip(names, coresets, strict=True)}


def _name(coreset: Any, position: int) -> str:
    if isinstance(coreset, tuple):
        return " ".join(map(str, coreset))
    if isinstance(coreset, str):
        return coreset
    return getattr(coreset, "name", None) or f"view {position + 1}"


def _resolve(samples: SampleCollection, coreset: Any, budget: Any) -> _Item:
    """The ids that a coreset keeps, whatever it is given as."""
    from fiftyone.core.collections import SampleCollection

    if isinstance(coreset, SampleCollection):
        return _Item(Rows(coreset).ids())
    if isinstance(coreset, tuple) and len(coreset) == 2:
        return _of_run(samples, *coreset)
    if not isinstance(coreset, str):
        raise CoresetError(f"cannot compare {coreset!r}; give a run name, (run name, budget), a view or a tag")
    dataset = Rows(samples).dataset
    if coreset in list_runs(dataset):
        return _of_run(samples, coreset, budget)
    if coreset in dataset.list_saved_views():
        return _Item(Rows(dataset.load_saved_view(coreset)).ids())
    return _Item(_marked_ids(samples, coreset))


def _of_run(samples: SampleCollection, brain_key: str, budget: Any) -> _Item:
    results = load_run(samples, brain_key)
    return _Item(results.ids[results.kept(budget)].tolist(), results)


def _marked_ids(samples: SampleCollection, name: str) -> list[str]:
    """Ids of the images (or objects) with a boolean field set, or with a tag."""
    import fiftyone as fo

    rows = Rows(samples)
    if rows.has(name) and isinstance(rows.dataset.get_field(rows.path(name)), fo.BooleanField):
        marked = rows.values(name)
    else:
        marked = [name in (tags or ()) for tags in rows.values("tags")]
    ids = [row_id for row_id, is_marked in zip(rows.ids(), marked, strict=True) if is_marked]
    if not ids:
        runs = ", ".join(f"'{run}'" for run in list_runs(rows.dataset)) or "none yet"
        raise CoresetError(
            f"'{name}' is no coreset run (runs: {runs}), no saved view, and no boolean field or tag that marks "
            f"any of the {len(marked)} {rows.noun}"
        )
    return ids


def _pool(samples: SampleCollection, embeddings: Any, label_field: str | None, run: CoresetResults | None) -> _Pool:
    """The rows that everything is measured on: those of the embeddings given, or of the first run."""
    from ..dataset.embeddings import EmbeddingSource
    from ..dataset.labels import read_labels

    if embeddings is None and run is None:
        raise CoresetError("no coreset comes from a run; pass embeddings='...', the field to measure distances in")
    label_field = label_field or (run.config.label_field if run else None)
    if embeddings is not None:
        rows = Rows(samples)
        matrix = EmbeddingSource.of(embeddings).load(rows).matrix
        return _Pool(samples, np.array(rows.ids()), matrix, read_labels(rows, label_field))
    assert run is not None
    return _Pool(run.rows().samples, run.ids, run.embeddings(), run.labels(label_field))


def _rows(name: str, ids: list[str], row_of: dict[str, int], usable: np.ndarray) -> np.ndarray:
    """Rows of the ids; those outside the compared collection or without an embedding are left out, and said so."""
    rows = np.array([row_of[row_id] for row_id in ids if row_id in row_of], dtype=np.int64)
    rows = rows[usable[rows]]
    if len(rows) < len(ids):
        logger.warning("'%s': left out %d of %d without an embedding to compare", name, len(ids) - len(rows), len(ids))
    return rows
