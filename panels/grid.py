"""The panel and the grid: what the current view shows of a run, and the views that the panel opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fiftyone as fo
import fiftyone.core.patches as fop
import numpy as np

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from .runs import PanelRun

#: Views by a list of ids travel with every later request, so they stay this short (28 bytes an id).
MAX_IDS = 1_000

#: Corners of a region; more say nothing at the size of a screen.
MAX_CORNERS = 2_000

#: Comments that tell a region from other stages, and whether objects were opened as patches for it.
_REGION = "region of the coreset map"
_REGION_AS_PATCHES = f"{_REGION}, opened as patches"

#: The operator that ranks what was added.
_REMEDY = "Update coreset run"

#: Ranks whose membership MongoDB packs into one number.
_BITS = 32


@dataclass(frozen=True)
class Shown:
    """What a collection shows of a run.

    Attributes:
        mask: (n,) bool, rows in rank order
        unranked: samples (objects) shown that the run did not rank
    """

    mask: np.ndarray
    unranked: int


def shown_rows(run: PanelRun, view: SampleCollection) -> Shown:
    """Finds the rows of a run in a dataset or view.

    Ranks are packed into bitmasks inside MongoDB, so that a large view costs one small answer.
    """
    if run.config.patches_field is None and not view._is_generated:
        return _by_rank(run, view)
    ids = _ids(run, view)
    by_id = np.argsort(run.ids)
    at = np.searchsorted(run.ids, ids, sorter=by_id) if len(ids) else np.zeros(0, dtype=np.int64)
    rows = by_id[np.minimum(at, run.n - 1)]
    found = run.ids[rows] == ids
    mask = np.zeros(run.n, dtype=bool)
    mask[rows[found]] = True
    return Shown(mask, int((~found).sum()))


def _by_rank(run: PanelRun, view: SampleCollection) -> Shown:
    rank = f"${run.path('rank')}"
    group = {
        "_id": {"$floor": {"$divide": [rank, _BITS]}},
        "bits": {"$sum": {"$pow": [2, {"$mod": [rank, _BITS]}]}},
        "count": {"$sum": 1},
    }
    ranks = run.results.rank[run.order]
    words = np.zeros(int(ranks[-1]) // _BITS + 1, dtype="<u4")
    unranked = 0
    for found in view._aggregate(post_pipeline=[{"$project": {run.path("rank"): 1}}, {"$group": group}]):
        if found["_id"] is None:
            unranked += found["count"]
        elif found["_id"] < len(words):
            words[int(found["_id"])] = int(found["bits"])
        else:
            unranked += found["count"]  # an update is under way
    return Shown(np.unpackbits(words.view(np.uint8), bitorder="little")[ranks].astype(bool), unranked)


def _ids(run: PanelRun, view: SampleCollection) -> np.ndarray:
    """The ids in a view by which a run names its rows."""
    patches_field = run.config.patches_field
    if patches_field is None:
        return np.array(view.values("sample_id"), dtype=str)
    if isinstance(view, fop.PatchesView) and view.patches_field == patches_field:
        return np.array(view.values("id"), dtype=str)
    if not view.has_field(patches_field):
        return np.array([], dtype=str)
    _, root = view._get_label_field_path(patches_field)
    return np.array([i for i in view.values(f"{root}.id", unwind=True) if i is not None], dtype=str)


def rows_of_ids(run: PanelRun, ids: Sequence[str]) -> list[int]:
    """Rows of samples (or objects) by id; ids that the run did not rank are passed over."""
    return np.flatnonzero(np.isin(run.ids, list(ids))).tolist() if ids else []


def notices(run: PanelRun, ranked: Shown, view: Shown, n_view: int) -> list[str]:
    """What the user should know about the dataset since the run, in sentences.

    Args:
        run: the run
        ranked: the run's rows in the whole dataset
        view: the run's rows in the current view
        n_view: samples in the current view
    """
    found = []
    deleted = run.n - int(ranked.mask.sum())
    if deleted:
        found.append(
            f"{deleted:,} of the {run.n:,} ranked {run.noun} were deleted after the run; the map shows them pale."
        )
    if is_narrowed(run.dataset.load_brain_view(run.key)) and run.config.patches_field is None:
        found.append(f"This run ranks a view: {run.n:,} of the dataset's {len(run.dataset):,} images.")
    elif run.config.patches_field is None:
        added = ranked.unranked - (run.config.n_unranked or 0)
        if added > 0:
            found.append(
                f"{added:,} images were added after the run and are not ranked; the operator '{_REMEDY}' takes them in."
            )
    if n_view and not view.mask.any():
        found.append(f"None of the {run.noun} in the current view are part of this run.")
    return found


def is_narrowed(collection: SampleCollection) -> bool:
    """Whether a collection is a view with stages, rather than a whole dataset."""
    return isinstance(collection, fo.DatasetView) and bool(collection._all_stages)


def has_region(view: DatasetView) -> bool:
    """Whether a view ends in a region of the map."""
    return bool(view._all_stages) and _comment(view._all_stages[-1]).startswith(_REGION)


def _comment(stage: Any) -> str:
    """The comment by which a region is known among other stages."""
    pipeline = stage.pipeline if isinstance(stage, fo.Mongo) else []
    return pipeline[0].get("$match", {}).get("$comment", "") if pipeline else ""


def without_region(view: DatasetView) -> DatasetView:
    """The view as it was before a region was drawn."""
    stages = list(view._all_stages)
    while stages and (comment := _comment(stages[-1])).startswith(_REGION):
        stages.pop()
        if comment == _REGION_AS_PATCHES:
            stages.pop()
    rest = view._root_dataset.view()
    for stage in stages:
        rest = rest.add_stage(stage)
    return rest


def region_view(run: PanelRun, view: DatasetView, polygon: Sequence[Sequence[float]]) -> DatasetView:
    """The part of a view whose points lie in a polygon of the map; a few hundred bytes at any size.

    Args:
        run: the run
        view: the current view; a region drawn earlier is replaced
        polygon: corners ``[x, y]`` in the map's coordinates, even-odd rule
    """
    base = without_region(view)
    path, comment = run.region_path(), _REGION
    patches_field = run.config.patches_field
    if patches_field is not None:
        if not (isinstance(base, fop.PatchesView) and base.patches_field == patches_field):
            base, comment = base.to_patches(patches_field), _REGION_AS_PATCHES
        path = f"{patches_field}.{path.rsplit('.', 1)[-1]}"
    corners = [list(corner) for corner in polygon]
    return base.mongo([{"$match": {"$comment": comment, path: {"$geoWithin": {"$polygon": corners}}}}])


def ordered_view(run: PanelRun, ids: Sequence[str]) -> DatasetView:
    """The given rows, in order; at most :data:`MAX_IDS` of them."""
    ids = list(ids[:MAX_IDS])
    if run.config.patches_field is None:
        return run.dataset.select(ids, ordered=True)
    return run.dataset.to_patches(run.config.patches_field).select(ids, ordered=True)


def without_tag(run: PanelRun, view: DatasetView, tag: str) -> DatasetView:
    """A view without the rows that carry a tag; a few bytes at any size, and live."""
    patches_field = run.config.patches_field
    if patches_field is None:
        stage = fo.MatchTags(tag, bool=False)
    else:
        if not (isinstance(view, fop.PatchesView) and view.patches_field == patches_field):
            view = run.dataset.to_patches(patches_field)
        stage = fo.Match(~fo.ViewField(f"{patches_field}.tags").contains([tag]))
    same = any(known._serialize(False) == stage._serialize(False) for known in view._stages)
    return view if same else view.add_stage(stage)
