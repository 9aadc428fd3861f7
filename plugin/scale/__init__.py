"""Runs that are too large for one process: everything rests on files, in units that can be made again.

A run is a folder. ``plan`` lists a source once, in units of rows; every step makes one Parquet part a unit, written
aside and renamed. So a step that was killed continues where it stopped, several machines can share the units, and a
step whose parts are all there does nothing. Units are worked on in this process, or by the workers of a Ray cluster.
"""

from .dry_run import DryRun, dry_run
from .embedding import embed
from .engines import RayEngine
from .forecast import Machines
from .imports import import_coreset
from .manifest import plan
from .ranking import read_ranking
from .recipe import run_recipe
from .run import ScaleRun
from .run import open_run as open
from .scoring import score
from .selecting import select
from .state import RunState, StageState, status
from .synthetic import SyntheticPool

__all__ = [
    "DryRun",
    "Machines",
    "RayEngine",
    "RunState",
    "ScaleRun",
    "StageState",
    "SyntheticPool",
    "dry_run",
    "embed",
    "import_coreset",
    "open",
    "plan",
    "read_ranking",
    "run_recipe",
    "score",
    "select",
    "status",
]
