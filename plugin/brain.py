"""The brain run of a coreset: its record, and the fields, views and map that live and die with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fiftyone.core.brain as fob

from .rank_views import retarget_views, views_on_rank

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

#: Version of what a run stores; raised when an older reader could not read it.
FORMAT_VERSION = 1


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
        format_version (1): the version of the stored form
    """

    def __init__(
        self,
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


class Coreset(fob.BrainMethod):
    """The brain method: knows which fields belong to a run, so that they are renamed and deleted with it.

    Args:
        config: a :class:`CoresetConfig`
    """

    def path(self, samples: SampleCollection, key: str, column: str) -> str:
        """The dataset path of one of the run's fields."""
        field = f"{key}_{column}"
        if self.config.patches_field is None:
            return field
        _, root = samples._root_dataset._get_label_field_path(self.config.patches_field)
        return f"{root}.{field}"

    def get_fields(self, samples: SampleCollection, key: str) -> list[str]:
        """Lists the fields that the run wrote."""
        return [self.path(samples, key, column) for column in self.config.columns]

    def rename(self, samples: SampleCollection, key: str, new_key: str) -> None:
        """Renames the run's fields and its visualization, and points its saved views at them."""
        dataset = samples._root_dataset
        old_fields = self.get_fields(samples, key)
        new_fields = self.get_fields(samples, new_key)
        present = {old: new for old, new in zip(old_fields, new_fields, strict=True) if dataset.has_field(old)}
        views = retarget_views(dataset, self.path(samples, key, "rank"), self.path(samples, new_key, "rank"))
        if present:
            dataset.rename_sample_fields(present)
        views.save()
        if visualization_key(key) in dataset.list_brain_runs():
            dataset.rename_brain_run(visualization_key(key), visualization_key(new_key))
            config = dataset.get_brain_info(visualization_key(new_key)).config
            config.points_field = self.path(samples, new_key, "xy")
            self.update_run_config(samples, visualization_key(new_key), config)

    def cleanup(self, samples: SampleCollection, key: str) -> None:
        """Deletes the run's fields and map, and the saved views that cannot be opened without them."""
        dataset = samples._root_dataset
        for name in views_on_rank(dataset, self.path(samples, key, "rank")):
            dataset.delete_saved_view(name)
        self.delete_fields(samples, key)

    def delete_fields(self, samples: SampleCollection, key: str) -> None:
        """Deletes the run's fields and map; its saved views stay, for a new run of the same name."""
        dataset = samples._root_dataset
        if visualization_key(key) in dataset.list_brain_runs():
            dataset.delete_brain_run(visualization_key(key))
        fields = [field for field in self.get_fields(samples, key) if dataset.has_field(field)]
        if fields:
            dataset.delete_sample_fields(fields, error_level=1)


def visualization_key(brain_key: str) -> str:
    """The name of the visualization run that shows a coreset run's points."""
    return f"{brain_key}_umap"
