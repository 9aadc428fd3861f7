"""``fiftyone-coreset scale``: runs of more images than one process holds, step by step."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from .plugin.errors import CoresetError

#: Exit status of a step of which parts are missing yet.
_INCOMPLETE = 3
#: Seconds between two lines of progress where nobody sees a bar.
_SECONDS = 30.0


def add_scale_commands(commands: Any) -> None:
    """Adds the commands to the command line.

    Args:
        commands: the subparsers of ``fiftyone-coreset``
    """
    scale = commands.add_parser("scale", help="embed, score and select millions of images, in units that can resume")
    steps = scale.add_subparsers(required=True, metavar="step")

    plan = _step(steps, "plan", "list a folder, tar files, a table, fiftyone:<dataset> or synthetic://...", _plan)
    plan.add_argument("source", metavar="SOURCE")
    plan.add_argument("out", metavar="OUT", help="the folder of the run, or its address in an object store")
    plan.add_argument("--id-column", metavar="NAME", help="the column of ids in a table; addresses by default")
    plan.add_argument("--uri-column", metavar="NAME", help="the column of image files in a table")
    plan.add_argument("--image-column", metavar="NAME", help="the column of images in a table")
    plan.add_argument("--vector-column", metavar="NAME", help="the column of vectors in a table")
    plan.add_argument("--rows-per-unit", type=int, default=10_000, metavar="N", help="rows of a unit (10000)")
    plan.add_argument("--append", action="store_true", help="list the source again, and add the rows that are new")

    embed = _step(steps, "embed", "vectors of all rows", _embed)
    _add_run(embed)
    embed.add_argument("--model", help="a CLIP model (ViT-B-32)")
    embed.add_argument("--pretrained", metavar="TAG", help="tag of the weights")
    embed.add_argument("--checkpoint", metavar="FILE", help="a local weights file instead of a tag")
    embed.add_argument("--device", help="a torch device")
    embed.add_argument("--batch-size", type=int, metavar="N", help="images in a batch")
    embed.add_argument("--workers", type=int, metavar="N", help="processes that decode images")
    _add_places(embed)

    score = _step(steps, "score", "ZCore scores of all rows", _score)
    _add_run(score)
    score.add_argument("--draws", type=int, metavar="N", help="number of draws; 10 for each row by default")
    score.add_argument("--reliability", type=float, metavar="R", help="draws until it is reached, e.g. 0.95, instead")
    score.add_argument("--budgets", nargs="+", metavar="K", help="draws until what is kept is settled, e.g. 5%% 5000")
    score.add_argument("--target-overlap", type=float, default=0.85, metavar="S", help="what settled is (0.85)")
    score.add_argument("--seed", type=int, default=0, help="seed of the draws (0)")
    score.add_argument("--parts", type=int, default=8, metavar="N", help="units of draws; one a worker or more (8)")
    score.add_argument("--column-bits", type=int, choices=(32, 16), default=32, help="of a number that is read (32)")
    score.add_argument("--workers", type=int, metavar="N", help="threads; all cores by default")
    _add_places(score)

    select = _step(steps, "select", "the rows to keep, first to keep first", _select)
    _add_run(select)
    select.add_argument("--method", default="facility_location", help="how to choose (facility_location)")
    select.add_argument("--keep", default="10%", metavar="K", help="how many rows to rank: 5000, 1M, or 5%% (10%%)")
    select.add_argument("--name", help="the name of the selection; that of the method by default")
    select.add_argument("--among", metavar="NAME", help="only the rows of another selection; then any method works")
    select.add_argument("--preselected", metavar="FILE", help="ids of rows that are kept already, one a line")
    select.add_argument("--groups", metavar="COLUMN", help="the column that divides the rows, or field of the dataset")
    select.add_argument(
        "--quota",
        nargs="+",
        metavar="Q",
        help="how --keep is divided among them: proportional, sqrt or uniform, or cat=300 dog=200, or cat=0.6 dog=0.4",
    )
    select.add_argument("--min-per-group", type=int, default=0, metavar="N", help="least rows of every group (0)")
    select.add_argument("--deduplicate", action="store_true", help="one row of each group of near-copies first")
    select.add_argument("--seed", type=int, default=0, help="seed of all randomness (0)")
    select.add_argument("--rows-per-cell", type=int, default=200_000, metavar="N", help="rows of a cell (200000)")
    select.add_argument("--workers", type=int, metavar="N", help="threads; all cores by default")
    _add_places(select)

    imported = _step(steps, "import", "make a selection a coreset run in FiftyOne", _import)
    _add_run(imported)
    imported.add_argument("--select", required=True, metavar="NAME", help="the name of the selection")
    imported.add_argument("--dataset", required=True, metavar="NAME", help="the dataset, a new one by default")
    imported.add_argument(
        "--only",
        choices=("coreset", "pool"),
        default="coreset",
        help="a new dataset of what is kept, or ranks on samples that are there (coreset)",
    )
    imported.add_argument("--keep", metavar="K", help="how many of the ranked rows: 5000, or 5%%; all by default")
    imported.add_argument("--brain-key", default="coreset", metavar="NAME", help="the name of the run (coreset)")
    imported.add_argument("--projection", choices=("umap", "pca"), default="umap", help="the map (umap)")
    imported.add_argument("--allow-unmatched", action="store_true", help="the dataset may lack more than 1%% of them")
    imported.add_argument("--overwrite", action="store_true", help="replace a run of this name")

    recipe = _step(steps, "run", "all steps, from a TOML file", _run)
    recipe.add_argument("recipe", metavar="FILE", help="out, and the sections plan, embed, score, select and import")
    recipe.add_argument("--dry-run", action="store_true", help="say what the steps would need, and do nothing")

    status = _step(steps, "status", "what of a run is there", _status)
    _add_run(status)


def _step(steps: Any, name: str, description: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = steps.add_parser(name, help=description, description=description)
    parser.set_defaults(run=run)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", metavar="OUT", help="the folder of the run, or its address in an object store")


def _add_places(parser: argparse.ArgumentParser) -> None:
    """Where a step is worked on."""
    parser.add_argument("--units", metavar="I/N", help="a share of the units, for one of N processes or machines")
    parser.add_argument("--price", type=float, help="of a machine for an hour, to say what the step will cost")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="this process, or workers of Ray")
    parser.add_argument("--address", help="of the Ray cluster, e.g. auto; RAY_ADDRESS, or one of this machine's own")
    parser.add_argument("--ray-workers", type=int, metavar="N", help="workers of Ray; as many as fit by default")
    parser.add_argument(
        "--cpus-per-worker", type=int, metavar="N", help="cores of each (8, or all of the largest node)"
    )
    parser.add_argument("--gpus-per-worker", type=float, default=0, metavar="N", help="GPUs of each (0)")


def _places(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of a step that say where it is worked on."""
    of_ray = {
        "address": options.address,
        "workers": options.ray_workers,
        "cpus_per_worker": options.cpus_per_worker,
        "gpus_per_worker": options.gpus_per_worker,
    }
    if options.engine == "local" and any(of_ray.values()):
        raise CoresetError("--address, --ray-workers, --cpus-per-worker and --gpus-per-worker ask for --engine ray")
    engine = of_ray if options.engine == "ray" else "local"
    return {"units": options.units, "engine": engine, "price": options.price, "progress": _Lines()}


class _Lines:
    """Progress as lines: the first message, then one every so often."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, fraction: float, message: str) -> None:
        if fraction in (0.0, 1.0) or time.monotonic() >= self._next:
            print(f"{fraction:4.0%}  {message}", file=sys.stderr, flush=True)
            self._next = time.monotonic() + (1.0 if sys.stderr.isatty() else _SECONDS)


def _plan(options: argparse.Namespace) -> int:
    from .plugin.scale import plan, status

    run = plan(
        options.source,
        options.out,
        id_column=options.id_column,
        uri_column=options.uri_column,
        image_column=options.image_column,
        vector_column=options.vector_column,
        rows_per_unit=options.rows_per_unit,
        append=options.append,
        progress=_Lines(),
    )
    print(status(run.folder))
    return 0


def _embed(options: argparse.Namespace) -> int:
    from .plugin.scale import embed

    found = embed(
        options.out,
        model=options.model,
        pretrained=options.pretrained,
        checkpoint=options.checkpoint,
        device=options.device,
        batch_size=options.batch_size,
        num_workers=options.workers,
        **_places(options),
    )
    return _finished(found)


def _score(options: argparse.Namespace) -> int:
    from .plugin.scale import score

    found = score(
        options.out,
        n_draws=options.draws,
        reliability=options.reliability,
        budgets=options.budgets,
        target_overlap=options.target_overlap,
        seed=options.seed,
        n_units=options.parts,
        column_bits=options.column_bits,
        num_workers=options.workers,
        **_places(options),
    )
    return _finished(found)


def _select(options: argparse.Namespace) -> int:
    from .plugin.scale import select

    found = select(
        options.out,
        options.method,
        options.keep,
        name=options.name,
        among=options.among,
        deduplicate=options.deduplicate,
        preselected=options.preselected,
        groups=options.groups,
        quota=_quota(options.quota),
        min_per_group=options.min_per_group,
        seed=options.seed,
        rows_per_cell=options.rows_per_cell,
        num_workers=options.workers,
        **_places(options),
    )
    return _finished(found)


def _quota(words: list[str] | None) -> str | dict[str, float] | None:
    """A rule, or what every group gives."""
    if words is None or (len(words) == 1 and "=" not in words[0]):
        return None if words is None else words[0]
    quota: dict[str, float] = {}
    for word in words:
        name, _, number = word.rpartition("=")
        try:
            quota[name] = int(number) if number.isdigit() else float(number)
        except ValueError as error:
            raise CoresetError(f"--quota takes one rule, or NAME=NUMBER of each group, got {word!r}") from error
    return quota


def _import(options: argparse.Namespace) -> int:
    from .plugin.scale import import_coreset

    found = import_coreset(
        options.out,
        options.select,
        options.dataset,
        only=options.only,
        keep=options.keep,
        brain_key=options.brain_key,
        projection=options.projection,
        allow_unmatched=options.allow_unmatched,
        overwrite=options.overwrite,
        progress=_Lines(),
    )
    print(found)
    return 0


def _run(options: argparse.Namespace) -> int:
    from .plugin.scale import run_recipe

    for found in run_recipe(options.recipe, _Lines(), dry_run=options.dry_run):
        print(found)
    return 0


def _finished(state: Any) -> int:
    """Prints what of a step is there; the exit status says whether that is all."""
    print(state)
    return 0 if state.complete else _INCOMPLETE


def _status(options: argparse.Namespace) -> int:
    from .plugin.scale import status

    print(status(options.out))
    return 0
