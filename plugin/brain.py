"""The brain run of a coreset: its record, and the fields, views and map that live and die with it."""

from __future__ import annotations

import inspect
import re
import uuid
from typing import TYPE_CHECKING, Any

import fiftyone.core.brain as fob

from .dataset.lock import run_lock, schema_turn
from .dataset.owned import RANKS, delete_fields, mark_fields, owned_fields
from .dataset.rows import IN_FRAMES, container
from .dataset.run_record import delete_files
from .owning_run import OwningRun, save_config
from .rank_views import Describe, retarget_views, views_on_rank

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset

#: Version of what a run stores; raised when an older reader could not read it. Version 2 stores the paths of the
#: fields, which version 1 derived from the key.
FORMAT_VERSION = 2

#: Where a visualization run says which coreset run it belongs to.
MAP_MARK = "coreset_run"

#: How the description of a saved view begins that this package wrote.
DESCRIPTION_START = "Coreset: "


class CoresetConfig(fob.BrainMethodConfig):
    """The record of a run: everything needed to know how its ranking was made, and to make it again.

    The App reads some attribute names of any brain run, such as ``model``, as plain strings: ours must not reuse them.

    Args:
        method ("auto"): the method
        embeddings (None): list of embedding field names; None if an array or a file was given
        patches_field (None): the label field whose objects were ranked, if any
        label_field (None): the label field that was used
        seed (0): the random seed
        method_kwargs (None): further arguments of the method
        columns (None): names of the per-row figures that were stored, without the run's name
        facts (None): what the method reported, e.g. the number of draws and the reliability
        models (None): embeddings field -> record of its model, for fields that carry one
        n (None): the number of ranked rows
        n_missing (None): the number of rows without a usable embedding
        n_unranked (None): the number of rows that the run saw and did not rank, those among them
        projection (None): ``"umap"``, ``"pca"`` or None
        projection_note (None): one sentence on how the points were made
        package_version (None): the version of fiftyone-coreset that made the run
        fields (None): column -> dataset path of the field that holds it, for every field that the run owns
        map_key (None): the visualization run that shows the run's points, if it has any
        run_id (None): what the run's fields are marked with; it stays when the run is renamed or computed again
        revision (0): how often the run was computed again
        whole_groups (False): whether a row stands for its group: views keep groups with all their slices
        state ("complete"): ``"writing"`` until everything else is written and counted
        updates (None): what was added and removed when, a dict an update, see :func:`.update.update_coreset`
        vector_copies (None): the files of the run's copy of its vectors, see :mod:`.dataset.vector_copy`
        format_version (2): the version of the stored form
    """

    def __init__(
        self,
        *,
        method: str = "auto",
        embeddings: list[str] | None = None,
        patches_field: str | None = None,
        label_field: str | None = None,
        seed: int = 0,
        method_kwargs: dict[str, Any] | None = None,
        columns: list[str] | None = None,
        facts: dict[str, Any] | None = None,
        models: dict[str, Any] | None = None,
        n: int | None = None,
        n_missing: int | None = None,
        n_unranked: int | None = None,
        projection: str | None = None,
        projection_note: str | None = None,
        package_version: str | None = None,
        fields: dict[str, str] | None = None,
        map_key: str | None = None,
        run_id: str | None = None,
        revision: int = 0,
        whole_groups: bool = False,
        state: str = "complete",
        updates: list[dict[str, Any]] | None = None,
        vector_copies: list[str] | None = None,
        format_version: int = FORMAT_VERSION,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._method = method
        self.embeddings = embeddings
        self.patches_field = patches_field
        self.label_field = label_field
        self.seed = seed
        self.method_kwargs = method_kwargs or {}
        self.columns = columns or []
        self.facts = facts or {}
        self.models = models or {}
        self.n = n
        self.n_missing = n_missing
        self.n_unranked = n_unranked
        self.projection = projection
        self.projection_note = projection_note
        self.package_version = package_version
        self.fields = fields or {}
        self.map_key = map_key
        self.run_id = run_id
        self.revision = revision
        self.whole_groups = whole_groups
        self.state = state
        self.updates = updates or []
        self.vector_copies = vector_copies or []
        self.format_version = format_version

    @property
    def type(self) -> str:
        """The type of all coreset runs."""
        return "coreset"

    @property
    def method(self) -> str:
        """The name of the method."""
        return self._method

    @classmethod
    def _virtual_attributes(cls) -> list[str]:
        return ["cls", "type"]  # unlike the base class: our method is a parameter

    @property
    def reliability(self) -> float | None:
        """Split-half reliability of the scores, if the method measures it."""
        return self.facts.get("reliability")


class Coreset(OwningRun):
    """The brain method: knows which fields belong to a run, so that they are renamed and deleted with it.

    Args:
        config: a :class:`CoresetConfig`
    """

    def keys_of(self, key: str) -> tuple[str, ...]:
        """The brain keys that a run of this name takes."""
        return (key, visualization_key(key))

    def rename(self, samples: SampleCollection, key: str, new_key: str) -> None:
        """Gives the run's fields, map and saved views its new name, or leaves all of them as they are.

        FiftyOne logs what this raises and renames the record all the same. That does no harm: the record says where
        the fields are.
        """
        dataset = samples._root_dataset
        with run_lock(dataset, key), schema_turn(dataset):
            self.check_rename(dataset, key, new_key)
            self.adopt(dataset, key)
            self.settle(dataset, key, new_key)

    def cleanup(self, samples: SampleCollection, key: str) -> None:
        """Deletes the run's fields and map, and the saved views that cannot be opened without them."""
        dataset = samples._root_dataset
        with schema_turn(dataset):
            self.adopt(dataset, key)
            for path, mark in owned_fields(dataset, self.config.run_id).items():
                if mark["column"] in RANKS:
                    for name in views_on_rank(dataset, path):
                        dataset.delete_saved_view(name)
            self.delete_owned(dataset)

    def adopt(self, dataset: Dataset, key: str, written_as: str | None = None) -> None:
        """Marks the fields of a run whose record does not say where they are; to be called in a turn.

        Version 1 derived the paths from the key.

        Args:
            dataset: the dataset
            key: the name of the run
            written_as (None): the name that it had when its fields were written; by default its own
        """
        config = self.config
        if config.run_id is not None:
            return
        name = written_as or key
        paths = {column: self.usual_path(dataset, name, column) for column in config.columns}
        config.fields = {column: path for column, path in paths.items() if dataset.has_field(path)}
        config.run_id = uuid.uuid4().hex
        mark_fields(dataset, config.run_id, config.fields)
        map_key = visualization_key(name)
        if _points_path(dataset, map_key) in config.fields.values():
            config.map_key = map_key
            info = dataset.get_brain_info(map_key).config
            setattr(info, MAP_MARK, config.run_id)
            self.update_run_config(dataset, map_key, info)
        config.format_version = FORMAT_VERSION
        self.update_run_config(dataset, key, config)

    def settle(self, dataset: Dataset, key: str, new_key: str | None = None, describe: Describe | None = None) -> None:
        """Brings a run to the names that belong to its key, and removes what it owns beside; to be called in a turn.

        This ends an overwriting, does a renaming, mends one that was done without this package, and clears up after a
        process that was killed in any of them. Whenever it is cut short, the record and every saved view name fields
        that are whole.

        Args:
            dataset: the dataset
            key: the name of the run
            new_key (None): the name that its fields shall have; by default its own
            describe (None): see :func:`.rank_views.retarget_views`
        """
        config, name = self.config, new_key or key
        self.drop_spare(dataset, describe)
        self.move_fields(dataset, key, name, counted="rank")
        if "xy" in config.fields and config.map_key is not None:
            self._settle_map(dataset, key, name)
        self.drop_spare(dataset, _renaming(name))

    def delete_owned(self, dataset: Dataset) -> None:
        """Deletes the run's fields, map and stored results; its saved views stay. To be called in a turn."""
        config = self.config
        if not _deleting_all_runs():
            for map_key in _maps(dataset, config.run_id):
                _delete_map(dataset, map_key)
        delete_fields(dataset, owned_fields(dataset, config.run_id))
        delete_files(dataset, config.run_id)

    def drop_spare(self, dataset: Dataset, describe: Describe | None = None) -> None:
        """Deletes what the run owns beside what its record names; saved views on it move over first."""
        config = self.config
        maps = _maps(dataset, config.run_id)
        if config.map_key is not None and config.map_key not in maps:
            # it was renamed, and the process killed before it could say so; or a user deleted it
            shown = [map_key for map_key in maps if _points_path(dataset, map_key) == config.fields.get("xy")]
            config.map_key = shown[0] if shown else None
        spare = {
            path: mark
            for path, mark in owned_fields(dataset, config.run_id).items()
            if path != config.fields.get(mark["column"])
        }
        for path, mark in spare.items():
            if mark["column"] in RANKS:
                retarget_views(dataset, path, config.fields.get(mark["column"], config.fields["rank"]), describe)
        for map_key in maps:
            if map_key != config.map_key:
                _delete_map(dataset, map_key)
        delete_fields(dataset, spare)

    def _settle_map(self, dataset: Dataset, key: str, name: str) -> None:
        """Lets the map show the run's points under the name that belongs to the run's."""
        config, map_key = self.config, visualization_key(name)
        runs = dataset.list_brain_runs()
        if config.map_key not in runs:
            return
        if _points_path(dataset, config.map_key) != config.fields["xy"]:
            point_map_at(dataset, config.map_key, config.fields["xy"])
        if config.map_key != map_key and map_key not in runs:
            dataset.rename_brain_run(config.map_key, map_key)
            config.map_key = map_key
            save_config(dataset, key, config)


def visualization_key(brain_key: str) -> str:
    """The name of the visualization run that shows a coreset run's points."""
    return f"{brain_key}_umap"


def _maps(dataset: Dataset, run_id: str) -> list[str]:
    """The visualizations that a run owns."""
    runs = dataset._doc.get_brain_methods()
    return sorted(key for key, run in runs.items() if run.config.get(MAP_MARK) == run_id)


def _points_path(dataset: Dataset, map_key: str | None) -> str | None:
    """The dataset path of a visualization's points; it stores those of objects without their label field."""
    run = dataset._doc.get_brain_methods().get(map_key)
    field = run.config.get("points_field") if run is not None else None
    patches_field = run.config.get("patches_field") if run is not None else None
    if field is None or patches_field is None or "." in field:
        return field
    return f"{container(dataset, patches_field)}.{field}"


def _delete_map(dataset: Dataset, map_key: str) -> None:
    """Deletes a visualization run; its points are a field of ours."""
    fob.BrainMethod.delete_run(dataset, map_key, cleanup=False)


def point_map_at(dataset: Dataset, map_key: str, path: str) -> None:
    """Tells a visualization which field holds its points, indexed as FiftyOne indexes them; to be called in a turn."""
    config = dataset.get_brain_info(map_key).config
    if path.startswith(IN_FRAMES) and dataset.media_type == "video":
        return  # FiftyOne keeps the points of frames with the visualization
    if config.patches_field is None and not index_of_points(dataset, path):
        bounds = dataset.bounds(path)
        if bounds != (None, None):
            dataset.create_index([(path, "2d")], min=bounds[0], max=bounds[1])
    config.points_field = path if config.patches_field is None else path.rpartition(".")[2]
    Coreset.update_run_config(dataset, map_key, config)


def index_of_points(dataset: Dataset, path: str) -> dict[str, dict[str, Any]]:
    """The index of a map's points, by its name; none if there is none."""
    return {name: index for name, index in dataset.get_index_information().items() if (path, "2d") in index["key"]}


def _renaming(key: str) -> Describe:
    """Lets the descriptions of our saved views follow a run's name."""

    def describe(description: str | None, k: int | None) -> str | None:
        if description is None or not description.startswith(DESCRIPTION_START):
            return description
        return re.sub(r"run '\w+'", f"run '{key}'", description)

    return describe


def _deleting_all_runs() -> bool:
    """Whether FiftyOne is deleting all runs by a list that it made before: it fails at one that we deleted."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code is fob.BrainMethod.delete_runs.__func__.__code__:
            return True
        frame = frame.f_back
    return False
