"""The rows that a run ranked, and what the dataset holds of them today."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import fiftyone.core.brain as fob
import numpy as np

from .brain import Coreset, CoresetConfig
from .dataset.embeddings import EmbeddingSource
from .dataset.labels import read_labels
from .dataset.rows import Rows, noun_of
from .errors import CoresetError
from .run_changes import changes_since
from .vectors.half import from_half

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

logger = logging.getLogger(__name__)


class RankedRows(fob.BrainResults):
    """Rows with a rank, and their embeddings and labels; see :class:`.CoresetResults`, which is made of it."""

    def __init__(
        self,
        samples: SampleCollection,
        config: CoresetConfig,
        key: str,
        *,
        ids: np.ndarray,
        rank: np.ndarray,
        embeddings: np.ndarray | None = None,
        fingerprints: np.ndarray | None = None,
        vectors: tuple[np.ndarray, np.ndarray] | None = None,
        backend: Coreset | None = None,
    ):
        super().__init__(samples, config, key, backend=backend)
        self.ids = ids
        self.rank = rank
        self._embeddings = embeddings
        self._fingerprints = fingerprints
        self._vectors = vectors  # in half precision, if they are stored nowhere else
        self._told = ""

    def __len__(self) -> int:
        return len(self.rank)

    @property
    def noun(self) -> str:
        """What was ranked, in messages: images, groups of them, objects or frames."""
        return "groups" if self.config.whole_groups else noun_of(self.config.patches_field, self.samples.media_type)

    @property
    def ranking(self) -> np.ndarray:
        """(n,) int64 row numbers, first to keep first."""
        return np.argsort(self.rank)

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
            self._embeddings = EmbeddingSource.of(self.config.embeddings).matrix_of(self.rows(), self.ids)
        alive = self.alive()
        return self._embeddings if alive.all() else np.where(alive[:, None], self._embeddings, np.nan)

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
