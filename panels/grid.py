"""The panel and the grid: what the current view shows of a run, and the views that the panel opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fiftyone as fo
import fiftyone.core.patches as fop
import numpy as np

from ..plugin.coreset_view import in_own_slice
from ..plugin.dataset.frames import frames_by_id
from ..plugin.dataset.rows import IN_FRAMES, counted
from ..plugin.errors import CoresetError
from ..plugin.rank_views import frames_in

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from .runs import PanelRun

#: Views by a list of ids travel with every later request, so they stay this short (28 bytes an id).
MAX_IDS = 1_000

#: Corners of a region; more say nothing at the size of a screen.
MAX_CORNERS = 2_000

#: Comments that tell a region from other stages, and whether rows were opened for it as objects, frames or clips.
_REGION = "region of the coreset map"
_REGION_OPENED = f"{_REGION}, opened as patches"

#: The operator that ranks what was added.
_REMEDY = "Update coreset run"

#: Ranks whose membership MongoDB packs into one number.
_BITS = 32


@dataclass(frozen=True)
class Shown:
    """What a collection shows of a run.

    Attributes:
        mask: (n,) bool, rows in rank order
        unranked: samples (objects, frames) shown that the run did not rank
    """

    mask: np.ndarray
    unranked: int


def shown_rows(run: PanelRun, view: SampleCollection) -> Shown:
    """Finds the rows of a run in a dataset or view.

    Ranks are packed into bitmasks inside MongoDB, so that a large view costs one small answer.
    """
    if not view._is_generated:
        if run.config.whole_groups:
            return _by_group(run, view)
        if run.config.patches_field is None or run.are_frames:
            return _by_rank(run, view)
    ids = _ids(run, view)
    by_id = np.argsort(run.ids)
    at = np.searchsorted(run.ids, ids, sorter=by_id) if len(ids) else np.zeros(0, dtype=np.int64)
    rows = by_id[np.minimum(at, run.n - 1)]
    found = run.ids[rows] == ids
    mask = np.zeros(run.n, dtype=bool)
    mask[rows[found]] = True
    return Shown(mask, int((~found).sum()))


def ranked_rows(run: PanelRun) -> Shown:
    """The rows of a run in the whole dataset: those that were not deleted."""
    return shown_rows(run, in_own_slice(run.results, run.dataset))


def _by_group(run: PanelRun, view: SampleCollection) -> Shown:
    """By the ranks of groups, which every slice has: several of one group may be in a view."""
    ranks = view.values(run.path("group_rank"))
    known = [rank for rank in ranks if rank is not None]
    return Shown(np.isin(run.results.rank[run.order], known), len(ranks) - len(known))


def _by_rank(run: PanelRun, view: SampleCollection) -> Shown:
    path = run.path("rank").removeprefix(IN_FRAMES)
    rank = f"${path}"
    group = {
        "_id": {"$floor": {"$divide": [rank, _BITS]}},
        "bits": {"$sum": {"$pow": [2, {"$mod": [rank, _BITS]}]}},
        "count": {"$sum": 1},
    }
    ranks = run.results.rank[run.order]
    words = np.zeros(int(ranks[-1]) // _BITS + 1, dtype="<u4")
    unranked = 0
    pipeline = [{"$project": {path: 1}}, {"$group": group}]
    for found in view._aggregate(post_pipeline=pipeline, frames_only=run.are_frames):
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
    if run.are_frames:
        found = view.values("sample_id") if view._is_patches else frames_in(run.dataset, view)
        return np.array(found, dtype=str)
    if patches_field is None:
        return np.array(view.values("sample_id"), dtype=str)
    if isinstance(view, fop.PatchesView) and view.patches_field == patches_field:
        return np.array(view.values("id"), dtype=str)
    if not view.has_field(patches_field):
        return np.array([], dtype=str)
    _, root = view._get_label_field_path(patches_field)
    return np.array([i for i in view.values(f"{root}.id", unwind=True) if i is not None], dtype=str)


def rows_of_ids(run: PanelRun, ids: Sequence[str]) -> list[int]:
    """Rows of samples (objects, frames) by id; ids that the run did not rank are passed over."""
    if not ids:
        return []
    if run.config.whole_groups:  # whatever slice they are of
        return np.flatnonzero(_by_group(run, run.results.rows().samples.select(ids)).mask).tolist()
    return np.flatnonzero(np.isin(run.ids, list(ids))).tolist()


def notices(run: PanelRun, ranked: Shown, view: Shown, n_view: int) -> list[str]:
    """What the user should know about the dataset since the run, in sentences.

    Args:
        run: the run
        ranked: the run's rows in the whole dataset
        view: the run's rows in the current view
        n_view: samples in the current view
    """
    found = []
    config, total = run.config, ranked.unranked + int(ranked.mask.sum())
    deleted = run.n - int(ranked.mask.sum())
    if deleted:
        found.append(
            f"{deleted:,} of the {run.n:,} ranked {run.noun} were deleted after the run; the map shows them pale."
        )
    if config.patches_field is not None and not run.are_frames:
        added = 0
    elif is_narrowed(run.results.samples):
        found += [f"This run ranks a view: {run.n:,} of the dataset's {total:,} {run.noun}."] if total > run.n else []
    elif (added := ranked.unranked - (config.n_unranked or 0)) > 0:
        found.append(
            f"Not ranked: {counted(added, run.noun)} that came after the run; the operator '{_REMEDY}' ranks what came."
        )
    if n_view and not view.mask.any():
        found.append(f"None of the {run.noun} in the current view are part of this run.")
    return found


def is_narrowed(collection: SampleCollection) -> bool:
    """Whether a collection is a view with stages, rather than a whole dataset or all frames of one."""
    return isinstance(collection, fo.DatasetView) and any(
        not isinstance(stage, fo.ToFrames) or stage.config for stage in collection._all_stages
    )


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
        if comment == _REGION_OPENED:
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
    base, path, comment = without_region(view), run.region_path(), _REGION
    inside = {"$geoWithin": {"$polygon": [list(corner) for corner in polygon]}}
    if run.are_frames and not run.frames_have_images:
        return _clips_inside(run, base, path.removeprefix(IN_FRAMES), inside)
    patches_field = run.config.patches_field
    if run.are_frames:
        path = path.removeprefix(IN_FRAMES)
        if not base._is_frames or base._is_patches:
            base, comment = _videos(run, base).to_frames(), _REGION_OPENED
        elif not base.has_field(path):  # it is a copy that was made before the run
            base.reload()
    elif patches_field is not None:
        if not (isinstance(base, fop.PatchesView) and base.patches_field == patches_field):
            base, comment = base.to_patches(patches_field), _REGION_OPENED
        path = f"{patches_field}.{path.rsplit('.', 1)[-1]}"
    base = in_own_slice(run.results, base)
    return base.mongo([{"$match": {"$comment": comment, path: inside}}])


def _clips_inside(run: PanelRun, base: DatasetView, path: str, inside: dict[str, Any]) -> DatasetView:
    """Frames that have no images, as clips: by a list of ranks, since clips are made by expressions, not queries."""
    visible = shown_rows(run, base).mask
    name = run.results.rank_field
    ranks = [found.get(name) for found in run.dataset._frame_collection.find({path: inside}, {name: 1})]
    rows = np.flatnonzero(visible & np.isin(run.results.rank[run.order], ranks))
    if not len(rows):
        raise CoresetError("No frame of the current view lies there.")
    clips = _clips(run, _videos(run, base), rows)
    return clips.mongo([{"$match": {"$comment": _REGION_OPENED}}])


def _clips(run: PanelRun, videos: DatasetView, rows: np.ndarray) -> DatasetView:
    """At most :data:`MAX_IDS` rows of frames as clips, the first to keep."""
    ranks = run.results.rank[run.order[np.sort(rows)[:MAX_IDS]]].tolist()
    return videos.to_clips(fo.ViewField(run.results.rank_field).is_in(ranks))


def _videos(run: PanelRun, view: DatasetView) -> DatasetView:
    """A view of videos or clips as it is, the whole dataset instead of one of objects in frames."""
    return run.dataset.view() if view._is_patches else view


def ordered_view(run: PanelRun, ids: Sequence[str]) -> DatasetView:
    """The given rows, in order; at most :data:`MAX_IDS` of them. Frames without images are clips, in no order."""
    ids = list(ids[:MAX_IDS])
    if run.are_frames:
        videos = run.dataset.select({frame.video for frame in frames_by_id(run.dataset, ids).values()})
        if run.frames_have_images:
            return videos.to_frames().select(ids, ordered=True)
        return _clips(run, videos, np.array(rows_of_ids(run, ids)))
    if run.config.whole_groups:
        group_of = dict(zip(*run.results.rows().samples.select(ids).values(["id", group_path(run)]), strict=True))
        return run.dataset.select_groups([group_of[row_id] for row_id in ids if row_id in group_of], ordered=True)
    if run.config.patches_field is None:
        return run.dataset.select(ids, ordered=True)
    return run.dataset.to_patches(run.config.patches_field).select(ids, ordered=True)


def group_path(run: PanelRun) -> str:
    """Where the id of its group is in a sample of a grouped dataset."""
    return f"{run.dataset.group_field}.id"


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
