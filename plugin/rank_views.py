"""The condition "rank < k": views of a ranking's first rows, found and changed by the rank field they are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .dataset.rows import FRAMES, IN_FRAMES
from .dataset.shown import have_images
from .errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset
    from fiftyone.core.view import DatasetView

#: From the description of a saved view and its budget, if they are known, to a new description.
Describe = Callable[[str | None, int | None], str | None]


def ranked(rank_field: str, below: int | None = None, further: Sequence[tuple[int, int]] = ()) -> Any:
    """An expression for rows that are ranked, and ranked before ``below`` or in one of the further ranges.

    The lower bound is not decoration: in MongoDB's order a missing rank is less than any number.

    Args:
        rank_field: the rank field, of the samples, or of an object within its label field
        below (None): an exclusive upper bound of the rank
        further (()): ranges of ranks, each with an exclusive upper bound

    Returns:
        a view expression
    """
    from fiftyone import ViewField as F

    is_ranked = F(rank_field) >= 0
    found = is_ranked if below is None else is_ranked & (F(rank_field) < below)
    for first, end in further:
        found |= (F(rank_field) >= first) & (F(rank_field) < end)
    return found


def rank_view(
    dataset: SampleCollection,
    patches_field: str | None,
    rank_path: str,
    k: int | None,
    further: Sequence[tuple[int, int]] = (),
    *,
    whole_groups: bool = False,
    as_clips: bool = False,
) -> DatasetView:
    """The first k of a ranking as an unsaved view: small, live, and defined by rank, never by a list of ids.

    Args:
        dataset: the dataset, or one of its views
        patches_field: the label field whose objects are ranked, or None if images are
        rank_path: the dataset path of the rank field
        k: how many to keep, or None for all that are ranked
        further (()): ranges of ranks to keep too, each with an exclusive upper bound
        whole_groups (False): whether ``rank_path`` holds the rank of its group on every sample
        as_clips (False): whether frames are to be shown as clips in any case

    Returns:
        a view of images, or of objects if objects are ranked, or of frames: as clips if frames have no images

    Raises:
        CoresetError: if the rank field is gone: a view of it would be empty
    """
    root = dataset._root_dataset
    require_rank_field(root, rank_path)
    if patches_field == FRAMES:
        return _frames_view(root, ranked(rank_path.rsplit(".", 1)[-1], k, further), as_clips)
    condition = ranked(rank_path if patches_field is None else rank_path.rsplit(".", 1)[-1], k, further)
    if root.media_type == "group" and not whole_groups:
        root = root.select_group_slices(media_type="image")
    if patches_field is not None:
        return root.filter_labels(patches_field, condition).to_patches(patches_field)
    return root.match(condition)


def frames_in(root: Dataset, view: DatasetView) -> list[str]:
    """The ids of the frames that a view of frames or clips shows."""
    if not view._is_clips:
        return view.values("id")
    videos = zip(*root.values(["id", f"{IN_FRAMES}frame_number", f"{IN_FRAMES}id"]), strict=True)
    numbered = {video: dict(zip(numbers, ids, strict=True)) for video, numbers, ids in videos}
    return [
        numbered[video][number]
        for video, (first, last) in zip(*view.values(["sample_id", "support"]), strict=True)
        for number in range(first, last + 1)
        if number in numbered[video]
    ]


def _frames_view(root: Dataset, condition: Any, as_clips: bool) -> DatasetView:
    """The frames that fulfil a condition; FiftyOne shows single frames only if their images are there."""
    if as_clips or not have_images(root.match_frames(condition)):
        return root.to_clips(condition)
    return root.to_frames().match(condition)


def require_rank_field(dataset: Dataset, rank_path: str) -> None:
    """Refuses to work with a run whose rank field is gone.

    Args:
        dataset: the dataset
        rank_path: the dataset path of the rank field

    Raises:
        CoresetError: if there is no such field
    """
    if not dataset.has_field(rank_path):
        raise CoresetError(
            f"field '{rank_path}' of dataset '{dataset.name}' was renamed or deleted since the run was loaded; "
            "load_run() mends what was renamed with its run, and says so if the run must be computed again"
        )


def views_on_rank(dataset: Dataset, rank_path: str) -> list[str]:
    """Names the saved views that are defined by a rank field."""
    return [view.name for view in dataset._doc.get_saved_views() if _mentions(view.view_stages, rank_path)]


def retarget_views(dataset: Dataset, old_path: str, new_path: str, describe: Describe | None = None) -> None:
    """Points everything that is defined by a rank field at another one, each in one write: saved views, and the views
    of brain runs.

    Both fields must exist, so that a view shows the one ranking or the other at any moment.

    Args:
        dataset: the dataset
        old_path: the path of the rank field now
        new_path: the path to use instead
        describe (None): gives a saved view its new description, from its description and its budget
    """
    for view in dataset._doc.get_saved_views():
        if _mentions(view.view_stages, old_path):
            if describe is not None:
                view.description = describe(view.description, _budget(view.view_stages, old_path))
            view.view_stages = _replaced(view.view_stages, old_path, new_path)
            view.save()
    for run in dataset._doc.get_brain_methods().values():
        if _mentions(run.view_stages, old_path):
            run.view_stages = _replaced(run.view_stages, old_path, new_path)
            run.save()


def _mentions(stages: Sequence[str] | None, rank_path: str) -> bool:
    return any(f'"{form}"' in stage for stage in stages or () for form in _forms(rank_path))


def _replaced(stages: Sequence[str], old_path: str, new_path: str) -> list[str]:
    replaced = [_without_state(stage) for stage in stages]
    for old, new in zip(_forms(old_path), _forms(new_path), strict=True):
        replaced = [stage.replace(f'"{old}"', f'"{new}"') for stage in replaced]
    return replaced


def _without_state(stage: str) -> str:
    """A stage without the copy of frames or clips that FiftyOne has made for it, which has the old ranks."""
    if '"_state"' not in stage:
        return stage
    described = json.loads(stage)
    described["kwargs"] = [[name, None if name == "_state" else value] for name, value in described["kwargs"]]
    return json.dumps(described)


def _budget(stages: Sequence[str], rank_path: str) -> int | None:
    """The k of "rank < k", if the view says it and no other range."""
    bounds = [
        int(bound)
        for stage in stages
        for form in _forms(rank_path)
        for bound in re.findall(rf'"\$lt": \[\s*"{re.escape(form)}",\s*(\d+)', stage)
    ]
    return bounds[0] if len(bounds) == 1 else None


def _forms(rank_path: str) -> tuple[str, str]:
    """How a rank field is written in the stages of views: of images or frames, and of objects in a list of labels."""
    name = rank_path.rsplit(".", 1)[-1]
    own = name if rank_path.startswith(IN_FRAMES) else rank_path
    return f"${own}", f"$$this.{name}"
