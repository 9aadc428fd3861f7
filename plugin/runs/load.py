"""``load_run`` and ``list_runs``: the coreset runs of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..brain import FORMAT_VERSION
from ..errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

    from ..results import CoresetResults


def load_run(dataset: SampleCollection, brain_key: str) -> CoresetResults:
    """Loads a coreset run, in any process.

    Args:
        dataset: the dataset or one of its views
        brain_key: the name of the run

    Returns:
        a :class:`CoresetResults`

    Raises:
        CoresetError: if there is no such run, it is of another type, was cut short, or needs a newer version
    """
    runs = list_runs(dataset)
    if brain_key not in runs:
        names = ", ".join(f"'{run}'" for run in runs) or "none yet"
        raise CoresetError(
            f"dataset '{dataset._root_dataset.name}' has no coreset run '{brain_key}' (runs: {names}); "
            f"compute_coreset(samples, brain_key='{brain_key}') makes one"
        )
    config = dataset.get_brain_info(brain_key).config
    if config.format_version > FORMAT_VERSION:
        raise CoresetError(
            f"run '{brain_key}' was made by fiftyone-coreset {config.package_version}; update the package to read it"
        )
    results = dataset.load_brain_results(brain_key)
    if results is None:
        raise CoresetError(
            f"run '{brain_key}' is incomplete: it was interrupted while being written; "
            f"compute it again with overwrite=True, or delete_brain_run('{brain_key}')"
        )
    return results


def list_runs(dataset: SampleCollection) -> list[str]:
    """Names the coreset runs of a dataset."""
    return dataset.list_brain_runs(type="coreset")
