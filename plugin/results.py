"""The results of a coreset run: a ranking, its figures, its map, and what can be asked of them."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fiftyone.core.brain as fob
import fiftyone.core.utils as fou
import numpy as np

from .brain import Coreset, CoresetConfig
from .coreset_view import coreset_view
from .dataset.embeddings import EmbeddingSource
from .dataset.frames import frames_by_id
from .dataset.labels import read_labels
from .dataset.lock import database_faults
from .dataset.rows import FRAMES, Rows, noun_of
from .diagnostics.tables import html_card
from .errors import CoresetError
from .kept_rows import kept_parts, kept_rows
from .progress import ProgressCallback, silence
from .run_changes import changes_since
from .stored_run import pack_ids, stored_arrays, unpack_ids
from .vectors.half import from_half

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from .diagnostics.curve import CoverageCurve
    from .diagnostics.explain import RowExplanation
    from .diagnostics.first_cover import FirstCover
    from .diagnostics.report import CoresetReport
    from .runs.update import CoresetUpdate


logger = logging.getLogger(__name__)

#: Largest groups of near-copies that a report names.
_NAMED_GROUPS = 5


class CoresetResults(fob.BrainResults):
    """A ranking of images (or objects), its figures and its map.

    Attributes:
        ids: (n,) sample ids (label ids of objects) of the ranked rows, in the collection's order; those that updates
            added follow
        rank: (n,) int64, 0 = first to keep; every row has a rank of its own, and where rows went those are missing
        left_out: ids of the rows that have a vector and were not ranked: excluded, beyond ``k``, or without a label;
            None if the run was computed before that was kept
        columns: name -> (n,) float64 figures, e.g. ``score``, ``coverage``, ``redundancy``
        points: (n, 2) float32 points of the map, or None
        near_copies: (n,) int64 group of near-copies of every row, of one answer with
            :func:`~fiftyone_coreset.near_duplicates`; None if there were no fingerprints, near-duplicates then are what
            a short distance links

    Examples:
        >>> results = fc.load_run(dataset, "coreset")
        >>> print(results)
        Coreset run 'coreset': ranked 60 images by zcore...
        >>> len(results.ids), results.budget("10%")
        (60, 6)
    """

    def __init__(
        self,
        samples: SampleCollection,
        config: CoresetConfig,
        key: str,
        *,
        ids: np.ndarray,
        rank: np.ndarray,
        columns: dict[str, np.ndarray],
        points: np.ndarray | None = None,
        curve: CoverageCurve | None = None,
        embeddings: np.ndarray | None = None,
        first_cover: FirstCover | None = None,
        near_copies: np.ndarray | None = None,
        fingerprints: np.ndarray | None = None,
        vectors: tuple[np.ndarray, np.ndarray] | None = None,
        left_out: np.ndarray | None = None,
        backend: Coreset | None = None,
    ):
        super().__init__(samples, config, key, backend=backend)
        self.ids = ids
        self.rank = rank
        self.columns = columns
        self.points = points
        self.near_copies = near_copies
        self._curve = curve
        self._embeddings = embeddings
        self._first_cover = first_cover
        self._n_covered = len(rank)  # the living rows that it was measured on
        self._fingerprints = fingerprints
        self.left_out = left_out
        self._vectors = vectors  # in half precision, if they are stored nowhere else
        self._told = ""

    def __len__(self) -> int:
        return len(self.rank)

    def __str__(self) -> str:
        return f"Coreset run '{self.key}': " + "; ".join(f"{name} {value}" for name, value in self._facts().items())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [[name, value] for name, value in self._facts().items()]
        return html_card([(f"Coreset run '{self.key}'", ("", ""), rows, "")])

    def _facts(self) -> dict[str, str]:
        """The run in a few words."""
        config = self.config
        facts = {
            "ranked": f"{len(self):,} {self.noun} by {config.method}",
            "left out": f"{config.n_unranked:,}" if config.n_unranked else "",
            "embeddings": " + ".join(config.embeddings) if config.embeddings else "given as vectors",
            "seed": str(config.seed),
            "reliability": "" if config.reliability is None else f"{config.reliability:.2f}",
            "map": (config.projection or "").upper(),
        }
        return {name: value for name, value in facts.items() if value}

    @property
    def noun(self) -> str:
        """What was ranked, in messages: images, groups of them, objects or frames."""
        return "groups" if self.config.whole_groups else noun_of(self.config.patches_field)

    @property
    def score(self) -> np.ndarray | None:
        """(n,) float64, higher = keep, on the method's own scale."""
        return self.columns.get("score")

    @property
    def coverage(self) -> np.ndarray | None:
        """(n,) float64, what the row covers, if the method measures it."""
        return self.columns.get("coverage")

    @property
    def redundancy(self) -> np.ndarray | None:
        """(n,) float64, how much others repeat the row, if the method measures it."""
        return self.columns.get("redundancy")

    @property
    def ranking(self) -> np.ndarray:
        """(n,) int64 row numbers, first to keep first."""
        return np.argsort(self.rank)

    def budget(self, budget: Any) -> int:
        """The number of rows that a budget keeps, of those that still exist.

        Args:
            budget: a count, a fraction in (0, 1], ``"30%"``, ``"95% coverage"``, ``"saturation"`` or ``"redundancy"``

        Returns:
            an int from 1 to the number of ranked rows that were not deleted since

        Raises:
            CoresetError: if the budget cannot be met

        Examples:
            >>> results.budget("10%"), results.budget(0.5), results.budget(7)
            (6, 30, 7)
        """
        return len(self.kept(budget))

    def kept(self, budget: Any, new: Any = None) -> np.ndarray:
        """The rows that a budget keeps, of those that still exist.

        What changed in the dataset since the run is logged as a warning, see :meth:`changes`.

        Args:
            budget: see :meth:`budget`
            new (None): how many to keep of those that the last update added, a count or a share such as ``"10%"``; of
                several updates, a list with a budget for each, the last update's last. ``budget`` is then one of the
                rows that were there before

        Returns:
            (k,) int64 row numbers, first to keep first

        Raises:
            CoresetError: if a budget cannot be met

        Examples:
            >>> rows = results.kept("10%")
            >>> results.rank[rows].tolist()
            [0, 1, 2, 3, 4, 5]
        """
        self.warn()
        parts = kept_parts(self, budget, new)
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def rows(self) -> Rows:
        """The rows of the dataset, whatever view the run was made of: what a view holds may change.

        Examples:
            >>> len(results.rows().ids())
            60
        """
        root = self.samples._root_dataset
        if root.media_type == "group":
            root = root.select_group_slices(_allow_mixed=True)
        return Rows(root, self.config.patches_field)

    @property
    def rank_field(self) -> str:
        """The rank field, of the images or of the objects."""
        return self.backend.path(self.samples, self.key, "rank").rpartition(".")[2]

    def alive(self) -> np.ndarray:
        """(n,) bool, the ranked rows that were not deleted since.

        Examples:
            >>> dataset.delete_samples(dataset.take(3))
            >>> int(results.alive().sum())
            57
        """
        rows = self.rows()
        if rows.count(self.rank_field, at_most=int(self.rank.max())) == len(self):
            return np.ones(len(self), dtype=bool)
        return np.isin(self.ids, rows.ids())

    def changes(self) -> str | None:
        """What changed in the dataset since the run, as one sentence; None if nothing did.

        Examples:
            >>> results.changes() is None
            True
            >>> dataset.delete_samples(dataset.take(3))
            >>> print(results.changes())
            since run 'coreset' was computed, 3 of the 60 ranked images were deleted...
        """
        told, has_other_embeddings = changes_since(self)
        if has_other_embeddings:
            self._embeddings = None  # of the run's time; figures are to be of today
        return told

    def warn(self) -> None:
        """Logs what changed since the run, once.

        Examples:
            >>> dataset.delete_samples(dataset.take(3))
            >>> results.warn()  # logs "since run 'coreset' was computed, 3 of the 60 ranked images were deleted"
        """
        changes = self.changes() or ""
        if changes and changes != self._told:
            logger.warning(changes)
        self._told = changes

    def view(self, budget: Any, new: Any = None) -> DatasetView:
        """The coreset of a budget as a view: small, live, and defined by rank, never by a list of ids.

        Args:
            budget: see :meth:`budget`
            new (None): how many to keep of what updates added, see :meth:`kept`

        Returns:
            a view of the images, or of the objects if objects were ranked

        Raises:
            CoresetError: if the view would not hold what the budget keeps, e.g. because the rank field was changed, or
                if the database does not answer

        Examples:
            >>> len(results.view("10%"))
            6
        """
        with database_faults("nothing was changed: see that mongod runs, and call again"):
            return coreset_view(self, budget, new)

    def clips(self, budget: Any) -> DatasetView:
        """The coreset of a budget of frames as clips: kept frames that follow each other are one clip.

        Args:
            budget: see :meth:`budget`

        Returns:
            a clips view, live as :meth:`view` is; ``dataset.save_view(name, results.clips(budget))`` keeps it

        Raises:
            CoresetError: if the run does not rank frames, or see :meth:`view`

        Examples:
            >>> clips = results.clips("10%")  # of a run that ranks frames of videos
            Traceback (most recent call last):
            fiftyone_coreset.plugin.errors.CoresetError: ...
        """
        if self.config.patches_field != FRAMES:
            raise CoresetError(f"run '{self.key}' ranks {self.noun}; only frames of videos make clips")
        with database_faults("nothing was changed: see that mongod runs, and call again"):
            return coreset_view(self, budget, as_clips=True)

    def report(self, budget: Any, **kwargs: Any) -> CoresetReport:
        """Judges the coreset of a budget against random subsets of its size (``docs/diagnostics.md``).

        Only what still exists counts; what changed since the run is the first of the report's warnings.

        Args:
            budget: see :meth:`budget`
            **kwargs: passed to :func:`fiftyone_coreset.plugin.diagnostics.report.coreset_report`

        Returns:
            a :class:`CoresetReport`; print it, or take numbers from ``to_dict()``

        Examples:
            >>> report = results.report("50%")
            >>> report.kept
            30
        """
        from .diagnostics.report import coreset_report

        changes = self.changes()
        embeddings, alive = self.embeddings(), self.alive()
        kept = kept_rows(self, budget, alive)
        kept = kept[np.isfinite(embeddings[kept]).all(axis=1)]
        options = {
            "labels": self.labels(),
            "stability": self.expected_overlap(budget),
            "coverage_radius": self.curve().coverage_radius,
            "near_duplicate_radius": self.curve().near_duplicate_radius,
            "near_copies": self.near_copies,
            "seed": self.config.seed,
        }
        report = coreset_report(embeddings, kept, **options | kwargs)
        warnings = [*([changes] if changes else []), *report.warnings]
        return dataclasses.replace(report, warnings=warnings, notes=[*report.notes, self._how_copies_were_told()])

    def _how_copies_were_told(self) -> str:
        if self.near_copies is None:
            return "Near-duplicates are look-alikes, told by distance: there were no fingerprints."
        sizes = -np.sort(-np.bincount(self.near_copies))
        largest = ", ".join(f"{size:,}" for size in sizes[:_NAMED_GROUPS] if size > 1)
        if not largest:
            return f"Near-duplicates are near-copies, told by fingerprints; there are none among the {self.noun}."
        alarms = self.config.facts.get("near_copy_false_alarm_rate", 0.0)
        return (
            f"Near-duplicates are near-copies, told by fingerprints: {int((sizes > 1).sum()):,} groups, the largest of "
            f"{largest} {self.noun}; about {alarms:.1%} of the links between them are expected to be false."
        )

    def curve(self) -> CoverageCurve:
        """Coverage and redundancy at every budget, beside random subsets; computed with the run.

        Examples:
            >>> curve = results.curve()
            >>> curve.smallest_budget_for(0.95) <= 60
            True
        """
        if self._curve is None:
            raise CoresetError(f"run '{self.key}' was stored without its coverage curve; compute it again")
        return self._curve

    def first_cover(self, progress: ProgressCallback = silence) -> FirstCover:
        """The budgets from which on every image is covered, and redundant; computed with the run if it has a map.

        Deleted rows cover nothing: it is measured again on what is alive.

        Args:
            progress (silence): called with ``(fraction, message)``, if it is computed now

        Returns:
            a :class:`FirstCover`, rows in rank order

        Raises:
            CoresetError: if the run ranks too many rows for it

        Examples:
            >>> cover = results.first_cover()  # computed with the run
            >>> type(cover).__name__
            'FirstCover'
        """
        from .diagnostics.first_cover import MAX_ROWS, first_cover
        from .vectors.points import Points

        n_alive = int(self.alive().sum())
        if self._first_cover is None or n_alive < self._n_covered:
            if len(self) > MAX_ROWS:
                raise CoresetError(
                    f"With more than {MAX_ROWS:,} images the map shows kept and not kept; coverage is measured on a"
                    " sample."
                )
            points = Points(self.embeddings()[self.ranking])
            self._first_cover = first_cover(
                points,
                self.curve().coverage_radius,
                self.curve().near_duplicate_radius,
                None if self.near_copies is None else self.near_copies[self.ranking],
                progress,
            )
            self._n_covered = n_alive
        return self._first_cover

    def expected_overlap(self, budget: Any) -> float | None:
        """The share of a coreset that another run with a new seed is expected to keep too.

        Args:
            budget: see :meth:`budget`

        Returns:
            a share in [0, 1], or None if the method has no estimate

        Examples:
            >>> 0 <= results.expected_overlap("50%") <= 1
            True
        """
        stored = self.config.facts.get("expected_overlap")
        if not stored:
            return None
        fractions, overlaps = zip(
            *sorted((float(fraction), overlap) for fraction, overlap in stored.items()), strict=True
        )
        return float(np.interp(self.budget(budget) / self.alive().sum(), fractions, overlaps))

    def explain(self, row_id: str, budget: Any) -> RowExplanation:
        """Says why an image (or object) is kept or dropped at a budget.

        Args:
            row_id: a sample id, or the label id of an object
            budget: see :meth:`budget`

        Returns:
            a :class:`RowExplanation`; print it to read one sentence, which names images by their files

        Raises:
            CoresetError: if the run did not rank this row, or it was deleted, or its embedding was

        Examples:
            >>> print(results.explain(dataset.first().id, "10%"))
            red-000.jpg...
        """
        from .diagnostics.explain import explain_row

        (rows,) = np.nonzero(self.ids == row_id)
        if len(rows) == 0:
            raise CoresetError(f"run '{self.key}' did not rank '{row_id}'; it ranked {len(self):,} others")
        row = int(rows[0])
        self.warn()
        embeddings, alive = self.embeddings(), self.alive()
        usable = alive & np.isfinite(embeddings).all(axis=1)
        if not usable[row]:
            lost = "has no usable embedding any more" if alive[row] else "was deleted after the run"
            raise CoresetError(f"'{row_id}' {lost}; choose another of the {usable.sum():,} {self.noun} that are left")
        order = self.ranking
        kept = kept_rows(self, budget, alive)
        found = explain_row(
            embeddings,
            order[usable[order]],
            row,
            int(usable[kept].sum()),
            figures=self.columns,
            coverage_radius=self.curve().coverage_radius,
            near_duplicate_radius=self.curve().near_duplicate_radius,
            near_copies=self.near_copies,
        )
        named = [row] if found.nearest is None else [row, found.nearest]
        return dataclasses.replace(found, names=dict(zip(named, self._file_names(named), strict=True)))

    def _file_names(self, rows: list[int]) -> list[str]:
        """The files that rows are, or are part of, without their folders."""
        ids, patches_field = self.ids[rows].tolist(), self.config.patches_field
        source = self.rows().source
        if patches_field is None:
            paths = dict(zip(*source.select(ids).values(["id", "filepath"]), strict=True))
            return [_file_name(paths[row_id]) for row_id in ids]
        if patches_field == FRAMES:
            frames = frames_by_id(self.rows().dataset, ids)
            return [frames[row_id].name for row_id in ids]
        found = [source.match_labels(ids=[row_id], fields=patches_field).first().filepath for row_id in ids]
        return [f"object {row_id} in {_file_name(path)}" for row_id, path in zip(ids, found, strict=True)]

    @property
    def has_embeddings(self) -> bool:
        """Whether the embeddings can be read: from fields, from the run, or because this process computed it."""
        return self.config.embeddings is not None or self._vectors is not None or self._embeddings is not None

    def source(self) -> EmbeddingSource:
        """Where the embeddings of the ranked rows are.

        Raises:
            CoresetError: if the run was computed from vectors that are stored nowhere

        Examples:
            >>> results.source().fields
            ('clip_embeddings',)
        """
        if self.config.embeddings is not None:
            return EmbeddingSource.of(self.config.embeddings)
        return EmbeddingSource.of(dict(zip(self.ids.tolist(), self.embeddings(), strict=True)))

    def embeddings(self) -> np.ndarray:
        """Reads the (n, d) embeddings of the ranked rows; rows of samples deleted since are NaN.

        Raises:
            CoresetError: if the run was computed from vectors that are stored nowhere

        Examples:
            >>> results.embeddings().shape[0]
            60
        """
        if self._embeddings is None:
            if self._vectors is not None:
                self._embeddings = from_half(*self._vectors)
            elif self.config.embeddings is None:
                raise CoresetError(
                    f"run '{self.key}' was computed from vectors that were given, which are not stored with the run; "
                    "store them in a field and compute the run from it"
                )
        if self._embeddings is None:
            rows = self.rows()
            matrix = EmbeddingSource.of(self.config.embeddings).load(rows).matrix
            row_of = {row_id: row for row, row_id in enumerate(rows.ids())}
            places = np.array([row_of.get(row_id, -1) for row_id in self.ids], dtype=np.int64)
            self._embeddings = np.where(places[:, None] >= 0, matrix[places], np.nan).astype(matrix.dtype)
        alive = self.alive()
        return self._embeddings if alive.all() else np.where(alive[:, None], self._embeddings, np.nan)

    def update(self, **kwargs: Any) -> CoresetUpdate:
        """Takes in what was added to the dataset since, and lets go what was deleted; old ranks stay as they are.

        Args:
            **kwargs: see :func:`fiftyone_coreset.update_coreset`

        Returns:
            what was added and removed; this object is the updated run afterwards

        Examples:
            >>> dataset.add_samples([fo.Sample(filepath=path) for path in new_files])
            [...]
            >>> done = results.update()
            >>> len(done.ids)
            3
        """
        from .. import update_coreset

        done = update_coreset(self.samples, self.key, **kwargs)
        self.__dict__.update(done.results.__dict__)
        return done

    def share(self, path: str | os.PathLike[str], budget: Any = "10%", overwrite: bool = False) -> Path:
        """Writes a page that shows the coreset to anybody, see :func:`fiftyone_coreset.share_coreset`.

        Args:
            path: the file, e.g. ``"coreset.html"``
            budget ("10%"): what is kept
            overwrite (False): whether to replace a file of this name

        Returns:
            the file

        Examples:
            >>> results.share("coreset.html", budget="10%").name
            'coreset.html'
        """
        from .. import share_coreset

        return share_coreset(self.samples, self.key, path, budget, overwrite)

    def labels(self, label_field: str | None = None) -> list[str | None] | None:
        """Reads the label of every ranked row.

        Args:
            label_field (None): the field; that of the run by default

        Returns:
            n labels, None where there is none, or None if there is no label field

        Examples:
            >>> results.labels()[1:3]
            ['green', 'blue']
        """
        rows = self.rows()
        values = read_labels(rows, label_field or self.config.label_field)
        if values is None:
            return None
        by_id = dict(zip(rows.ids(), values, strict=True))
        return [by_id.get(row_id) for row_id in self.ids.tolist()]

    def attributes(self) -> list[str]:
        """Only the class is serialized by attribute; the arrays follow in :meth:`serialize`."""
        return ["cls"]

    def serialize(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The stored form: JSON with compressed numpy arrays, never pickle."""
        stored = super().serialize(*args, **kwargs)
        arrays = {"ids": pack_ids(self.ids), "rank": self.rank, "points": self.points}
        arrays |= {f"column_{name}": values for name, values in self.columns.items()}
        arrays |= {"fingerprints": self._fingerprints, "near_copies": self.near_copies}
        if self.left_out is not None and len(self.left_out):
            arrays["left_out"] = pack_ids(self.left_out)
        if self._vectors is not None:
            arrays |= {"vectors": self._vectors[0], "vectors_exponent": self._vectors[1]}
        if self._first_cover is not None:
            arrays |= {f"first_{name}": values for name, values in vars(self._first_cover).items()}
        if self._curve is not None:
            arrays |= {f"curve_{name}": values for name, values in self._curve.to_arrays().items()}
        stored["arrays"] = {
            name: fou.serialize_numpy_array(array, ascii=True) for name, array in arrays.items() if array is not None
        }
        return stored

    @classmethod
    def _from_dict(cls, d: dict[str, Any], samples: Any, config: CoresetConfig, key: str) -> CoresetResults:
        from .diagnostics.curve import CoverageCurve
        from .diagnostics.first_cover import FirstCover

        arrays = stored_arrays(d, key, config.columns)
        curve, first = _with_prefix(arrays, "curve_"), _with_prefix(arrays, "first_")
        return cls(
            samples,
            config,
            key,
            ids=unpack_ids(arrays["ids"]),
            rank=arrays["rank"],
            columns=_with_prefix(arrays, "column_"),
            points=arrays.get("points"),
            fingerprints=arrays.get("fingerprints"),
            near_copies=arrays.get("near_copies"),
            left_out=unpack_ids(arrays["left_out"]) if "left_out" in arrays else None,
            vectors=(arrays["vectors"], arrays["vectors_exponent"]) if "vectors" in arrays else None,
            curve=CoverageCurve.from_arrays(curve) if curve else None,
            first_cover=FirstCover(**first) if first else None,
        )


def _with_prefix(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]
