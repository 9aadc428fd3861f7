"""``embed``: vectors of all rows, one part a unit."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ..embeddings.decode import MAX_PIXELS
from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from .forecast import Forecast
from .image_units import ImageUnits
from .lock import one_writer
from .parts import Stage
from .run import EMBEDDINGS, ScaleRun
from .share import Share, units_of
from .state import StageState, stage_state
from .table import UnitRows
from .vector_units import VectorUnits

if TYPE_CHECKING:
    import torch

#: Units without a single vector after which a run gives up: it is the access that is wrong, not the images.
_HOPELESS_UNITS = 10
#: Bytes of a row besides its vector: id, address and outcome.
_ROW_BYTES = 100
_DEFAULT_MODEL = "ViT-B-32"


def embed(
    out: str | Path,
    *,
    model: str | None = None,
    pretrained: str | None = None,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
    batch_size: int | None = None,
    num_workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    units: str | None = None,
    progress: bool | ProgressCallback | None = False,
) -> StageState:
    """Embeds the images of a run, unit by unit; units that are there are not made again.

    The vectors are those of :func:`~fiftyone_coreset.compute_embeddings`, bit for bit on the same device. An image that
    cannot be embedded costs only itself: its row says why. A run of a table of vectors copies these, without a model.

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
        progress (False): True for a terminal bar, or a function ``(fraction, message)``

    Returns:
        which parts are there, and how many rows have which outcome

    Raises:
        CoresetError: if another process works on the same units, the run was begun with another model, a part belongs
            to another run, the source changed, or not one of the first 10 units has a vector

    Examples:
        A folder of photographs::

            fc.scale.plan("photos", "run")
            print(fc.scale.embed("run", model="coreset-mini"))
    """
    run, share = ScaleRun(out), Share.parse(units)
    column = run.record["vector_column"]
    asked = {"model": model, "pretrained": pretrained, "checkpoint": checkpoint}
    given = [name for name, value in asked.items() if value is not None]
    if column is not None and given:
        raise CoresetError(f"{run.folder} is a run of vectors that are there, so leave {given[0]} out")
    folder = run.folder / EMBEDDINGS
    with one_writer(folder, share), reporting(progress, "Embedding") as report:
        if column is not None:
            identity: dict[str, Any] = {"vector_column": column}
        else:
            from ..embeddings.zoo import resolve_model

            spec = resolve_model(model or _DEFAULT_MODEL, pretrained, checkpoint)
            identity = dataclasses.asdict(spec) | {"max_pixels": max_pixels}
            identity.pop("checkpoint")  # the digest says which weights they are, wherever the file lies
        stage = Stage.begin(folder, {"stage": EMBEDDINGS, "input": run.digest, **identity})
        if share is None:
            stage.sweep()
        todo = stage.missing(units_of(share, run.n_units))
        if todo:
            with ExitStack() as loaded:
                if column is not None:
                    make: ImageUnits | VectorUnits = VectorUnits(run.manifest, column)
                else:
                    from ..embeddings.zoo import embedder_of

                    embedder = loaded.enter_context(embedder_of(spec, model or _DEFAULT_MODEL, device))
                    make = ImageUnits(run.manifest, spec, embedder, batch_size, num_workers, max_pixels)
                _work(run, stage, todo, make, report)
    return stage_state(stage, range(run.n_units))


def _work(
    run: ScaleRun, stage: Stage, todo: list[int], make: ImageUnits | VectorUnits, report: ProgressCallback
) -> None:
    """Makes parts; those of units without a vector are held back until one shows that vectors can be made."""
    rows = sum(run.unit_rows[unit] for unit in todo)
    seconds, expected = make.probe(todo[0])
    if expected is not None:
        forecast = _forecast(rows, max(run.unit_rows), expected, seconds)
        forecast.check_space(stage.folder)
        report(0.0, f"{rows:,} rows expected to take {forecast}")
    dimension = _dimension_there(stage, run)
    held: list[tuple[int, UnitRows]] = []
    done = 0
    for unit in todo:
        made = make(unit)
        held.append((unit, made))
        dimension = dimension or made.dimension
        if made.dimension not in (None, dimension):
            raise CoresetError(
                f"unit {unit} has vectors of {made.dimension} numbers and others have {dimension}; all of a run must "
                "be of one model"
            )
        if dimension is None and len(held) >= min(_HOPELESS_UNITS, len(todo)):
            n = sum(run.unit_rows[number] for number, _ in held)
            raise CoresetError(
                f"none of the first {n:,} rows has a vector, e.g. {held[0][1].first_failure()}; nothing was written"
            )
        if dimension is None:
            continue
        facts = {"dimension": dimension, "model": make.record(dimension)}
        for number, of_unit in held:
            stage.write(number, of_unit.table(dimension), facts | {"outcomes": of_unit.counts})
            done += run.unit_rows[number]
        held.clear()
        report(done / rows, f"{done:,} of {rows:,} rows")


def _dimension_there(stage: Stage, run: ScaleRun) -> int | None:
    """Length of the vectors of the parts that are there."""
    for unit in range(run.n_units):
        facts = stage.facts(unit)
        if facts is not None:
            return int(facts["dimension"])
    return None


def _forecast(rows: int, unit_rows: int, dimension: int, seconds_per_row: float) -> Forecast:
    vectors = 4 * dimension + _ROW_BYTES
    return Forecast(
        rows * seconds_per_row, psutil.Process().memory_info().rss + 4 * unit_rows * vectors, rows * vectors
    )
