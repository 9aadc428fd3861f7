"""A campaign: all rounds of one labelling goal, as the brain run that FiftyOne stores. These class paths never move."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import fiftyone.core.brain as fob
import numpy as np

from ..dataset.lock import run_lock, schema_turn
from ..dataset.owned import delete_fields, owned_fields
from ..dataset.rows import Rows, noun_of
from ..dataset.run_record import delete_files
from ..diagnostics.tables import html_card, markdown_card, text_card
from ..owning_run import OwningRun
from ..rank_views import retarget_views, views_on_rank
from . import summary, views
from .advice import Advice
from .curve import LearningCurve
from .history import COLUMNS, Round
from .stored import ARRAYS, read_stored, stored_campaign
from .weak_spots import WeakSpots, find_weak_spots

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset
    from fiftyone.core.view import DatasetView

#: Version of what a campaign stores; raised when an older reader could not read it.
FORMAT_VERSION = 1


class RoundsConfig(fob.BrainMethodConfig):
    """The record of a campaign.

    Args:
        label_field ("ground_truth"): where labels are
        patches_field (None): the label field whose objects are labelled, if any
        embeddings (None): the embeddings fields of the last round; None if vectors were given
        predictions (None): where the predictions of the last round came from; None if there were none
        test (None): the tag of the test images
        skip (None): tags of images that are not asked for
        class_names (None): classes seen in the labels
        columns (None): what the campaign's fields hold
        fields (None): column -> dataset path of the field that holds it
        run_id (None): what the campaign's fields are marked with; it stays when it is renamed
        revision (0): how often it was written
        package_version (None): the version of fiftyone-coreset that wrote it
        state ("complete"): ``"writing"`` until the first round is written
        format_version (1): the version of the stored form
    """

    def __init__(
        self,
        *,
        label_field: str = "ground_truth",
        patches_field: str | None = None,
        embeddings: list[str] | None = None,
        predictions: str | None = None,
        test: str | None = None,
        skip: list[str] | None = None,
        class_names: list[str] | None = None,
        columns: list[str] | None = None,
        fields: dict[str, str] | None = None,
        run_id: str | None = None,
        revision: int = 0,
        package_version: str | None = None,
        state: str = "complete",
        format_version: int = FORMAT_VERSION,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.label_field = label_field
        self.patches_field = patches_field
        self.embeddings = embeddings
        self.predictions = predictions
        self.test = test
        self.skip = skip or []
        self.class_names = class_names or []
        self.columns = columns or list(COLUMNS)
        self.fields = fields or {}
        self.run_id = run_id
        self.revision = revision
        self.package_version = package_version
        self.state = state
        self.format_version = format_version

    @property
    def type(self) -> str:
        """The type of all campaigns."""
        return "coreset_rounds"

    @property
    def method(self) -> str:
        """Rounds may differ in their method."""
        return "rounds"


class Rounds(OwningRun):
    """The brain method: knows which fields and views belong to a campaign, to rename and delete them with it.

    Args:
        config: a :class:`RoundsConfig`
    """

    noun = "campaign"

    def rename(self, samples: SampleCollection, key: str, new_key: str) -> None:
        """Gives the campaign's fields and saved views its new name, or leaves all of them as they are.

        FiftyOne logs what this raises, and renames the record all the same, which says where the fields are.
        """
        dataset = samples._root_dataset
        with run_lock(dataset, key), schema_turn(dataset):
            self.check_rename(dataset, key, new_key)
            self.settle(dataset, key, new_key)

    def settle(self, dataset: Dataset, key: str, new_key: str | None = None) -> None:
        """Brings a campaign to the names that belong to its key, and removes what it owns beside; in a turn."""
        config, name = self.config, new_key or key
        self.move_fields(dataset, key, name, counted="round")
        for path, mark in owned_fields(dataset, config.run_id).items():
            if path != config.fields.get(mark["column"]):
                retarget_views(dataset, path, config.fields[mark["column"]])
                delete_fields(dataset, [path])
        views.rename_views(dataset, config.fields["round"], name)

    def cleanup(self, samples: SampleCollection, key: str) -> None:
        """Deletes the campaign's fields, and the saved views that cannot be opened without them."""
        dataset = samples._root_dataset
        with schema_turn(dataset):
            for path in owned_fields(dataset, self.config.run_id):
                for name in views_on_rank(dataset, path):
                    dataset.delete_saved_view(name)
            self.delete_owned(dataset)

    def delete_owned(self, dataset: Dataset) -> None:
        """Deletes the campaign's fields and stored results; its saved views stay. To be called in a turn."""
        delete_fields(dataset, owned_fields(dataset, self.config.run_id))
        delete_files(dataset, self.config.run_id)

    def views(self, dataset: Dataset, key: str) -> list[str]:
        """Names the saved views that are defined by the campaign's fields."""
        return sorted({name for path in self.get_fields(dataset, key) for name in views_on_rank(dataset, path)})


class RoundsResults(fob.BrainResults):
    """The rounds of a campaign, and what can be asked of them.

    Attributes:
        history: the rounds, first to last
        ids: (n,) sample ids (label ids of objects) of all rows that any round saw; later rows are appended
        round: (n,) int16 number of the round that asked for a row, 0 for rows labelled before the first, -1 for none
        order: (n,) int32 place in its batch, -1 for rows in none
        uncertainty: (n,) float32 at the last batch, NaN in rows it was not known of
        outcome: (n,) int8 place in :data:`OUTCOMES`, -1 while it is not known
        labels: (n,) the label of every row at the last record, None where there was none
        arrays: further arrays by name: of round r ``predicted_r`` (class numbers, -1 for none), ``confidence_r``, and
            ``correct_r``, which test images it got right (1), wrong (0), or which are no test images (-1)

    Examples:
        >>> rounds = fc.load_rounds(dataset, "rounds")
        >>> print(rounds)
        Campaign 'rounds'...
    """

    def __init__(
        self,
        samples: SampleCollection,
        config: RoundsConfig,
        key: str,
        *,
        history: list[Round] | None = None,
        ids: np.ndarray | None = None,
        columns: dict[str, np.ndarray] | None = None,
        labels: list[str | None] | None = None,
        arrays: dict[str, np.ndarray] | None = None,
        backend: Rounds | None = None,
    ):
        super().__init__(samples, config, key, backend=backend)
        self.history = history or []
        self.ids = np.empty(0, dtype="U24") if ids is None else ids
        given = columns or {}
        self.round = given.get("round", np.empty(0, dtype=np.int16))
        self.order = given.get("order", np.empty(0, dtype=np.int32))
        self.uncertainty = given.get("uncertainty", np.empty(0, dtype=np.float32))
        self.outcome = given.get("outcome", np.empty(0, dtype=np.int8))
        self.labels: list[str | None] = labels or []
        self.arrays = arrays or {}

    def __len__(self) -> int:
        return len(self.history)

    def __str__(self) -> str:
        return text_card([summary.card(self)])

    def _repr_html_(self) -> str:
        return html_card([summary.card(self)])

    def markdown(self) -> str:
        """The rounds as a table for the App.

        Examples:
            >>> print(rounds.markdown())
            **Campaign 'rounds', labels in 'gt'**...
        """
        return markdown_card([summary.card(self)])

    def __repr__(self) -> str:
        return f"<Campaign '{self.key}': {len(self)} rounds; print it to read it>"

    @property
    def noun(self) -> str:
        """What is labelled, in messages: images or objects."""
        return noun_of(self.config.patches_field, self.samples.media_type)

    @property
    def last(self) -> Round | None:
        """The last round; None before the first."""
        return self.history[-1] if self.history else None

    @property
    def open_rounds(self) -> list[Round]:
        """The rounds that nobody has recorded, first to last."""
        return [entry for entry in self.history if entry.is_open]

    def successor(self, **changes: Any) -> RoundsResults:
        """A campaign that differs in some attributes, and shares no state that is written.

        Args:
            **changes: ``samples``, ``history``, ``ids``, ``labels``, ``arrays``, or columns

        Returns:
            a campaign under the same name
        """
        config = copy.deepcopy(self.config)
        columns = {name: changes.pop(name, getattr(self, name).copy()) for name in ARRAYS}
        names = ("samples", "history", "ids", "labels", "arrays")
        kept = {name: changes.get(name, getattr(self, name)) for name in names}
        return RoundsResults(config=config, key=self.key, columns=columns, backend=config.build(), **kept)

    def rows(self) -> Rows:
        """All rows of the dataset, whatever view the campaign works on, whose content may change.

        Examples:
            >>> len(rounds.rows().ids())
            60
        """
        root = self.samples._root_dataset
        if root.media_type == "group":
            root = root.select_group_slices(_allow_mixed=True)
        return Rows(root, self.config.patches_field)

    def table(self) -> list[dict[str, Any]]:
        """One row a round, as plain numbers; ``pandas.DataFrame(rounds.table())`` makes a table of it.

        Examples:
            >>> len(rounds.table())
            4
        """
        return summary.table(self)

    def n_left(self, number: int) -> int:
        """How many rows of a round were not deleted since.

        Examples:
            >>> rounds.n_left(1)
            4
        """
        path = self.backend.path(self.samples, self.key, "round")
        dataset = self.samples._root_dataset
        return dataset.count_values(path).get(number, 0) if dataset.has_field(path) else 0

    def curve(self, metric: str | None = None, seed: int = 0) -> LearningCurve:
        """The learning curve over the rounds.

        Args:
            metric (None): accuracy by default, R^2 of numbers, mAP of boxes, and ``"confidence"``, an estimate, where
                none of these was measured; else ``"class_mean_accuracy"``, ``"coverage"`` (share of the images near a
                label),
                what was given to :func:`record_round`, or ``"stream_accuracy"`` and ``"random_accuracy"`` of
                the random stream (of what chose a batch, and of a head on random labels alone)
            seed (0): the random seed of the band

        Returns:
            a :class:`LearningCurve`; the rounds in it that have fewer than 5 labels a class are not fitted

        Raises:
            CoresetError: if no round has the metric

        Examples:
            >>> rounds.curve().n_labels.tolist()
            [4.0, 8.0, 12.0, 16.0]
        """
        return summary.curve(self, metric, seed)

    def advice(
        self, target: float | None = None, cost_per_label: float | None = None, metric: str | None = None,
        value_per_point: float | None = None,
    ) -> Advice:  # fmt: skip
        """What the next batch is expected to bring, what a target takes, and whether the predictions still move.

        Args:
            target (None): the value of the metric to reach, in (0, 1)
            cost_per_label (None): what one label costs
            metric (None): see :meth:`curve`
            value_per_point (None): what one point (0.01) of the metric is worth, to say what the next batch brings net

        Returns:
            an :class:`Advice`; print it

        Raises:
            CoresetError: if an argument is out of range

        Examples:
            >>> print(rounds.advice(target=0.9))
            What more labels bring...
        """
        return summary.advice(self, target, cost_per_label, metric, value_per_point)

    def weak_spots(self, n_clusters: int = 20, seed: int = 0, by: str = "cluster") -> WeakSpots:
        """Where labels are missing: parts of the pool by their size and the error that is expected there.

        Args:
            n_clusters (20): clusters of the embeddings
            seed (0): the random seed
            by ("cluster"): ``"class"`` takes labels, or predicted classes, instead of clusters

        Returns:
            :class:`WeakSpots`; print them, and ``view(0)`` opens the weakest

        Raises:
            CoresetError: if embeddings were given as an array, or everything has a label

        Examples:
            >>> spots = rounds.weak_spots(n_clusters=3)
            >>> len(spots.view(0)) > 0
            True
        """
        return find_weak_spots(self, n_clusters, seed, by)

    def view(self, number: int) -> DatasetView:
        """The batch of a round as a view, small and live; sort it by ``<key>_order`` to label the first first.

        Args:
            number: the round, from 1; 0 for what was labelled before the first

        Returns:
            a view of the images, or of the objects

        Raises:
            CoresetError: if there is no such round

        Examples:
            >>> len(rounds.view(1))
            4
        """
        return views.batch_view(self, number)

    def random_view(self, number: int | None = None) -> DatasetView:
        """What was drawn at random for a batch, see ``random_share`` of :func:`next_batch`.

        Args:
            number (None): the round; by default all of them

        Examples:
            >>> len(rounds.random_view())  # these rounds had no random stream
            0
        """
        return views.random_view(self, number)

    def cancel(self, number: int) -> None:
        """Takes an open round back: its rows are as if they had not been asked for; labels stay.

        Args:
            number: the round, while it is not recorded

        Raises:
            CoresetError: if there is no such round, it was recorded, or the campaign changed since it was loaded

        Examples:
            >>> batch = fc.next_batch(dataset, budget=4, label_field="gt")
            >>> batch.results.cancel(batch.number)
        """
        from .cancel import cancel_round

        self.__dict__.update(cancel_round(self, number).__dict__)

    def attributes(self) -> list[str]:
        """Only the class is serialized by attribute; the rest follows in :meth:`serialize`."""
        return ["cls"]

    def serialize(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The stored form: JSON with compressed numpy arrays, never pickle."""
        return super().serialize(*args, **kwargs) | stored_campaign(self)

    @classmethod
    def _from_dict(cls, d: dict[str, Any], samples: Any, config: RoundsConfig, key: str) -> RoundsResults:
        return cls(samples, config, key, **read_stored(d, key))
