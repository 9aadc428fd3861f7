"""A recipe: all steps of a run in one file."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import CoresetError
from ..progress import ProgressCallback
from .dry_run import DryRun
from .dry_run import dry_run as dry_run_of
from .embedding import embed
from .forecast import Machines
from .imports import import_coreset
from .manifest import plan
from .scoring import score
from .selecting import select
from .synthetic import SYNTHETIC, SyntheticPool

#: The sections of a recipe, in the order of the work.
_STEPS: dict[str, Callable[..., Any]] = {
    "plan": plan,
    "embed": embed,
    "score": score,
    "select": select,
    "import": import_coreset,
}
#: Sections that describe what is not there yet, for a dry run.
_DESCRIPTIONS: dict[str, tuple[str, ...]] = {
    "pool": ("rows", "dimension"),
    "machines": tuple(Machines.__dataclass_fields__),
}
#: Arguments that a recipe does not take: it has all units, in one folder.
_NOT_TAKEN = frozenset({"out", "units", "progress"})


def run_recipe(
    path: str | Path, progress: bool | ProgressCallback | None = False, *, dry_run: bool = False
) -> list[Any]:
    """Runs the steps of a TOML file; those that are complete do nothing, and one that was killed continues.

    Args:
        path: the file: ``out``, the folder of the run, and a section for each step that is wanted, ``plan``, ``embed``,
            ``score``, ``select`` and ``import``, with the arguments of the function; paths are relative to the file
        progress (False): True for terminal bars, or a function ``(fraction, message)``
        dry_run (False): whether to say only what the steps would need, see :func:`dry_run`: of the ``rows`` and the
            ``dimension`` in a section ``pool``, or of the ``synthetic://`` source, on the :class:`Machines` in a
            section ``machines``

    Returns:
        what each step returned, or one :class:`DryRun`

    Raises:
        CoresetError: if the file cannot be read, a section or argument is unknown, or a step refuses
    """
    path = Path(path).absolute()
    recipe = _read(path)
    if dry_run:
        return [_dry(path, recipe)]
    out = _place(path.parent, recipe.pop("out"))
    if "plan" in recipe and "source" in recipe["plan"]:
        recipe["plan"]["source"] = _place(path.parent, recipe["plan"]["source"])
    if isinstance(recipe.get("select", {}).get("preselected"), str):
        recipe["select"]["preselected"] = _place(path.parent, recipe["select"]["preselected"])
    if "import" in recipe:
        chosen = recipe.get("select", {})
        recipe["import"].setdefault("name", chosen.get("name", chosen.get("method", "facility_location")))
    done = []
    for name, step in _STEPS.items():
        if name in recipe:
            done.append(step(out=out, progress=progress, **recipe[name]))
    return done


def _dry(path: Path, recipe: dict[str, Any]) -> DryRun:
    """What the steps of a recipe would need; only those that it has."""
    pool, source = recipe.get("pool", {}), recipe.get("plan", {}).get("source", "")
    synthetic = source.startswith(SYNTHETIC)
    if synthetic:
        made = SyntheticPool.parse(source)
        pool = {"rows": made.n, "dimension": made.dim}
    if set(pool) != set(_DESCRIPTIONS["pool"]):
        raise CoresetError(f"{path}: a dry run needs the section pool with rows and dimension, or a synthetic source")
    steps = [name for name in _STEPS if name in recipe]
    given: dict[str, Any] = {}
    for name, keys in (
        ("plan", ("rows_per_unit",)),
        ("score", ("n_draws", "n_units", "column_bits")),
        ("select", ("method", "keep", "rows_per_cell")),
    ):
        given |= {key: recipe[name][key] for key in keys if key in recipe.get(name, {})}
    vectors = synthetic or "embed" not in recipe or "vector_column" in recipe.get("plan", {})
    found = dry_run_of(**pool, machines=Machines(**recipe.get("machines", {})), vectors=vectors, **given)
    return dataclasses.replace(found, steps={name: found.steps[name] for name in steps})


def _place(folder: Path, where: str) -> str:
    return where if ":" in where else str(folder / where)


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info < (3, 11):
        raise CoresetError("recipes need Python 3.11; run the steps one by one")
    import tomllib

    try:
        recipe = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CoresetError(f"{path} cannot be read ({error}); give a TOML file") from error
    if not isinstance(recipe.get("out"), str):
        raise CoresetError(f"{path} does not say out, the folder of the run")
    for name, arguments in recipe.items():
        if name == "out":
            continue
        if name not in (*_STEPS, *_DESCRIPTIONS) or not isinstance(arguments, dict):
            sections = ", ".join((*_STEPS, *_DESCRIPTIONS))
            raise CoresetError(f"{path} has {name!r}, but its sections are {sections}")
        if name in _DESCRIPTIONS:
            _refuse_unknown(path, name, arguments, _DESCRIPTIONS[name])
            continue
        parameters = inspect.signature(_STEPS[name]).parameters
        known = sorted(set(parameters) - _NOT_TAKEN)
        _refuse_unknown(path, name, arguments, known)
        needed = [key for key in known if parameters[key].default is inspect.Parameter.empty and key != "name"]
        missing = [key for key in needed if key not in arguments]
        if missing:
            raise CoresetError(f"{path}: {name} needs {missing[0]}")
    return recipe


def _refuse_unknown(path: Path, name: str, arguments: dict[str, Any], known: Sequence[str]) -> None:
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise CoresetError(f"{path}: {name} has no argument {unknown[0]!r}; it takes {', '.join(known)}")
