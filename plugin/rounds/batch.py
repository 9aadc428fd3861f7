"""``next_batch``: which images to label next."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.arguments import resolve_arguments
from ..dataset.embeddings import EmbeddingSource
from ..dataset.lock import database_faults, run_lock
from ..dataset.names import require_free_view
from ..dataset.rows import Rows
from ..dataset.shown import view_of
from ..dataset.tags import require_tags
from ..errors import CoresetError
from ..progress import ProgressCallback, part_of, reporting
from ..requirements import require
from ..seeds import check_seed
from .anchors import ANCHORS, anchor_pool
from .begin import begun, round_entry, with_round
from .campaign import RoundsResults
from .checks import (
    check_names,
    checked_amount,
    checked_cost,
    checked_count,
    checked_share,
    expects_boxes,
    share_of_batch,
)
from .choice import Choice
from .history import COLUMNS, PREDICTION, view_name
from .load import list_campaigns, mend, read_campaign
from .model import RoundModel
from .pending import asked_by, pending_rows, require_random_test
from .prices import BOXES, Prices, boxes_to_draw
from .read_model import HEAD, read_model
from .select import select_batch
from .standing import read_standing
from .texts import TEXTS
from .write import begin_campaign, differences, save_batch_view, write_round

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

logger = logging.getLogger(__name__)

#: The method before two classes are labelled (the image nearest each k-means centre did best), and after.
FIRST_METHOD, METHOD = "kmedoids", "uherding"

#: What ranks images for :func:`.box_diversity.medoids` to choose from.
_BOXES_METHOD = "margin"


@dataclass(frozen=True)
class Batch:
    """The images to label next.

    Attributes:
        results: the campaign
        number: the number of the round
        why: one paragraph: what was read, what was chosen, what could not be used
        labelled: labels before it
        unlabelled: images that there were to choose from
        classes: the labelled classes
        ids: (k,) ids of the batch, first to label first
        is_preview: whether it was only looked for: nothing is stored of it

    Examples:
        >>> batch = fc.next_batch(dataset, budget=5, brain_key="colours")
        >>> batch.name
        'colours round 1'
        >>> print(batch.why)
        5 of 15 images were chosen by uherding on clip_embeddings...
    """

    results: RoundsResults
    number: int
    why: str
    labelled: int
    unlabelled: int
    classes: list[str]
    ids: np.ndarray
    is_preview: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def name(self) -> str:
        """The name of the saved view of the batch."""
        return view_name(self.results.key, self.number)

    @property
    def view(self) -> DatasetView:
        """The batch as a view; of a preview, by the ids."""
        if self.is_preview:
            return view_of(self.results.rows(), self.ids.tolist(), ordered=True)
        return self.results.view(self.number)

    def __str__(self) -> str:
        return self.why


def next_batch(
    samples: SampleCollection,
    budget: float = 100,
    brain_key: str = "rounds",
    label_field: str = "ground_truth",
    embeddings: Any = "clip_embeddings",
    predictions: Any = HEAD,
    *,
    method: str | None = None,
    pool: str = "all",
    test: str | None = "test",
    skip: Sequence[str] = ("skip", "off_topic"),
    cost: Any = None,
    random_share: float = 0.0,
    blind: float = 0.1,
    balance: bool = False,
    ask_again: bool = False,
    deduplicate: bool = True,
    exclude_test_copies: bool = False,
    classes: Sequence[str] | Mapping[str, str] | None = None,
    form: str | None = None,
    eval_key: str | None = None,
    box_embeddings: str | None = None,
    store_predictions: bool = False,
    force: bool = False,
    preview: bool = False,
    seed: int = 0,
    num_workers: int | None = None,
    progress: bool | ProgressCallback | None = None,
    **method_kwargs: Any,
) -> Batch:
    """Chooses the images (or objects) to label next, and begins a labelling round.

    Labelled are images with a label that are no test images. Before two classes are labelled the batch is chosen by
    embeddings alone; then by what a model is uncertain of: a light head on the embeddings, or your own model. Writes
    the fields ``<brain_key>_round``, ``_order``, ``_uncertainty`` and, when rounds are recorded, ``_outcome``, a brain
    run of type ``"coreset_rounds"``, and the saved view ``"<brain_key> round <number>"``. Labels are never written.

    Args:
        samples: a dataset, a view, or a ``to_patches()`` view to label objects
        budget (100): images to ask for; fewer if fewer are left. With ``cost``, what their labels may cost
        brain_key ("rounds"): the name of the campaign
        label_field ("ground_truth"): a ``Classification`` or string field; it may not exist yet. A ``Regression`` or
            numeric field: labels are numbers. A ``Detections`` field (experimental): an image is labelled once the
            field holds something, be it an empty list
        embeddings ("clip_embeddings"): as in :func:`~fiftyone_coreset.compute_coreset`
        predictions ("head"): ``"head"``, a field, a list of fields or an (n, C) array with ``classes=``, see
            :func:`.read_predictions`; ``"class texts"`` to begin without labels, see :func:`.text_model`; a
            ``Detections`` field with confidences (experimental), see :func:`.box_uncertainty`
        method (None): a selection method; by default ``"kmedoids"`` before two classes are labelled, then
            ``"uherding"``
        pool ("all"): ``"anchors"`` chooses among some thousand images that are most similar to labelled ones of any
            class, rare ones included, see :func:`.anchor_pool`: for classes below 1 % of a very large pool
        test ("test"): the tag of the test images (:func:`reserve_test`), which are never asked for
        skip (("skip", "off_topic")): tags of images that are not asked for
        cost (None): what the label of each image costs, in minutes or money: a field of positive numbers, or an (n,)
            array in the collection's order. ``"boxes"``: the boxes that a detector's ``predictions`` expect in it, one
            at least. The budget is then in the same unit. ``"uherding"`` and ``"maxherding"`` weigh gain against cost;
            of other methods the ranking is followed as far as the budget pays
        random_share (0.0): share in [0, 1) of the batch that is drawn at random, and comes first in it. It says without
            bias how good the model is on what is left, and what random labels would have given
        blind (0.1): share in [0, 1) of the batch, or of what it may cost, for images in which a detector finds nothing,
            chosen by coverage: it is certain of them, and no batch would ever show what it cannot see
        balance (False): take the next image from the class with the fewest labels and picks, by what the model predicts
            (PCB; Bang et al., CVPR 2024); with a few labels a class predictions are often wrong
        ask_again (False): also ask for images of recorded rounds that have not come back; by default they count as
            being labelled
        deduplicate (True): ask for one image of each group of near-duplicates before any second one
        exclude_test_copies (False): do not ask for near-duplicates of test images
        classes (None): names of the classes of the predictions. For class texts a dict of label -> words where labels
            are no words
        form (None): what predictions are, ``"logits"``, ``"probabilities"`` or ``"log-probabilities"``; by default the
            numbers tell
        eval_key (None): an evaluation of a detector's ``predictions`` on labelled images: boxes of classes that it
            finds badly count more, see :func:`.class_weights`
        box_embeddings (None): the field with embeddings of the boxes in a detector's ``predictions``: four times as
            many images as wanted are ranked by ``method``, ``"margin"`` by default, and the batch is of those whose
            boxes stand for the others' (PPAL), see :func:`.box_distances`
        store_predictions (False): also write what the light head predicts, with logits, to ``<brain_key>_prediction``
        force (False): begin another round while more than a tenth of the last one has no label
        preview (False): only say which images it would be; nothing is written, and no round begins
        seed (0): the random seed
        num_workers (None): threads; all cores by default
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)
        **method_kwargs: passed to the method

    Returns:
        the :class:`Batch`

    Raises:
        CoresetError: if an argument is unusable, nothing is left to label, the last round is open, test images were
            asked for by an earlier one, or the same campaign is being written elsewhere

    Examples:
        >>> batch = fc.next_batch(dataset, budget=5, brain_key="colours")
        >>> len(batch.view)
        5
    """
    require(("numba", "sklearn"))
    rows, seed = Rows(samples), check_seed(seed)
    budget = checked_count(budget) if cost is None else checked_amount(budget)
    random_share, blind = checked_share(random_share, cost, pool), share_of_batch(blind, "blind")
    require_tags(rows)
    check_names(label_field, test, skip)
    source = EmbeddingSource.of(embeddings)
    by_boxes = isinstance(cost, str) and cost == BOXES and expects_boxes(rows, predictions)
    if cost is not None and not by_boxes:
        method_kwargs["cost"] = checked_cost(cost)
    arguments, record = resolve_arguments(rows, source.recorded, method_kwargs)
    unharmed = "nothing that was there is changed: see that mongod runs, and call again"
    with (
        database_faults(unharmed),
        run_lock(rows.dataset, brain_key) as lock,
        reporting(progress, f"Labelling rounds '{brain_key}'") as report,
    ):
        before = _stored(rows, brain_key, label_field)
        standing = read_standing(rows, label_field, test, skip)
        asked = asked_by(before, standing)
        require_random_test(before, standing, asked, test)
        pending = pending_rows(before, standing, asked, force or preview, ask_again)
        if not preview:
            _require_free_view(rows, brain_key, before)
        report(0.05, "reading embeddings")
        found = source.load(rows)
        if size := len(rows) * len(standing.labels_per_class) * 4e-9:
            report(
                0.1,
                f"predicting {len(standing.labels_per_class):,} classes of {len(rows):,} {rows.noun}, {size:.1f} GB",
            )
        model = read_model(
            standing,
            found,
            predictions,
            embeddings=source,
            label_field=label_field,
            classes=classes,
            form=form,
            eval_key=eval_key,
            box_embeddings=box_embeddings,
            seed=seed,
        )
        choice = Choice(standing, found, model, pending, exclude_test_copies, seed)
        if pool == ANCHORS:
            known, k = standing.known(found.valid), int(min(budget, len(rows)))
            choice = replace(choice, near_anchors=anchor_pool(found.matrix, known, choice.candidates, k, seed))
        chosen = method or _recommended(model)
        prices = None
        if cost is not None:
            each, unit = boxes_to_draw(model) if by_boxes else (arguments.pop("cost"), record.pop("cost"))
            prices = Prices.of(each, unit, budget, choice.candidates)
        found_batch = select_batch(
            choice,
            chosen,
            budget,
            prices,
            arguments,
            random_share=random_share,
            blind_share=blind,
            balance=balance,
            deduplicate=deduplicate,
            seed=seed,
            num_workers=num_workers,
            progress=part_of(report, 0.2, 0.8),
        )
        batch = found_batch.rows
        entry = round_entry(choice, chosen, record, found_batch, budget, prices, source, before, blind)
        report(0.8, "writing fields")
        results = begun(rows, brain_key, label_field, before)
        results.config.embeddings, results.config.predictions = source.recorded, model.source
        results.config.test, results.config.skip = test, list(skip)
        results.config.class_names = list(standing.labels_per_class)
        after = with_round(results, choice, entry, found_batch)
        documents = None
        if store_predictions and model.head is not None:
            documents = model.documents(standing.ids, found.matrix)
            after.config.fields[PREDICTION] = after.backend.path(rows.samples, brain_key, PREDICTION)
            after.config.columns = [*COLUMNS, PREDICTION]
        if not preview:
            if before is None:
                begin_campaign(after)
            write_round(after, lock, differences(after, before), before, documents)
            save_batch_view(after, entry.number, entry.why)
    return Batch(
        after,
        entry.number,
        entry.why,
        entry.n_labels,
        entry.n_candidates,
        list(standing.labels_per_class),
        standing.ids[batch],
        preview,
    )


def preview_next(results: RoundsResults) -> Batch:
    """Where the next batch would fall: of the last one's size, or for as much, by the same fields and the recommended
    method. Costs that were no field are not known any more; the size is the last one's then.

    Args:
        results: a campaign with a round

    Returns:
        the :class:`Batch`; nothing is written

    Raises:
        CoresetError: if the campaign has no round, or its embeddings are in no field
    """
    last, config = results.last, results.config
    if last is None:
        raise CoresetError(f"'{results.key}' has no round; next_batch() begins one")
    if config.embeddings is None:
        raise CoresetError(f"'{results.key}' was given vectors, in no field; give them to next_batch(preview=True)")
    rows = Rows(results.samples, config.patches_field)
    own = config.predictions.split(", ") if config.predictions else []
    cost = last.cost if last.cost is not None and rows.has(last.cost) else None
    is_known = config.predictions == TEXTS or (bool(own) and all(map(rows.has, own)))
    return next_batch(
        results.samples,
        last.size if cost is None else last.budget,
        results.key,
        config.label_field,
        config.embeddings,
        (own if len(own) > 1 else own[0]) if is_known else HEAD,
        classes=last.classes if config.predictions == TEXTS else None,
        test=config.test,
        skip=config.skip,
        cost=cost,
        random_share=last.n_random / last.size,
        blind=last.blind or 0.0,
        preview=True,
        seed=last.seed,
        progress=False,
    )


def _recommended(model: RoundModel) -> str:
    """The method by default."""
    if model.predictions is None:
        return FIRST_METHOD
    if model.boxes is not None and model.boxes.embeddings is not None:
        return _BOXES_METHOD
    return METHOD


def _require_free_view(rows: Rows, brain_key: str, before: RoundsResults | None) -> None:
    """Refuses to begin a round whose saved view has a name that something else has.

    Raises:
        CoresetError: if it has
    """
    name = view_name(brain_key, (before.last.number if before and before.last else 0) + 1)
    ours = before.backend.views(rows.dataset, brain_key) if before else []
    require_free_view(rows.dataset, name, overwrite=name in ours)


def _stored(rows: Rows, key: str, label_field: str) -> RoundsResults | None:
    """The campaign so far; None before its first round."""
    dataset = rows.dataset
    if not isinstance(key, str) or not key.isidentifier() or key.startswith("_"):
        raise CoresetError(f"brain_key {key!r} must be a valid variable name that begins with a letter, e.g. 'rounds'")
    dataset._reload(hard=True)
    if key in dataset.list_brain_runs() and key not in list_campaigns(dataset):
        raise CoresetError(f"brain key '{key}' belongs to a run of another type; choose another one")
    if key not in list_campaigns(dataset) or read_campaign(dataset, key) is None:
        return None
    results = mend(dataset, key)
    config = results.config
    moved = not rows.has(config.label_field) and rows.has(label_field)  # renamed since
    for what, stored, given in (
        ("labels in", label_field if moved else config.label_field, label_field),
        ("objects of", config.patches_field, rows.patches_field),
    ):
        if stored != given:
            raise CoresetError(f"'{key}' has {what} '{stored}', not '{given}'; choose another brain_key")
    return results
