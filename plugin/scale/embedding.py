"""``embed``: vectors of all rows, one part a unit."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dataset.rows import counted
from ..embeddings.decode import MAX_PIXELS
from ..embeddings.report import Outcome
from ..errors import CoresetError
from ..progress import ProgressCallback, reporting, silence
from .engines import Engine, as_engine
from .engines.base import Failure
from .image_units import ImageUnits
from .lock import one_writer
from .model import Size, embed_need
from .parts import Stage
from .places import Place
from .run import EMBEDDINGS, ScaleRun
from .share import Share, units_of
from .state import StageState, stage_state, stale
from .store import StorePath
from .vector_units import SyntheticUnits, UnitsWithoutModel, VectorUnits

if TYPE_CHECKING:
    import torch

    from ..embeddings.record import ClipSpec

logger = logging.getLogger(__name__)

#: Units without a single vector after which a run gives up: it is the access that is wrong, not the images.
_HOPELESS_UNITS = 10
_DEFAULT_MODEL = "ViT-B-32"
_UNREADABLE = Outcome.UNREADABLE.value


def embed(
    out: str | Path | StorePath,
    *,
    model: str | None = None,
    pretrained: str | None = None,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
    batch_size: int | None = None,
    num_workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    units: str | None = None,
    engine: str | Mapping[str, Any] | Engine = "local",
    price: float | None = None,
    progress: bool | ProgressCallback | None = False,
) -> StageState:
    """Embeds the images of a run, unit by unit; units that are there are not made again.

    The vectors are those of :func:`~fiftyone_coreset.compute_embeddings`, bit for bit on the same device for the same
    batches and threads, else but for the last digit. An image that cannot be embedded costs only itself: its row says
    why. Images that the system refused to read are tried again by the next call. A run of a table of vectors copies
    these, without a model.

    Args:
        out: the folder of the run
        model (None): a model, see :func:`~fiftyone_coreset.compute_embeddings`; ``"ViT-B-32"`` by default
        pretrained (None): tag of the weights
        checkpoint (None): a local weights file instead of a tag
        device (None): a torch device; by default CUDA, else MPS, else the CPU
        batch_size (None): images in a batch; by default chosen from the device and the model's input size
        num_workers (None): processes that decode images; by default chosen from the machine
        max_pixels (100,000,000): images with more pixels than this are not decoded
        units (None): a share of the units, ``"I/N"`` with I from 1 to N, for one of N processes or machines
        engine ("local"): where they are worked on: ``"local"``, in this process, ``"ray"``, or a :class:`RayEngine`
        price (None): of a machine for an hour, to say what the step will cost
        progress (False): True for a terminal bar, or a function ``(fraction, message)``

    Returns:
        which parts are there, and how many rows have which outcome

    Raises:
        CoresetError: if another process works on the same units, the run was begun with another model, a part belongs
            to another run, the source changed, not one of the first 10 units has a vector, or the engine has no room

    Examples:
        A folder of photographs::

            fc.scale.plan("photos", "run")
            print(fc.scale.embed("run", model="coreset-mini"))
    """
    run, share = ScaleRun(out), Share.parse(units)
    column = run.record["vector_column"]
    asked = {"model": model, "pretrained": pretrained, "checkpoint": checkpoint}
    given = [name for name, value in asked.items() if value is not None]
    there = column is not None or run.synthetic is not None
    if there and given:
        raise CoresetError(f"{run.folder} is a run of vectors that are there, so leave {given[0]} out")
    folder = run.folder / EMBEDDINGS
    with one_writer(folder, share), reporting(progress, "Embedding") as report:
        spec = None
        if there:
            identity: dict[str, Any] = {"vector_column": column}
        else:
            from ..embeddings.zoo import resolve_model

            spec = resolve_model(model or _DEFAULT_MODEL, pretrained, checkpoint)
            identity = dataclasses.asdict(spec) | {"max_pixels": max_pixels}
            identity.pop("checkpoint")  # the digest says which weights they are, wherever the file lies
        stage = Stage.begin(folder, {"stage": EMBEDDINGS, "input": run.digest, **identity})
        if share is None:
            stage.sweep()
        numbers = range(run.n_units)
        found = {
            unit: facts for unit, facts in zip(numbers, stage.all_facts(numbers), strict=True) if facts is not None
        }
        # Rows that could not be read may be readable by now.
        done = {unit: facts["outcomes"] for unit, facts in found.items() if _UNREADABLE not in facts["outcomes"]}
        todo = [unit for unit in units_of(share, run.n_units) if unit not in done]
        if todo:
            name = model or _DEFAULT_MODEL
            work = EmbedWork(run.folder, stage, spec, name, device, batch_size, num_workers, max_pixels)
            dimension = next((int(facts["dimension"]) for facts in found.values()), None)
            done |= _work(run, todo, dimension, work, as_engine(engine), price, report)
    state = stage_state(stage, numbers, done)
    if len(run.ends) > 1 and not state.missing:
        return dataclasses.replace(state, stale=stale(ScaleRun(out)))
    return state


@dataclass(frozen=True)
class Probe:
    """A task: measure on the first images of a unit."""

    unit: int


@dataclass(frozen=True)
class Make:
    """A task: make the part of a unit.

    Attributes:
        unit: its number
        dimension: length of the vectors of the run, or None while it is not known
    """

    unit: int
    dimension: int | None


@dataclass(frozen=True)
class Made:
    """What came of a unit; its part is there unless no length is known.

    Attributes:
        dimension: length of the vectors of the run, or None while it is not known
        outcomes: rows by outcome
        failure: which row failed first, and why, where none has a vector
    """

    dimension: int | None
    outcomes: dict[str, int]
    failure: str | None


@dataclass(frozen=True)
class EmbedWork:
    """Makes parts of vectors.

    Attributes:
        folder: of the run
        stage: where the parts go
        spec: the model, or None where the vectors are copied from a table
        name: of the model
        device: for the model, or None for the best there is
        batch_size: images in a batch, or None
        num_workers: processes that decode, or None
        max_pixels: larger images are not decoded
    """

    folder: Place
    stage: Stage
    spec: ClipSpec | None
    name: str
    device: Any
    batch_size: int | None
    num_workers: int | None
    max_pixels: int

    @contextmanager
    def begin(self, cores: int | None) -> Iterator[Callable[[Probe | Make, ProgressCallback], Any]]:
        """Loads the model; see :class:`.engines.base.Work`."""
        run = ScaleRun(self.folder)
        if (pool := run.synthetic) is not None:
            yield functools.partial(self._do, SyntheticUnits(run.manifest, pool))
            return
        if self.spec is None:
            yield functools.partial(self._do, VectorUnits(run.manifest, run.record["vector_column"]))
            return
        from ..embeddings.zoo import embedder_of

        with embedder_of(self.spec, self.name, self.device) as embedder:
            options = (self.batch_size, self.num_workers, self.max_pixels, cores)
            yield functools.partial(
                self._do, ImageUnits(run.manifest, run.record.get("image_column"), self.spec, embedder, *options)
            )

    def _do(self, make: ImageUnits | UnitsWithoutModel, task: Probe | Make, report: ProgressCallback) -> Any:
        if isinstance(task, Probe):
            return make.probe(task.unit)
        rows = make(task.unit)
        dimension = task.dimension or rows.dimension
        if rows.dimension not in (None, dimension):
            raise CoresetError(
                f"unit {task.unit} has vectors of {rows.dimension} numbers and others have {dimension}; all of a run "
                "must be of one model"
            )
        if dimension is not None:
            facts = {"dimension": dimension, "model": make.record(dimension), "outcomes": rows.counts}
            self.stage.write(task.unit, rows.table(dimension), facts)
        return Made(dimension, rows.counts, rows.first_failure() if rows.dimension is None else None)


def _work(
    run: ScaleRun,
    todo: list[int],
    dimension: int | None,
    work: EmbedWork,
    engine: Engine,
    price: float | None,
    report: ProgressCallback,
) -> dict[int, dict[str, int]]:
    """Makes parts; those of units without a vector wait until another shows how long vectors are.

    Returns:
        rows by outcome of every part that was made
    """
    rows = sum(run.unit_rows[unit] for unit in todo)
    done, outcomes = 0, {}
    with engine.start() as crew:
        for _, measured in crew.map(work, [Probe(todo[0])], 1, silence):
            if not isinstance(measured, Failure) and measured[1] is not None:
                machines = dataclasses.replace(crew.machines(len(todo)), price=price)
                forecast = embed_need(Size(rows, measured[1], len(todo)), machines, measured[0])
                forecast.check_space(work.stage.folder)
                report(0.0, f"{rows:,} rows expected to take {forecast}")
        while todo:
            without: dict[int, str | None] = {}
            for task, made in crew.map(work, (Make(unit, dimension) for unit in todo), len(todo), silence):
                if isinstance(made, Failure):
                    logger.warning(
                        "unit %d, from row %d on, is set aside: %s", task.unit, run.starts[task.unit], made.reason
                    )
                    continue
                dimension = dimension or made.dimension
                if made.dimension is None:
                    without[task.unit] = made.failure
                if dimension is None and len(without) >= min(_HOPELESS_UNITS, len(todo)):
                    n = sum(run.unit_rows[unit] for unit in without)
                    raise CoresetError(
                        f"none of the first {n:,} rows has a vector, e.g. {without[min(without)]}; nothing was written"
                    )
                if made.dimension is not None:
                    outcomes[task.unit] = made.outcomes
                    done += run.unit_rows[task.unit]
                    report(done / rows, f"{done:,} of {counted(rows, 'rows')}")
            todo = sorted(without) if dimension is not None else []
    return outcomes
