"""The results of a coreset run: a ranking, its figures, its map, and what can be asked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fiftyone.core.brain as fob
import fiftyone.core.fields as fof
import fiftyone.core.utils as fou
import numpy as np

from .brain import Coreset, CoresetConfig, visualization_key
from .dataset.labels import read_labels
from .dataset.rows import Rows
from .errors import CoresetError
from .progress import Report
from .rank_views import rank_view, ranked

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from .diagnostics.curve import CoverageCurve
    from .diagnostics.explain import RowExplanation
    from .diagnostics.first_cover import FirstCover
    from .diagnostics.report import CoresetReport


class CoresetResults(fob.BrainResults):
    """A ranking of images (or objects), its figures and its map.

    Attributes:
        ids: (n,) sample ids (label ids of objects) of the ranked rows, in the collection's order
        rank: (n,) int64, 0 = first to keep
        columns: name -> (n,) float64 figures, e.g. ``score``, ``coverage``, ``redundancy``
        points: (n, 2) float32 points of the map, or None
    """

    def __init__(
        self,
        samples: SampleCollection,
        config: CoresetConfig,
        key: str,
        ids: np.ndarray,
        rank: np.ndarray,
        columns: dict[str, np.ndarray],
        points: np.ndarray | None = None,
        curve: CoverageCurve | None = None,
        embeddings: np.ndarray | None = None,
        first_cover: FirstCover | None = None,
        backend: Coreset | None = None,
    ):
        super().__init__(samples, config, key, backend=backend)
        self.ids = ids
        self.rank = rank
        self.columns = columns
        self.points = points
        self._curve = curve
        self._embeddings = embeddings
        self._first_cover = first_cover

    def __len__(self) -> int:
        return len(self.rank)

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
        """The number of rows that a budget keeps.

        Args:
            budget: a count, a fraction in (0, 1], ``"30%"``, ``"95% coverage"``, ``"saturation"`` or ``"redundancy"``

        Returns:
            an int from 1 to ``len(self)``
        """
        from .selection.budget import CoverageBudget, parse_budget, ranking_budget, resolve_budget

        parsed = parse_budget(budget)
        if isinstance(parsed, int | float):
            return resolve_budget(parsed, len(self))
        if isinstance(parsed, CoverageBudget) and parsed.radius is None:
            return self.curve().smallest_budget_for(parsed.share)
        return ranking_budget(self.ranking, self.embeddings(), budget, seed=self.config.seed)

    def view(self, budget: Any) -> DatasetView:
        """The coreset of a budget as a view: small, live, and defined by rank, never by a list of ids.

        Args:
            budget: see :meth:`budget`

        Returns:
            a view of the images, or of the objects if objects were ranked
        """
        rank_path = self.backend.path(self.samples, self.key, "rank")
        return rank_view(self.samples, self.config.patches_field, rank_path, self.budget(budget))

    def report(self, budget: Any, **kwargs: Any) -> CoresetReport:
        """Judges the coreset of a budget against random subsets of its size (``docs/diagnostics.md``).

        Args:
            budget: see :meth:`budget`
            **kwargs: passed to :func:`fiftyone_coreset.plugin.diagnostics.report.coreset_report`

        Returns:
            a :class:`CoresetReport`; print it, or take numbers from ``to_dict()``
        """
        from .diagnostics.report import coreset_report

        embeddings = self.embeddings()
        kept = self.ranking[: self.budget(budget)]
        options = {
            "labels": self.labels(),
            "stability": self.expected_overlap(budget),
            "radius": self.curve().radius,
            "near_duplicate": self.curve().near_duplicate,
            "seed": self.config.seed,
        }
        still_there = np.isfinite(embeddings[kept]).all(axis=1)
        return coreset_report(embeddings, kept[still_there], **options | kwargs)

    def curve(self) -> CoverageCurve:
        """Coverage and redundancy at every budget, beside random subsets; computed with the run."""
        if self._curve is None:
            raise CoresetError(f"run '{self.key}' was stored without its coverage curve; compute it again")
        return self._curve

    def first_cover(self, progress: Report = lambda fraction, message: None) -> FirstCover:
        """The budgets from which on every image is covered, and redundant; computed with the run if it has a map.

        Args:
            progress (silence): called with ``(fraction, message)``, if it is computed now

        Returns:
            a :class:`FirstCover`, rows in rank order

        Raises:
            CoresetError: if the run ranks too many rows for it
        """
        from .diagnostics.first_cover import MAX_ROWS, first_cover
        from .vectors.points import Points

        if self._first_cover is None:
            if len(self) > MAX_ROWS:
                raise CoresetError(
                    f"With more than {MAX_ROWS:,} images the map shows kept and not kept; coverage is measured on a"
                    " sample."
                )
            points = Points(self.embeddings()[self.ranking])
            self._first_cover = first_cover(points, self.curve().radius, self.curve().near_duplicate, progress)
        return self._first_cover

    def expected_overlap(self, budget: Any) -> float | None:
        """The share of a coreset that another run with a new seed is expected to keep too.

        Args:
            budget: see :meth:`budget`

        Returns:
            a share in [0, 1], or None if the method has no estimate
        """
        stored = self.config.facts.get("expected_overlap")
        if not stored:
            return None
        fractions, overlaps = zip(
            *sorted((float(fraction), overlap) for fraction, overlap in stored.items()), strict=True
        )
        return float(np.interp(self.budget(budget) / len(self), fractions, overlaps))

    def explain(self, row_id: str, budget: Any) -> RowExplanation:
        """Says why an image (or object) is kept or dropped at a budget.

        Args:
            row_id: a sample id, or the label id of an object
            budget: see :meth:`budget`

        Returns:
            a :class:`RowExplanation`; its ``summary(results.ids)`` is one sentence

        Raises:
            CoresetError: if the run did not rank this row
        """
        from .diagnostics.explain import explain_row

        (rows,) = np.nonzero(self.ids == row_id)
        if len(rows) == 0:
            raise CoresetError(f"run '{self.key}' did not rank '{row_id}'; it ranked {len(self):,} others")
        return explain_row(
            self.embeddings(),
            self.ranking,
            int(rows[0]),
            self.budget(budget),
            figures=self.columns,
            radius=self.curve().radius,
            near_duplicate=self.curve().near_duplicate,
        )

    def embeddings(self) -> np.ndarray:
        """Reads the (n, d) embeddings of the ranked rows; rows of samples deleted since are NaN.

        Raises:
            CoresetError: if the run was computed from an array that is not stored anywhere
        """
        from .dataset.embeddings import load_embeddings

        if self._embeddings is None:
            if self.config.embeddings is None:
                raise CoresetError(
                    f"run '{self.key}' was computed from an array, which is not stored with the run; "
                    "store the embeddings in a field and compute the run from it"
                )
            rows = Rows(self.samples)
            matrix, _ = load_embeddings(rows, self.config.embeddings)
            row_of = {row_id: row for row, row_id in enumerate(rows.ids())}
            places = np.array([row_of.get(row_id, -1) for row_id in self.ids], dtype=np.int64)
            self._embeddings = np.where(places[:, None] >= 0, matrix[places], np.nan).astype(matrix.dtype)
        return self._embeddings

    def labels(self) -> list[str | None] | None:
        """Reads the label of every ranked row from the run's label field, or None if it has none."""
        rows = Rows(self.samples)
        values = read_labels(rows, self.config.label_field)
        if values is None:
            return None
        by_id = dict(zip(rows.ids(), values, strict=True))
        return [by_id.get(row_id) for row_id in self.ids]

    def write(self, overwrite: bool = False) -> None:
        """Registers the run and writes its fields, results and visualization, in this order.

        A run whose writing is cut short has no results and is reported as incomplete by :func:`load_run`.

        Args:
            overwrite (False): whether to replace an existing run of this name
        """
        rows = Rows(self.samples)
        replaced = None
        if overwrite and self.key in rows.dataset.list_brain_runs(type="coreset"):
            replaced = rows.dataset.get_brain_info(self.key).config.build()
        self.backend.register_run(rows.samples, self.key, overwrite=overwrite, cleanup=False)
        try:
            if replaced is not None:
                replaced.delete_fields(rows.samples, self.key)
            self._write_fields(rows)
            self.backend.save_run_results(rows.samples, self.key, self)
            if self.points is not None:
                self._write_visualization(rows, self.points)
        except BaseException:
            rows.dataset.delete_brain_run(self.key)
            raise

    def _write_fields(self, rows: Rows) -> None:
        for name, values in self.columns.items():
            rows.declare(f"{self.key}_{name}", fof.FloatField)
            rows.set_values(f"{self.key}_{name}", dict(zip(self.ids, values.tolist(), strict=True)))
        rows.declare(f"{self.key}_rank", fof.IntField)
        rows.set_values(f"{self.key}_rank", dict(zip(self.ids, self.rank.tolist(), strict=True)))

    def _write_visualization(self, rows: Rows, points: np.ndarray) -> None:
        """Registers the points as a standard visualization, so that FiftyOne's own Embeddings panel shows them."""
        import fiftyone.brain as fb

        is_ranked = ranked(f"{self.key}_rank")
        if rows.patches_field is None:
            shown = rows.samples.match(is_ranked)
        else:
            shown = rows.source.filter_labels(rows.patches_field, is_ranked)
        fb.compute_visualization(
            shown,
            patches_field=rows.patches_field,
            points=dict(zip(self.ids, points, strict=True)),
            points_field=f"{self.key}_xy",
            brain_key=visualization_key(self.key),
            method="manual",
            progress=False,
        )

    def attributes(self) -> list[str]:
        """Only the class is serialized by attribute; the arrays follow in :meth:`serialize`."""
        return ["cls"]

    def serialize(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The stored form: JSON with compressed numpy arrays, never pickle."""
        stored = super().serialize(*args, **kwargs)
        arrays = {"ids": _pack_ids(self.ids), "rank": self.rank, "points": self.points}
        arrays |= {f"column_{name}": values for name, values in self.columns.items()}
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

        arrays = {name: fou.deserialize_numpy_array(text, ascii=True) for name, text in d["arrays"].items()}
        curve, first = _with_prefix(arrays, "curve_"), _with_prefix(arrays, "first_")
        return cls(
            samples,
            config,
            key,
            ids=_unpack_ids(arrays["ids"]),
            rank=arrays["rank"],
            columns=_with_prefix(arrays, "column_"),
            points=arrays.get("points"),
            curve=CoverageCurve.from_arrays(curve) if curve else None,
            first_cover=FirstCover(**first) if first else None,
        )


def _with_prefix(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def _pack_ids(ids: np.ndarray) -> np.ndarray:
    """24 hexadecimal digits an id -> (n, 12) bytes."""
    return np.frombuffer(bytes.fromhex("".join(ids.tolist())), dtype=np.uint8).reshape(-1, 12)


def _unpack_ids(packed: np.ndarray) -> np.ndarray:
    digits = packed.tobytes().hex()
    return np.array([digits[start : start + 24] for start in range(0, len(digits), 24)])
