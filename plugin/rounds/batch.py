"""``next_batch``: which images to label next."""

from __future__ import annotations

import datetime
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.arguments import resolve_arguments
from ..dataset.embeddings import EmbeddingSource
from ..dataset.lock import database_faults, run_lock
from ..dataset.names import require_free_view
from ..dataset.rows import Rows
from ..dataset.tags import require_tags
from ..errors import CoresetError
from ..progress import ProgressCallback, part_of, reporting
from ..requirements import require
from ..seeds import check_seed
from ..selection.registry import get_method
from .agreement import cohen_kappa
from .campaign import RoundsConfig, RoundsResults
from .choice import Choice, near_test_images
from .history import COLUMNS, PREDICTION, Round, view_name
from .load import list_campaigns, mend, read_campaign
from .model import HEAD, RoundModel, read_model
from .standing import Standing, read_standing
from .write import begin_campaign, differences, save_batch_view, write_round

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from ..selection.method import Selection

logger = logging.getLogger(__name__)

#: The method before two classes are labelled (the image nearest each k-means centre did best), and after.
FIRST_METHOD, METHOD = "kmedoids", "uherding"

#: Share of a batch that may be without label when the next one is asked for.
_OPEN = 0.1


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

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def name(self) -> str:
        """The name of the saved view of the batch."""
        return view_name(self.results.key, self.number)

    @property
    def view(self) -> DatasetView:
        """The batch as a view."""
        return self.results.view(self.number)

    def __str__(self) -> str:
        return self.why


def next_batch(
    samples: SampleCollection,
    budget: int = 100,
    brain_key: str = "rounds",
    label_field: str = "ground_truth",
    embeddings: Any = "clip_embeddings",
    predictions: Any = HEAD,
    *,
    method: str | None = None,
    test: str | None = "test",
    skip: Sequence[str] = ("skip", "off_topic"),
    deduplicate: bool = True,
    exclude_test_copies: bool = False,
    classes: Sequence[str] | None = None,
    form: str | None = None,
    store_predictions: bool = False,
    force: bool = False,
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
        budget (100): images to ask for; fewer if fewer are left
        brain_key ("rounds"): the name of the campaign
        label_field ("ground_truth"): a ``Classification`` or string field; it may not exist yet
        embeddings ("clip_embeddings"): as in :func:`~fiftyone_coreset.compute_coreset`
        predictions ("head"): ``"head"``, a field, a list of fields or an (n, C) array with ``classes=``, see
            :func:`.read_predictions`
        method (None): a selection method; by default ``"kmedoids"`` before two classes are labelled, then
            ``"uherding"``
        test ("test"): the tag of the test images (:func:`reserve_test`), which are never asked for
        skip (("skip", "off_topic")): tags of images that are not asked for
        deduplicate (True): ask for one image of each group of near-duplicates before any second one
        exclude_test_copies (False): do not ask for near-duplicates of test images
        classes (None): names of the classes of the predictions
        form (None): what predictions are, ``"logits"``, ``"probabilities"`` or ``"log-probabilities"``; by default the
            numbers tell
        store_predictions (False): also write what the light head predicts, with logits, to ``<brain_key>_prediction``
        force (False): begin another round while more than a tenth of the last one has no label
        seed (0): the random seed
        num_workers (None): threads; all cores by default
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)
        **method_kwargs: passed to the method

    Returns:
        the :class:`Batch`

    Raises:
        CoresetError: if an argument is unusable, nothing is left to label, the last round is open, or the same campaign
            is being written elsewhere

    Examples:
        >>> batch = fc.next_batch(dataset, budget=5, brain_key="colours")
        >>> len(batch.view)
        5
    """
    require(("numba", "sklearn"))
    rows, seed, budget = Rows(samples), check_seed(seed), _count(budget)
    require_tags(rows)
    source = EmbeddingSource.of(embeddings)
    arguments, record = resolve_arguments(rows, source.recorded, method_kwargs)
    unharmed = "nothing that was there is changed: see that mongod runs, and call again"
    with (
        database_faults(unharmed),
        run_lock(rows.dataset, brain_key) as lock,
        reporting(progress, f"Labelling rounds '{brain_key}'") as report,
    ):
        before = _stored(rows, brain_key, label_field)
        standing = read_standing(rows, label_field, test, skip)
        pending = _pending(before, standing, force)
        _require_free_view(rows, brain_key, before)
        report(0.05, "reading embeddings")
        found = source.load(rows)
        model = read_model(standing, found, predictions, label_field=label_field, classes=classes, form=form, seed=seed)
        near_test = near_test_images(standing, found, seed)
        choice = Choice(standing, found, model, pending, near_test, exclude_test_copies)
        chosen = method or (FIRST_METHOD if model.predictions is None else METHOD)
        selection = _select(
            choice, chosen, budget, arguments, deduplicate, seed, num_workers, part_of(report, 0.2, 0.8)
        )
        batch = selection.indices[~choice.preselected[selection.indices]]
        entry = _entry(choice, chosen, record, batch, budget, source, selection, seed, before)
        report(0.8, "writing fields")
        results = _begun(rows, brain_key, label_field, before)
        results.config.embeddings, results.config.predictions = source.recorded, model.source
        results.config.test, results.config.skip = test, list(skip)
        results.config.class_names = list(standing.labels_per_class)
        after = _with_round(results, rows, choice, entry, batch)
        documents = None
        if store_predictions and model.head is not None:
            documents = model.documents(standing.ids)
            after.config.fields[PREDICTION] = after.backend.path(rows.samples, brain_key, PREDICTION)
            after.config.columns = [*COLUMNS, PREDICTION]
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
    )


def _require_free_view(rows: Rows, brain_key: str, before: RoundsResults | None) -> None:
    """Refuses to begin a round whose saved view has a name that something else has.

    Raises:
        CoresetError: if it has
    """
    name = view_name(brain_key, (before.last.number if before and before.last else 0) + 1)
    ours = before.backend.views(rows.dataset, brain_key) if before else []
    require_free_view(rows.dataset, name, overwrite=name in ours)


def _count(budget: Any) -> int:
    if isinstance(budget, bool) or not isinstance(budget, Integral) or int(budget) < 1:
        raise CoresetError(f"budget must be a whole number of images from 1, got {budget!r}")
    return int(budget)


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


def _pending(before: RoundsResults | None, standing: Standing, force: bool) -> np.ndarray:
    """(n,) bool, rows of open rounds without label; refuses if the last round has too many of them."""
    pending = np.zeros(len(standing), dtype=bool)
    if before is None:
        return pending
    number_of = dict(zip(before.ids.tolist(), before.round.tolist(), strict=True))
    numbers = np.array([number_of.get(row_id, -1) for row_id in standing.ids.tolist()], dtype=np.int64)
    waiting = ~standing.labelled & ~standing.skipped
    for entry in before.history:
        if entry.is_open:
            mine = (numbers == entry.number) & waiting
            if entry is before.last and mine.sum() > _OPEN * entry.size and not force:
                raise CoresetError(
                    f"round {entry.number} of '{before.key}' is open: {mine.sum():,} of its {entry.size:,} "
                    f"{standing.rows.noun} have no label in '{before.config.label_field}'; label them, record_round(), "
                    "or pass force=True"
                )
            pending |= mine
    return pending


def _select(
    choice: Choice,
    name: str,
    budget: int,
    arguments: dict[str, Any],
    deduplicate: bool,
    seed: int,
    num_workers: int | None,
    progress: ProgressCallback,
) -> Selection:
    from ..runs.near_duplicates import find_near_copies

    method, candidates = get_method(name), choice.candidates
    if method.needs_model and choice.model.predictions is None:
        raise CoresetError(f"method '{name}' needs predictions: {choice.model.notes[0]}")
    if not candidates.any():
        left = "; ".join(choice.left_out()) or "all have a label"
        raise CoresetError(f"nothing is left to label of {len(candidates):,} {choice.standing.rows.noun}: {left}")
    copies = None
    if deduplicate:
        copies = find_near_copies(choice.standing.rows, choice.found, seed=seed, num_workers=num_workers)
    return method.select(
        choice.found.matrix,
        int(choice.preselected.sum()) + min(budget, int(candidates.sum())),
        labels=choice.standing.known(choice.found.valid) if method.needs_labels else None,
        predictions=choice.model.predictions,
        head=choice.model.head,
        preselected=choice.preselected,
        excluded=~candidates & ~choice.preselected,
        deduplicate=deduplicate,
        near_copies=copies,
        seed=seed,
        num_workers=num_workers,
        progress=progress,
        **arguments,
    )


def _entry(
    choice: Choice,
    method: str,
    record: dict[str, Any],
    batch: np.ndarray,
    budget: int,
    source: EmbeddingSource,
    selection: Selection,
    seed: int,
    before: RoundsResults | None,
) -> Round:
    """The record of the round."""
    from ..embeddings.record import embedding_record

    number = (before.last.number if before and before.last else 0) + 1
    standing, model = choice.standing, choice.model
    pool = ~standing.has_label & choice.found.valid
    models = {name: embedding_record(standing.rows.samples, name) for name in source.recorded or []}
    return Round(
        number=number,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        method=method,
        method_kwargs=record,
        seed=seed,
        embeddings=source.recorded,
        models={name: found for name, found in models.items() if found},
        predictions=model.source,
        prediction_facts=model.facts,
        classes=[] if model.predictions is None else list(model.predictions.classes),
        size=len(batch),
        budget=budget,
        n_labels=int(standing.labelled.sum()),
        n_candidates=int(choice.candidates.sum()),
        why=_why(choice, method, batch, budget, source, selection),
        mean_confidence=model.mean_confidence(pool),
        entropy=model.entropy(pool),
        kappa=None if before is None else _kappa(before, standing, model),
    )


def _why(
    choice: Choice, method: str, batch: np.ndarray, budget: int, source: EmbeddingSource, selection: Selection
) -> str:
    """One paragraph on a batch."""
    standing, model = choice.standing, choice.model
    noun, classes = standing.rows.noun, standing.labels_per_class
    n_labels = sum(classes.values())
    vectors = " + ".join(source.recorded) if source.recorded else "the vectors given"
    sentences = [
        f"{len(batch):,} of {choice.candidates.sum():,} {noun} were chosen by {method} on {vectors}",
        f"{n_labels:,} labels in {len(classes):,} classes were there before"
        if n_labels
        else "there was no label before",
    ]
    if model.source is not None:
        whose = "the light head" if model.head is not None else f"'{model.source}'"
        sentences.append(f"predictions are those of {whose}")
    if len(batch) < budget:
        sentences.append(f"{budget:,} were asked for, but no more are left")
    if selection.details.get("equally_uncertain"):
        sentences.append("the model is equally uncertain of all of them, so the order follows coverage alone")
    left_out = choice.left_out()
    if left_out:
        sentences.append(f"not asked for: {', '.join(left_out)}")
    if not standing.test.any():
        sentences.append("there are no test images, so accuracy can only be estimated; reserve_test() sets some aside")
    sentences += [*standing.notes, *model.notes]
    return ". ".join(sentence[0].upper() + sentence[1:] for sentence in sentences) + "."


def _kappa(before: RoundsResults, standing: Standing, model: RoundModel) -> float | None:
    """Agreement with the last round that had predictions, on rows without label that both know."""
    if model.predictions is None:
        return None
    earlier = next((entry for entry in reversed(before.history) if f"predicted_{entry.number}" in before.arrays), None)
    if earlier is None:
        return None
    numbers = before.arrays[f"predicted_{earlier.number}"]
    names = np.array([*earlier.classes, None], dtype=object)
    then = dict(zip(before.ids[: len(numbers)].tolist(), names[numbers], strict=True))
    pairs = [
        (then.get(row_id), now)
        for row_id, now, has_label in zip(standing.ids.tolist(), model.labels(), standing.has_label, strict=True)
        if not has_label
    ]
    both = [(old, new) for old, new in pairs if old is not None and new is not None]
    if not both:
        return None
    old, new = (np.array(column) for column in zip(*both, strict=True))
    return cohen_kappa(old, new)


def _begun(rows: Rows, key: str, label_field: str, before: RoundsResults | None) -> RoundsResults:
    """The campaign to continue: a copy of it as it was, or an empty one."""
    from ... import __version__

    if before is not None:
        results = before.successor(samples=rows.samples)
        results.config.package_version, results.config.label_field = __version__, label_field
        return results
    config = RoundsConfig(
        label_field=label_field,
        patches_field=rows.patches_field,
        run_id=uuid.uuid4().hex,
        package_version=__version__,
        state="writing",
    )
    config.fields = {column: rows.path(f"{key}_{column}") for column in COLUMNS}
    return RoundsResults(rows.samples, config, key, backend=config.build())


def _with_round(results: RoundsResults, rows: Rows, choice: Choice, entry: Round, batch: np.ndarray) -> RoundsResults:
    """The campaign with one round more."""
    standing, model = choice.standing, choice.model
    known = set(results.ids.tolist())
    fresh = np.array([row_id not in known for row_id in standing.ids.tolist()], dtype=bool)
    ids = np.concatenate([results.ids, standing.ids[fresh]]).astype("U24")
    place = {row_id: at for at, row_id in enumerate(ids.tolist())}
    here = np.array([place[row_id] for row_id in standing.ids.tolist()], dtype=np.int64)
    more = len(ids) - len(results.ids)
    round_, order = np.append(results.round, np.full(more, -1)), np.append(results.order, np.full(more, -1))
    outcome, labels = np.append(results.outcome, np.full(more, -1)), [*results.labels, *[None] * more]
    if not results.history:
        round_[here[standing.labelled]] = 0
        labels = list(standing.labels)
    round_[here[batch]], order[here[batch]] = entry.number, np.arange(len(batch))
    uncertain, arrays = np.full(len(ids), np.nan), dict(results.arrays)
    if model.predictions is not None:
        from ..selection.predictions import uncertainty

        free = choice.candidates
        values = uncertainty(model.predictions, model.predictions.default_measure)
        uncertain[here[free]] = values[free]
        predicted, confidence = np.full(len(ids), -1), np.full(len(ids), np.nan)
        predicted[here] = model.predictions.predicted
        confidence[here] = model.shown.confidence if model.shown is not None else np.nan
        arrays[f"predicted_{entry.number}"] = predicted.astype(np.int32)
        arrays[f"confidence_{entry.number}"] = confidence.astype(np.float16)
    return results.successor(
        history=[*results.history, entry],
        ids=ids,
        labels=labels,
        arrays=arrays,
        round=round_.astype(np.int16),
        order=order.astype(np.int32),
        outcome=outcome.astype(np.int8),
        uncertainty=uncertain.astype(np.float32),
    )
