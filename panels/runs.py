"""Coreset runs as the panel sees them: rows in rank order, kept in memory between requests."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..plugin.dataset.rows import FRAMES
from ..plugin.dataset.shown import have_images
from ..plugin.errors import CoresetError
from ..plugin.rank_views import ranked
from ..plugin.runs.load import list_runs, load_run

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

    from ..plugin.brain import CoresetConfig
    from ..plugin.results import CoresetResults
    from ..plugin.vectors.points import Points
    from .groups import Groups

#: Runs whose arrays stay in memory.
_HELD = 4


@dataclass
class PanelRun:
    """One run, with its rows in rank order: row ``i`` is the image of rank ``i``.

    Attributes:
        dataset: the dataset the run belongs to
        key: the name of the run
        version: changes whenever the run is computed again
        results: the stored results
        lock: held while something is measured, or changed, once
        groups: the groups of near-duplicates, once they were looked for
    """

    dataset: Dataset
    key: str
    version: str
    results: CoresetResults
    lock: threading.Lock = field(default_factory=threading.Lock)
    groups: Groups | None = None
    _points: tuple[int, Points] | None = None

    @property
    def config(self) -> CoresetConfig:
        """The record of the run."""
        return self.results.config

    @property
    def n(self) -> int:
        """The number of ranked rows."""
        return len(self.results)

    @property
    def noun(self) -> str:
        """What one row is called."""
        return self.results.noun

    @property
    def are_frames(self) -> bool:
        """Whether it ranks frames of videos."""
        return self.config.patches_field == FRAMES

    @cached_property
    def frames_have_images(self) -> bool:
        """Whether all ranked frames have images of their own, so that FiftyOne can show them one by one."""
        return have_images(self.dataset.match_frames(ranked(self.results.rank_field)))

    @cached_property
    def order(self) -> np.ndarray:
        """(n,) rows of the results, by rank."""
        return self.results.ranking

    @cached_property
    def ids(self) -> np.ndarray:
        """(n,) sample ids (label ids of objects, frame ids), by rank."""
        return self.results.ids[self.order]

    @cached_property
    def rank_of(self) -> dict[str, int]:
        """The rank of every row by its id."""
        return {row_id: rank for rank, row_id in enumerate(self.ids.tolist())}

    def compared(self, leader: str, ids: Sequence[str]) -> np.ndarray:
        """(len(ids), 2) distance and agreement of rows and one of them, NaN where unknown and in its own row."""
        from ..plugin.embeddings.fingerprint_field import read_fingerprints
        from ..plugin.vectors.fingerprints import agreement

        found = np.full((len(ids), 2), np.nan)
        others = np.array([row_id != leader for row_id in ids], dtype=bool)
        ranks = np.array([self.rank_of.get(row_id, -1) for row_id in ids], dtype=np.int64)
        ranked = np.flatnonzero(others & (ranks >= 0)) if leader in self.rank_of else np.zeros(0, dtype=np.int64)
        first = np.full(len(ranked), self.rank_of.get(leader, -1))
        found[ranked, 0] = self.points.distance(first, ranks[ranked])
        rows = self.results.rows().select(list({leader, *ids}))
        prints = read_fingerprints(rows)
        if prints is not None:
            place = {row_id: row for row, row_id in enumerate(rows.ids()) if prints[1][row]}
            printed = [row for row, row_id in enumerate(ids) if others[row] and row_id in place]
            if leader in place and printed:
                right = np.array([place[ids[row]] for row in printed], dtype=np.int64)
                found[printed, 1] = agreement(prints[0], np.full(len(right), place[leader]), right)
        return found

    @property
    def points(self) -> Points:
        """The embeddings of what is alive, by rank, ready for distances."""
        from ..plugin.vectors.points import Points

        n_alive = int(self.results.alive().sum())
        if self._points is None or self._points[0] != n_alive:
            self._points = n_alive, Points(self.results.embeddings()[self.order])
        return self._points[1]

    @property
    def has_embeddings(self) -> bool:
        """Whether the embeddings are in memory already."""
        return self._points is not None

    def kept_rows(self, k: int) -> np.ndarray:
        """The rows that budget k keeps and whose embedding can still be read."""
        return self.points.rows[self.points.rows < k]

    def n_alive(self, k: int) -> int:
        """How many of the first k rows were not deleted since; at least 1, so that it is a budget."""
        return max(1, int(self.results.alive()[self.order[:k]].sum()))

    def path(self, column: str) -> str:
        """The dataset path of one of the run's fields, e.g. ``"coreset_rank"``."""
        return self.config.build().path(self.dataset, self.key, column)

    def region_path(self) -> str:
        """The dataset path of the map's points, which regions are matched against.

        Raises:
            CoresetError: if the map was deleted
        """
        path = self.path("xy")
        if not self.dataset.has_field(path):
            raise CoresetError(f"the map of run '{self.key}' was deleted; run the scores again to filter by region")
        return path


_runs: OrderedDict[tuple[str, str, str], PanelRun] = OrderedDict()
_lock = threading.Lock()


def version_of(dataset: Dataset, key: str) -> str:
    """When the run was computed."""
    return dataset.get_brain_info(key).timestamp.isoformat()


def find_run(dataset: Dataset, key: str) -> PanelRun:
    """The run of this name, loaded once.

    Raises:
        CoresetError: if it was deleted, is incomplete or stored no map
    """
    if key not in list_runs(dataset):
        dataset.reload()
    if key not in list_runs(dataset):
        raise CoresetError(f"The run '{key}' was deleted; choose another one or run the scores again.")
    identity = (str(dataset._doc.id), key, version_of(dataset, key))
    with _lock:
        run = _runs.get(identity)
        if run is None:
            # FiftyOne's own cache does not notice a run that another process computed again.
            dataset.clear_cache()
            run = PanelRun(dataset, key, identity[2], load_run(dataset, key))
            _runs[identity] = run
        _runs.move_to_end(identity)
        while len(_runs) > _HELD:
            _runs.popitem(last=False)
    if run.results.points is None:
        raise CoresetError(
            f"The run '{key}' has no map (projection=None); run the scores again with one to see it here."
        )
    return run
