"""The results of a coreset run: a ranking, its figures, its map, and what can be asked of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .brain import Coreset, CoresetConfig
from .coreset_view import coreset_view
from .dataset.lock import database_faults
from .dataset.rows import FRAMES
from .diagnostics.tables import html_card
from .errors import CoresetError
from .kept_rows import kept_parts
from .progress import ProgressCallback, silence
from .ranked_rows import RankedRows
from .run_facts import facts_of
from .stored_run import arrays_of, parts_of, stored_arrays, written_array

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from .diagnostics.curve import CoverageCurve
    from .diagnostics.explain import RowExplanation
    from .diagnostics.first_cover import FirstCover
    from .diagnostics.report import CoresetReport
    from .runs.update import CoresetUpdate


class CoresetResults(RankedRows):
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
        super().__init__(
            samples,
            config,
            key,
            ids=ids,
            rank=rank,
            embeddings=embeddings,
            fingerprints=fingerprints,
            vectors=vectors,
            backend=backend,
        )
        self.columns = columns
        self.points = points
        self.near_copies = near_copies
        self._curve = curve
        self._first_cover = first_cover
        self._n_covered = len(rank)  # the living rows that it was measured on
        self.left_out = left_out

    def __str__(self) -> str:
        return f"Coreset run '{self.key}': " + "; ".join(f"{name} {value}" for name, value in facts_of(self).items())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [[name, value] for name, value in facts_of(self).items()]
        return html_card([(f"Coreset run '{self.key}'", ("", ""), rows, "")])

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
        return np.concatenate(kept_parts(self, budget, new))

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
        from .run_figures import report_of

        return report_of(self, budget, **kwargs)

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

    def plot(self, budget: Any = "10%", backend: str = "plotly") -> Any:
        """Draws the map: what a budget keeps, what repeats that, what is covered by it, and what is not.

        Args:
            budget ("10%"): see :meth:`budget`
            backend ("plotly"): "plotly" for an interactive figure, as FiftyOne's are, "matplotlib" for a static one

        Returns:
            a figure

        Raises:
            CoresetError: if the run has no map, the budget cannot be met, or there is no such backend

        Examples:
            >>> results.plot("10%").write_html("map.html")
            >>> results.plot("10%", backend="matplotlib").savefig("map.png")
        """
        from .run_figures import map_of

        return map_of(self, budget, backend)

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
            >>> type(results.first_cover()).__name__  # computed with the run
            'FirstCover'
        """
        from .run_figures import first_cover_of

        n_alive = int(self.alive().sum())
        if self._first_cover is None or n_alive < self._n_covered:
            self._first_cover, self._n_covered = first_cover_of(self, progress), n_alive
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
        fractions, overlaps = zip(*sorted((float(share), overlap) for share, overlap in stored.items()), strict=True)
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
        from .run_figures import explanation_of

        return explanation_of(self, row_id, budget)

    def update(self, **kwargs: Any) -> CoresetUpdate:
        """Takes in what was added to the dataset since, and lets go what was deleted; old ranks stay as they are.

        Args:
            **kwargs: see :func:`fiftyone_coreset.update_coreset`

        Returns:
            what was added and removed; this object is the updated run afterwards

        Examples:
            >>> dataset.add_samples([fo.Sample(filepath=path) for path in new_files])
            [...]
            >>> len(results.update().ids)
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

    def to_parquet(self, path: str | os.PathLike[str], **kwargs: Any) -> int:
        """Writes ids, files, ranks and scores as a table, see :func:`fiftyone_coreset.export_table`.

        Args:
            path: the file, ending in ``.parquet``
            **kwargs: ``budget=`` and ``overwrite=`` of that function

        Returns:
            how many rows were written

        Examples:
            >>> results.to_parquet("to_label.parquet", budget=12)
            12
        """
        from .. import export_table

        if Path(path).suffix != ".parquet":
            raise CoresetError(f"'{path}' must end in .parquet; export_table() writes other tables")
        return export_table(self.samples, self.key, path, **kwargs)

    def attributes(self) -> list[str]:
        """Only the class is serialized by attribute; the arrays follow in :meth:`serialize`."""
        return ["cls"]

    def serialize(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The stored form: JSON with compressed numpy arrays, never pickle."""
        stored = super().serialize(*args, **kwargs)
        stored["arrays"] = {name: written_array(array) for name, array in arrays_of(self).items()}
        return stored

    @classmethod
    def _from_dict(cls, d: dict[str, Any], samples: Any, config: CoresetConfig, key: str) -> CoresetResults:
        return cls(samples, config, key, **parts_of(stored_arrays(d, key, config.columns)))
