"""The view of what a budget keeps: a condition on ranks that is checked against the run before anybody sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .dataset.rows import FRAMES, group_members
from .errors import CoresetError
from .kept_rows import kept_parts
from .rank_views import frames_in, rank_view, require_rank_field

if TYPE_CHECKING:
    from fiftyone.core.view import DatasetView

    from .ranked_rows import RankedRows
    from .results import CoresetResults


def coreset_view(results: CoresetResults, budget: Any, new: Any = None, as_clips: bool = False) -> DatasetView:
    """The view of what a budget keeps.

    Args:
        results: the run
        budget: see :meth:`.CoresetResults.budget`
        new (None): see :meth:`.CoresetResults.kept`
        as_clips (False): frames that follow each other as clips

    Returns:
        the view

    Raises:
        CoresetError: if it would not hold what the budget keeps
    """
    config, root = results.config, results.samples._root_dataset
    path = results.backend.path(results.samples, results.key, "group_rank" if config.whole_groups else "rank")
    require_rank_field(root, path)
    results.warn()
    first, *further = [part for part in kept_parts(results, budget, new) if len(part)]
    ranges = [(int(results.rank[part[0]]), int(results.rank[part[-1]]) + 1) for part in further]
    kept = np.concatenate([first, *further])
    view = rank_view(
        root,
        config.patches_field,
        path,
        int(results.rank[first[-1]]) + 1,
        ranges,
        whole_groups=config.whole_groups,
        as_clips=as_clips,
    )
    expected, found = set(results.ids[kept].tolist()), view.values("id")
    if config.whole_groups:
        view = in_own_slice(results, view)
        expected = set(group_members(root, results.ids[kept].tolist()))
        found = view.select_group_slices(_allow_mixed=True).values("id")
    elif config.patches_field == FRAMES:
        found = frames_in(root, view)
    if set(found) != expected:
        raise CoresetError(
            f"field '{path}' no longer holds the ranks of run '{results.key}': a view by it would hold {len(found):,} "
            f"{results.noun}, not the {len(kept):,} of the budget; compute the run again with overwrite=True"
        )
    return view


def in_own_slice(results: RankedRows, samples: Any) -> Any:
    """A collection with the slice shown whose samples stand for their groups: it may lack groups in another."""
    if not results.config.whole_groups or not results.alive().any():
        return samples
    root, view = results.samples._root_dataset, samples.view()
    view.group_slice = root[results.ids[results.alive()][0]][root.group_field].name
    return view
