"""``record_round``: what came back of a round, and how good the model is now."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.embeddings import Embeddings, EmbeddingSource
from ..dataset.lock import database_faults, run_lock
from ..dataset.owned import existing_ids
from ..dataset.rows import Rows
from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from .agreement import paired_change
from .campaign import RoundsResults
from .coverage import known_radii, labelled_coverage
from .history import OUTCOMES, Round, in_record_order, view_name
from .load import list_campaigns, load_rounds, mend, read_campaign
from .measure import evaluated_metrics, measure_model, typed_metrics
from .model import RoundModel
from .pending import asked_by, require_random_test
from .read_model import HEAD, read_model
from .standing import Standing, read_standing
from .stream import random_accuracy, stream_accuracy
from .tag_labels import write_labels_from_tags
from .texts import TEXTS
from .write import differences, write_round

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

_LABELLED, _SKIPPED, _OFF_TOPIC = range(len(OUTCOMES))


def record_round(
    dataset: SampleCollection,
    brain_key: str = "rounds",
    *,
    number: int | None = None,
    label_field: str | None = None,
    embeddings: Any = None,
    metrics: Mapping[str, Any] | None = None,
    predictions: Any = None,
    eval_key: str | None = None,
    minutes: float | None = None,
    labels_from_tags: Mapping[str, str] | None = None,
    classes: Sequence[str] | Mapping[str, str] | None = None,
    form: str | None = None,
    progress: bool | ProgressCallback | None = None,
) -> Round:
    """Records a round: how many labels came back, and how good the model is with them.

    Without ``metrics``, ``predictions`` or ``eval_key``, the light head is fitted on the labels and judged on the
    labelled test images; without test images there is the mean calibrated confidence on the unlabelled images, an
    estimate. Where there are embeddings, the share of the images that the labels cover is measured too. Calling again
    records the round again, e.g. when your own model has been trained.

    Args:
        dataset: the dataset or one of its views
        brain_key ("rounds"): the name of the campaign
        number (None): which round; by default the open one that labels came back of, else the last that was recorded
        label_field (None): where labels are, if their field was renamed since the last batch
        embeddings (None): the embeddings for the light head; by default those of the last batch, if they are in a field
        metrics (None): numbers that you measured, name -> value in [0, 1] or (value, standard error)
        predictions (None): a field, a list of fields or an (n, C) array of your model's predictions, test images
            included; see :func:`.read_predictions`
        eval_key (None): an evaluation run on the test images
        minutes (None): what labelling the batch took
        labels_from_tags (None): tag -> label: rows without a label that carry one of these tags get that label in the
            label field first. Nothing is removed
        classes (None): names of the classes of the predictions
        form (None): what predictions are, see :func:`next_batch`
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)

    Returns:
        the recorded :class:`Round`

    Raises:
        CoresetError: if there is no such round, it is not clear which one is meant, nothing came back, test images were
            asked for by a round, an argument is unusable, or the same campaign is being written elsewhere

    Examples:
        >>> batch = fc.next_batch(dataset, budget=5, brain_key="colours")
        >>> batch.view.set_values("ground_truth", [fo.Classification(label="red")] * 5)
        >>> fc.record_round(dataset, "colours", minutes=12).n_returned
        5
    """
    root = dataset._root_dataset
    typed, minutes = typed_metrics(metrics), _minutes(minutes)
    unharmed = "nothing that was there is changed: see that mongod runs, and call again"
    with (
        database_faults(unharmed),
        run_lock(root, brain_key) as lock,
        reporting(progress, f"Labelling rounds '{brain_key}'") as report,
    ):
        before = _stored(root, brain_key)
        config = before.config
        rows, labels = Rows(before.samples, config.patches_field), label_field or config.label_field
        _require_field(rows, before, labels, labels_from_tags)
        if labels_from_tags is not None:
            write_labels_from_tags(rows, labels, labels_from_tags)
        standing = read_standing(rows, labels, config.test, config.skip)
        require_random_test(before, standing, asked_by(before, standing), config.test)
        outcome = _outcomes(before, standing)
        mine = _meant(before, outcome, number)
        report(0.2, "judging the model")
        model = RoundModel()
        vectors = config.embeddings if embeddings is None else embeddings
        by_vectors = predictions is None or (isinstance(predictions, str) and predictions == TEXTS)
        found = _embeddings(rows, vectors, required=by_vectors and not (typed or eval_key))
        if predictions is not None or not (typed or eval_key):
            source = HEAD if predictions is None else predictions
            model = read_model(
                standing,
                found,
                source,
                embeddings=vectors,
                label_field=labels,
                classes=classes,
                form=form,
                seed=mine.seed,
            )
        measured, correct = measure_model(standing, model, found)
        measured |= stream_accuracy(before, mine, standing)
        if model.head is not None:
            by_random, n_random = random_accuracy(before, standing, found, mine.seed)
            measured |= by_random
            mine = dataclasses.replace(mine, n_random_labels=n_random)
        covered = labelled_coverage(standing, found, known_radii(before), mine.seed)
        if covered is not None:
            measured["coverage"] = covered.share
            mine = dataclasses.replace(
                mine, radius=covered.radius, farthest=covered.farthest, near_duplicates=covered.near_duplicates
            )
        evaluated, judged = evaluated_metrics(standing, eval_key)
        measured, correct = measured | evaluated | typed, correct if judged is None else judged
        entry = _recorded(before, mine, standing, outcome, measured, minutes)
        arrays = dict(before.arrays)
        if correct is not None:
            arrays[f"correct_{mine.number}"] = _placed(before, standing, correct)
            entry = dataclasses.replace(entry, change=_change(before, entry, arrays))
        report(0.8, "writing fields")
        after = before.successor(
            history=[entry if old.number == mine.number else old for old in before.history],
            labels=_placed_labels(before, standing),
            outcome=outcome.astype(np.int8),
            arrays=arrays,
        )
        after.config.label_field = labels
        after.config.class_names = list(standing.labels_per_class)
        write_round(after, lock, differences(after, before), before)
    return entry


def round_progress(dataset: Any, brain_key: str) -> dict[int, str]:
    """What came back so far of the rounds that can be recorded, the latest first.

    Args:
        dataset: the dataset
        brain_key: the name of the campaign

    Returns:
        number -> e.g. ``"Round 3: 97 of 100 labelled, 2 skipped, 1 off-topic"``

    Raises:
        CoresetError: if there is no round
    """
    results = load_rounds(dataset, brain_key)
    if results.last is None:
        raise CoresetError(f"'{brain_key}' has no round to record; next_batch() begins one")
    said = {}
    for entry in reversed(_recordable(results)):
        counts, state = count_outcomes(results, entry.number), "" if entry.is_open else ", recorded already"
        said[entry.number] = (
            f"Round {entry.number}: {counts['labelled']:,} of {entry.size:,} labelled, {counts['skipped']:,} skipped, "
            f"{counts['off_topic']:,} off-topic{state}"
        )
    return said


def count_outcomes(results: RoundsResults, number: int) -> dict[str, int]:
    """What came back of a round so far; only its own rows are read.

    Args:
        results: a campaign with a round
        number: the round

    Returns:
        outcome -> rows of the batch
    """
    config = results.config
    standing = read_standing(Rows(results.view(number)), config.label_field, config.test, config.skip)
    mine = _outcomes(results, standing)[results.round == number]
    return {name: int((mine == place).sum()) for place, name in enumerate(OUTCOMES)}


def _stored(dataset: Any, key: str) -> RoundsResults:
    """The campaign, which has a round."""
    dataset._reload(hard=True)
    if key not in list_campaigns(dataset) or read_campaign(dataset, key) is None:
        known = ", ".join(f"'{name}'" for name in list_campaigns(dataset)) or "none"
        raise CoresetError(
            f"'{dataset.name}' has no labelling rounds '{key}' (there are: {known}); next_batch() begins"
        )
    results = mend(dataset, key)
    if results.last is None:
        raise CoresetError(f"'{key}' has no round to record; next_batch() begins one")
    return results


def _recordable(results: RoundsResults) -> list[Round]:
    """The open rounds; without any the one that was recorded last."""
    return results.open_rounds or in_record_order(results.history)[-1:]


def _meant(before: RoundsResults, outcome: np.ndarray, number: int | None) -> Round:
    """The round that is to be recorded.

    Raises:
        CoresetError: if it cannot be, or several could be meant
    """
    known = [*_recordable(before), *in_record_order(before.history)[-1:]]
    if number is not None:
        found = next((entry for entry in known if entry.number == number), None)
        if found is None:
            can = " and ".join(str(n) for n in sorted({entry.number for entry in known}))
            raise CoresetError(f"round {number!r} of '{before.key}' cannot be recorded; it can be: {can}")
        return found
    back = [entry for entry in before.open_rounds if (outcome[before.round == entry.number] >= 0).any()]
    if len(back) > 1:
        several = " and ".join(str(entry.number) for entry in back)
        raise CoresetError(
            f"labels came back of rounds {several} of '{before.key}', which are all open: say with number= which one "
            "is to be recorded"
        )
    return back[0] if back else known[0]


def _require_field(rows: Rows, before: RoundsResults, labels: str, tags: Mapping[str, str] | None) -> None:
    """Refuses to record what cannot have come back: the label field was renamed, deleted, or never written."""
    if tags is None and not rows.has(labels):
        view = view_name(before.key, before.history[-1].number)
        raise CoresetError(
            f"field '{rows.path(labels)}' does not exist on '{rows.dataset.name}': label the {rows.noun} of '{view}' "
            "in it, or say with label_field= where they have labels"
        )


def _minutes(minutes: Any) -> float | None:
    if minutes is None:
        return None
    if isinstance(minutes, bool) or not isinstance(minutes, int | float | np.number) or not 0 <= minutes < np.inf:
        raise CoresetError(f"minutes must be a number from 0, got {minutes!r}")
    return float(minutes)


def _embeddings(rows: Rows, vectors: Any, required: bool) -> Embeddings:
    """The embeddings for the light head and the coverage; none if the head is not asked and they cannot be read."""
    none = Embeddings(np.empty((len(rows), 0), dtype=np.float32), np.ones(len(rows), dtype=bool))
    if not required:
        with contextlib.suppress(CoresetError):
            return none if vectors is None else EmbeddingSource.of(vectors).load(rows)
        return none
    if vectors is None:
        raise CoresetError(
            "the last batch was chosen by vectors that are in no field: give embeddings= again for the light head, or "
            "predictions=, eval_key= or metrics="
        )
    return EmbeddingSource.of(vectors).load(rows)


def _outcomes(before: RoundsResults, standing: Standing) -> np.ndarray:
    """(n,) int, what became of every row that a round asked for."""
    place = {row_id: at for at, row_id in enumerate(standing.ids.tolist())}
    here = np.array([place.get(row_id, -1) for row_id in before.ids.tolist()], dtype=np.int64)
    asked = (before.round > 0) & (here >= 0)
    outcome = np.full(len(before.ids), -1, dtype=np.int64)
    for mask, what in (
        (standing.labelled, _LABELLED),
        (standing.skipped, _SKIPPED),
        (standing.off_topic, _OFF_TOPIC),
    ):
        outcome[asked & np.append(mask, False)[here]] = what
    return outcome


def _recorded(
    before: RoundsResults,
    entry: Round,
    standing: Standing,
    outcome: np.ndarray,
    metrics: dict[str, Any],
    minutes: float | None,
) -> Round:
    mine = outcome[before.round == entry.number]
    alive = existing_ids(standing.rows.dataset, before.config.patches_field)
    asked = before.ids[before.round == entry.number].tolist()
    n_returned = int((mine == _LABELLED).sum())
    if not n_returned and (mine < 0).any():
        raise CoresetError(
            f"none of the {entry.size:,} {standing.rows.noun} of round {entry.number} has a label; label them first, "
            f"or load_rounds(dataset, '{before.key}').cancel({entry.number}) takes the round back"
        )
    now = dict(zip(standing.ids.tolist(), standing.labels, strict=True))
    changed = sum(
        label is not None and row_id in alive and now.get(row_id) != label
        for row_id, label in zip(before.ids.tolist(), before.labels, strict=True)
    )
    return dataclasses.replace(
        entry,
        recorded=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
        n_returned=n_returned,
        n_skipped=int((mine == _SKIPPED).sum()),
        n_off_topic=int((mine == _OFF_TOPIC).sum()),
        n_deleted=sum(row_id not in alive for row_id in asked),
        n_changed=changed,
        n_labels_after=int(standing.labelled.sum()),
        labels_per_class=standing.labels_per_class,
        metrics=metrics,
        minutes=minutes if minutes is not None else entry.minutes,
    )


def _placed(before: RoundsResults, standing: Standing, values: np.ndarray) -> np.ndarray:
    """Values of the rows, in the order of the campaign's ids; -1 for rows that are gone."""
    value_of = dict(zip(standing.ids.tolist(), values.tolist(), strict=True))
    return np.array([value_of.get(row_id, -1) for row_id in before.ids.tolist()], dtype=values.dtype)


def _placed_labels(before: RoundsResults, standing: Standing) -> list[str | None]:
    label_of = dict(zip(standing.ids.tolist(), standing.labels, strict=True))
    return [label_of.get(row_id) for row_id in before.ids.tolist()]


def _change(before: RoundsResults, entry: Round, arrays: Mapping[str, np.ndarray]) -> tuple[float, float] | None:
    """The change of the accuracy since the last record by the same model, on the same test images."""
    source = entry.metrics["accuracy"].source
    for earlier in reversed([old for old in in_record_order(before.history) if old.number != entry.number]):
        name, metric = f"correct_{earlier.number}", earlier.metrics.get("accuracy")
        if name in arrays and metric is not None and metric.source == source:
            then, now = arrays[name], arrays[f"correct_{entry.number}"][: len(arrays[name])]
            both = (then >= 0) & (now >= 0)
            return paired_change(then[both] == 1, now[both] == 1) if both.any() else None
    return None
