"""``rank_images_by_objects``: from a ranking of objects to one of the images that are to be labelled whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..dataset.lock import database_faults
from ..dataset.names import require_free_field, require_free_view
from ..dataset.rows import FRAMES, Rows, counted
from ..dataset.saved_views import save_view
from ..errors import CoresetError
from ..rank_views import rank_view
from ..selection.budget import budget_words, parse_budget, resolve_budget
from .load import load_run
from .plain_fields import write_field

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from ..results import CoresetResults


def rank_images_by_objects(
    dataset: SampleCollection,
    brain_key: str,
    budget: Any,
    *,
    by: Literal["max", "mean"] = "max",
    budget_in: Literal["images", "objects"] = "images",
    name: str | None = None,
    field: str | None = None,
    overwrite: bool = False,
) -> DatasetView:
    """Ranks images by the objects in them, and saves those that a budget keeps as a view.

    The novelty of an object is the share of the ranked objects that come after it: 1 for the first to keep, 0 for the
    last. An image is worth the novelty of its most novel object, or the mean over its objects. Images without a ranked
    object are not ranked. The ranks are written to a field of the images, 0 = first to label, which is yours from then
    on: it does not change when the run does.

    Args:
        dataset: the dataset or one of its views
        brain_key: the name of a run that ranked objects
        budget: a count, a fraction in (0, 1] or ``"30%"``, of images or of objects, see ``budget_in``
        by ("max"): ``"max"``, so that no rare object is missed, or ``"mean"``, so that few labels go to known things
        budget_in ("images"): what the budget counts: ``"images"``, or the ``"objects"`` that are to be labelled in
            them; then as many of the first images are kept as hold at most so many
        name (None): the name of the view; by default that of the run, "images by objects" and the budget
        field (None): the field of the ranks; by default ``<brain_key>_image_rank``
        overwrite (False): whether to replace a saved view and a field of these names

    Returns:
        the saved view of images

    Raises:
        CoresetError: if the run ranked no objects, an argument is unusable, a name is taken, or the first image holds
            more objects than the budget

    Examples:
        >>> results = fc.compute_coreset(dataset.to_patches("objects"), "emb", "objects", projection=None)
        >>> images = fc.rank_images_by_objects(dataset, "objects", 10, budget_in="objects")
        >>> len(images)
        10
    """
    for value, argument, known in ((by, "by", ("max", "mean")), (budget_in, "budget_in", ("images", "objects"))):
        if value not in known:
            raise CoresetError(f"{argument} must be '{known[0]}' or '{known[1]}', got {value!r}")
    with database_faults("a view is saved last: see that mongod runs, and call again with overwrite=True"):
        results = load_run(dataset, brain_key)
        if results.config.patches_field in (None, FRAMES):
            raise CoresetError(f"run '{brain_key}' ranked {results.noun}; rank objects, of a to_patches() view, first")
        root = dataset._root_dataset
        images = Rows(root if root.media_type != "group" else root.select_group_slices(_allow_mixed=True))
        field = field or f"{brain_key}_image_rank"
        name = name or f"{brain_key} images by objects {budget_words(budget)} {budget_in}"
        require_free_field(images, field, overwrite)
        require_free_view(root, name, overwrite)
        ids, n_objects = _ranked_images(results, images, by)
        k = _budget(budget, n_objects, budget_in)
        _write(images, field, ids)
        objects = counted(int(n_objects[:k].sum()), "objects")
        described = (
            f"{k:,} of {len(ids):,} images with {objects}, by the {by} novelty of their objects in run '{brain_key}'"
        )
        return save_view(root, name, rank_view(root, None, field, k), described, overwrite)


def _ranked_images(results: CoresetResults, images: Rows, by: str) -> tuple[list[str], np.ndarray]:
    """The ids of images, first to label first, and how many ranked objects each holds."""
    rows = results.rows()
    alive = results.alive()
    order = results.ranking[alive[results.ranking]]
    novelty = dict(zip(results.ids[order].tolist(), np.linspace(1, 0, len(order)).tolist(), strict=True))
    of_image = dict(zip(*images.samples.values(["id", rows.path("id")]), strict=True))
    scores = {}
    for image, objects in of_image.items():
        found = [novelty[one] for one in objects or () if one in novelty]
        if found:
            scores[image] = (max(found) if by == "max" else sum(found) / len(found), max(found), len(found))
    if not scores:
        raise CoresetError(f"all {len(results):,} objects that run '{results.key}' ranked were deleted")
    ids = sorted(scores, key=lambda image: (*(-number for number in scores[image][:2]), image))
    return ids, np.array([scores[image][2] for image in ids])


def _budget(budget: Any, n_objects: np.ndarray, budget_in: str) -> int:
    """How many of the first images a budget keeps."""
    parsed = parse_budget(budget)
    if not isinstance(parsed, int | float):
        raise CoresetError(f"budget must be a count, a fraction or a percentage of {budget_in} here, got {budget!r}")
    if budget_in == "images":
        return resolve_budget(parsed, len(n_objects))
    if isinstance(parsed, int) and parsed > n_objects.sum():
        raise CoresetError(f"budget {parsed:,} exceeds the {n_objects.sum():,} ranked objects; give at most so many")
    limit = resolve_budget(parsed, int(n_objects.sum()), "objects")
    k = int(np.searchsorted(n_objects.cumsum(), limit, side="right"))
    if k == 0:
        raise CoresetError(
            f"the first image holds {counted(int(n_objects[0]), 'objects')}, but the budget is {limit:,}; raise it"
        )
    return k


def _write(images: Rows, field: str, ids: list[str]) -> None:
    import fiftyone.core.fields as fof

    former = dict.fromkeys(images.samples.exists(field).values("id")) if images.has(field) else {}
    write_field(images, field, fof.IntField, former | {image: rank for rank, image in enumerate(ids)})
