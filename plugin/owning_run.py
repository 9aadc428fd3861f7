"""Brain runs that own fields of the dataset: where the fields are, and how they follow the name of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fiftyone.core.brain as fob

from .dataset.journal import journal
from .dataset.owned import copy_values, count_values, declare_in_turn, owned_fields
from .dataset.rows import container
from .errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset


class OwningRun(fob.BrainMethod):
    """A run whose record has the ``columns`` that it wrote, and in ``fields`` the path of each."""

    #: What the run is, in messages.
    noun = "run"

    def path(self, samples: SampleCollection, key: str, column: str) -> str:
        """The dataset path of one of the run's fields: where it is stored, or where it would be."""
        return self.config.fields.get(column) or self.usual_path(samples, key, column)

    def usual_path(self, samples: SampleCollection, key: str, column: str, staged: bool = False) -> str:
        """The path that a field of a run has by its name.

        Args:
            samples: the dataset or one of its views
            key: the name of the run
            column: what the field holds, e.g. ``"rank"``
            staged (False): the name that it has beside the field that it is to replace

        Returns:
            a dataset path, of the samples or of the objects
        """
        field = f"{key}_{column}_staged" if staged else f"{key}_{column}"
        if self.config.patches_field is None:
            return field
        return f"{container(samples._root_dataset, self.config.patches_field)}.{field}"

    def get_fields(self, samples: SampleCollection, key: str) -> list[str]:
        """Lists the fields that the run wrote."""
        return [self.path(samples, key, column) for column in self.config.columns]

    def check_rename(self, samples: SampleCollection, key: str, new_key: str) -> None:
        """Checks that a run can take another name with all that belongs to it.

        Args:
            samples: the dataset or one of its views
            key: the name of the run
            new_key: the name it shall have

        Raises:
            CoresetError: if the name is taken, by a run or by a field that is not the run's
        """
        dataset = samples._root_dataset
        taken = set(self.keys_of(new_key)) & set(dataset.list_brain_runs())
        if taken:
            raise CoresetError(f"'{min(taken)}' is taken by another brain run; choose another name")
        owned = owned_fields(dataset, self.config.run_id) if self.config.run_id else {}
        for column in self.config.columns:
            path = self.usual_path(samples, new_key, column)
            if dataset.has_field(path) and path not in owned:
                raise CoresetError(
                    f"{self.noun} '{key}' cannot be named '{new_key}': field '{path}' exists and is not the "
                    f"{self.noun}'s; choose another name"
                )

    def keys_of(self, key: str) -> tuple[str, ...]:
        """The brain keys that a run of this name takes."""
        return (key,)

    def move_fields(self, dataset: Dataset, key: str, name: str, counted: str) -> None:
        """Gives the fields the names that belong to a key, if those are free; to be called in a turn.

        Args:
            dataset: the dataset
            key: the name of the run
            name: the name that its fields shall have
            counted: the column that tells whether all values have arrived

        Raises:
            CoresetError: if the database loses values
        """
        config = self.config
        wanted = {column: self.usual_path(dataset, name, column) for column in config.fields}
        if wanted == config.fields or any(map(dataset.has_field, wanted.values())):
            return
        declare_in_turn(dataset, config.run_id, wanted)
        moved = {config.fields[column]: path for column, path in wanted.items()}
        copy_values(dataset, moved, config.patches_field)
        journal()
        if count_values(dataset, wanted[counted]) != count_values(dataset, config.fields[counted]):
            raise CoresetError(
                f"the database lost values while the fields of {self.noun} '{key}' were moved; call again"
            )
        config.fields = wanted
        save_config(dataset, key, config)


def save_config(dataset: Dataset, key: str, config: Any) -> None:
    """Stores the record of a run in one write, and tells the results of this process that are loaded."""
    fob.BrainMethod.update_run_config(dataset, key, config)
    cached = dataset._brain_cache.get(key) if hasattr(dataset, "_brain_cache") else None
    if cached is not None:
        cached._config, cached._backend = config, config.build()
