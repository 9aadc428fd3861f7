"""A round that begins: its record, and the campaign with it."""

from __future__ import annotations

import datetime
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.embeddings import EmbeddingSource
from ..dataset.rows import Rows
from ..diagnostics.tables import number
from ..requirements import package_version
from .agreement import cohen_kappa
from .campaign import RoundsConfig, RoundsResults
from .choice import Choice
from .history import COLUMNS, LIGHT_HEAD, Round
from .model import RoundModel
from .prices import Prices
from .row_values import placed, places, predicted_classes
from .select import Chosen
from .standing import Standing

if TYPE_CHECKING:
    from ..selection.method import Selection


def round_entry(
    choice: Choice,
    method: str,
    record: dict[str, Any],
    chosen: Chosen,
    budget: float,
    prices: Prices | None,
    source: EmbeddingSource,
    before: RoundsResults | None,
    blind: float,
) -> Round:
    """The record of the round."""
    from ..embeddings.record import embedding_record

    standing, model, batch = choice.standing, choice.model, chosen.rows
    pool = ~standing.has_label & choice.found.valid
    models = {name: embedding_record(standing.rows.samples, name) for name in source.recorded or []}
    return Round(
        number=(before.last.number if before and before.last else 0) + 1,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        method=method,
        method_kwargs=record,
        seed=choice.seed,
        embeddings=source.recorded,
        models={name: found for name, found in models.items() if found},
        predictions=model.source,
        prediction_facts=model.facts,
        classes=[] if model.predictions is None else list(model.predictions.classes),
        size=len(batch),
        budget=budget,
        n_labels=int(standing.labelled.sum()),
        n_candidates=int(choice.candidates.sum()),
        n_random=chosen.n_random,
        n_blind=chosen.n_blind,
        blind=None if model.boxes is None else blind,
        cost=None if prices is None else prices.source,
        spent=None if prices is None else prices.spent(batch),
        why=_why(choice, method, chosen, budget, prices, source),
        mean_confidence=model.mean_confidence(pool),
        entropy=model.entropy(pool),
        kappa=None if before is None else _kappa(before, standing, model),
    )


def _why(
    choice: Choice,
    method: str,
    chosen: Chosen,
    budget: float,
    prices: Prices | None,
    source: EmbeddingSource,
) -> str:
    """One paragraph on a batch."""
    standing, model, batch = choice.standing, choice.model, chosen.rows
    noun, classes = standing.rows.noun, standing.labels_per_class
    n_labels, what = int(standing.labelled.sum()), "labels" if standing.boxes is None else "images with boxes"
    kinds = "" if standing.numbers is not None else f" in {len(classes):,} classes"
    vectors = " + ".join(source.recorded) if source.recorded else "the vectors given"
    sentences = [
        f"{len(batch):,} of {choice.candidates.sum():,} {noun} were chosen by {method} on {vectors}",
        f"{n_labels:,} {what}{kinds} were there before" if n_labels else "there was no label before",
    ]
    if chosen.n_random:
        sentences.append(f"the first {chosen.n_random:,} of the batch were drawn at random")
    if chosen.n_blind:
        sentences.append(f"the last {chosen.n_blind:,} are of those in which '{model.source}' finds nothing")
    if model.source is not None:
        whose = "the light head" if model.source == LIGHT_HEAD else f"'{model.source}'"
        sentences.append(f"predictions are those of {whose}")
    if model.boxes is not None and model.boxes.embeddings is not None:
        sentences.append(
            f"of the most uncertain they are those whose boxes stand for the others' by '{model.boxes.embeddings}'"
        )
    if prices is not None:
        sentences.append(f"they cost {number(prices.spent(batch))} of {number(budget)} by '{prices.source}'")
        if prices.too_dear.any():
            sentences.append(f"{prices.too_dear.sum():,} cost more than the whole budget")
    elif len(batch) < budget:
        sentences.append(f"{budget:,} were asked for, but no more are left")
    if chosen.selection.details.get("equally_uncertain"):
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
    earlier = predicted_classes(before)
    if earlier is None:
        return None
    then = placed(earlier, places(before.ids, standing.ids), None)
    both = [
        (old, new)
        for old, new, has_label in zip(then, model.labels(), standing.has_label, strict=True)
        if old is not None and new is not None and not has_label
    ]
    if not both:
        return None
    old, new = (np.array(column) for column in zip(*both, strict=True))
    return cohen_kappa(old, new)


def _uncertainty(choice: Choice, selection: Selection) -> np.ndarray:
    """(n,) how uncertain the model is of every row, by the measure that the batch was chosen by."""
    from ..selection.pool import row_uncertainty

    predictions, measure = choice.model.predictions, selection.details.get("measure")
    assert predictions is not None
    return row_uncertainty(
        predictions, measure, choice.model.head, lambda: choice.found.matrix, choice.seed, choice.neighbors
    )


def begun(rows: Rows, key: str, label_field: str, before: RoundsResults | None) -> RoundsResults:
    """The campaign to continue: a copy of it as it was, or an empty one."""
    if before is not None:
        results = before.successor(samples=rows.samples)
        results.config.package_version, results.config.label_field = package_version(), label_field
        return results
    config = RoundsConfig(
        label_field=label_field,
        patches_field=rows.patches_field,
        run_id=uuid.uuid4().hex,
        package_version=package_version(),
        state="writing",
    )
    config.fields = {column: rows.path(f"{key}_{column}") for column in COLUMNS}
    return RoundsResults(rows.samples, config, key, backend=config.build())


def with_round(results: RoundsResults, choice: Choice, entry: Round, chosen: Chosen) -> RoundsResults:
    """The campaign with one round more."""
    standing, model, batch = choice.standing, choice.model, chosen.rows
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
        free = choice.candidates
        uncertain[here[free]] = _uncertainty(choice, chosen.selection)[free]
        predicted, confidence = np.full(len(ids), -1), np.full(len(ids), np.nan)
        predicted[here] = model.predictions.predicted
        confidence[here] = model.confidence
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
