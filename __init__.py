"""Pick the small part of a large image dataset worth labelling and training on.

The repository root is the package ``fiftyone_coreset``. FiftyOne runs this file as a plugin under a name of its own
and again for every request, so it stays tiny, and it always answers with the one canonical package: brain runs store
class paths, and two copies of a class would not be equal.
"""

import importlib
import importlib.util
import logging
import sys
from pathlib import Path

__version__ = "0.2.0"

_PACKAGE = "fiftyone_coreset"

#: Public name -> module that defines it; imported on first use, so that registration stays light.
_PUBLIC = {
    "CoresetError": "plugin.errors",
    "compute_embeddings": "plugin.embeddings.compute",
    "EmbeddingReport": "plugin.embeddings.report",
    "embedding_record": "plugin.embeddings.record",
    "load_clip": "plugin.embeddings.clip",
    "compute_fingerprints": "plugin.embeddings.compute_fingerprints",
    "near_duplicates": "plugin.runs.near_duplicates",
    "NearDuplicates": "plugin.runs.near_duplicates",
    "compute_coreset": "plugin.runs.compute",
    "CoresetResults": "plugin.results",
    "split_by_coverage": "plugin.runs.split",
    "CoverageSplit": "plugin.runs.split",
    "compare_sets": "plugin.runs.compare_sets",
    "ComparedSets": "plugin.runs.compare_sets",
    "update_coreset": "plugin.runs.update",
    "CoresetUpdate": "plugin.runs.update",
    "load_run": "plugin.runs.load",
    "create_coreset_view": "plugin.runs.views",
    "rank_images_by_objects": "plugin.runs.images_by_objects",
    "adjust_coreset": "plugin.runs.by_hand",
    "share_coreset": "plugin.runs.share",
    "coreset_table": "plugin.runs.export",
    "export_table": "plugin.runs.export",
    "find_orphans": "plugin.runs.orphans",
    "remove_orphans": "plugin.runs.orphans",
    "compare_coresets": "plugin.runs.compare",
    "ComparedCoresets": "plugin.runs.compare",
    "coreset_report": "plugin.diagnostics.report",
    "CoresetReport": "plugin.diagnostics.report",
    "coverage_curve": "plugin.diagnostics.coverage",
    "CoverageCurve": "plugin.diagnostics.curve",
    "compare_subsets": "plugin.diagnostics.subsets",
    "CoresetComparison": "plugin.diagnostics.subsets",
    "redundant_groups": "plugin.diagnostics.redundancy",
    "explain_row": "plugin.diagnostics.explain",
    "RowExplanation": "plugin.diagnostics.explain",
    "zcore_scores": "plugin.selection.methods.zcore.scores",
    "ZCoreScores": "plugin.selection.methods.zcore.scores",
    "clip_powered_scores": "plugin.selection.methods.clip_powered",
    "ClipPoweredScores": "plugin.selection.methods.clip_powered",
    "select_clip_powered": "plugin.selection.methods.clip_powered",
    "find_suspicious_labels": "plugin.selection.methods.clip_powered",
    "flag_suspicious_labels": "plugin.runs.suspicious_labels",
    "SuspiciousLabels": "plugin.selection.methods.clip_powered",
    "get_method": "plugin.selection.registry",
    "list_methods": "plugin.selection.registry",
    "Selection": "plugin.selection.method",
    "Predictions": "plugin.selection.predictions",
    "uncertainty": "plugin.selection.predictions",
    "fit_head": "plugin.selection.head",
    "fit_ridge": "plugin.selection.ridge",
    "RidgeHead": "plugin.selection.ridge",
    "LinearHead": "plugin.selection.linear_head",
    "reserve_test": "plugin.rounds.reserve",
    "next_batch": "plugin.rounds.batch",
    "Batch": "plugin.rounds.batch",
    "record_round": "plugin.rounds.record",
    "Round": "plugin.rounds.history",
    "load_rounds": "plugin.rounds.load",
    "RoundsResults": "plugin.rounds.campaign",
    "active_lab": "plugin.selection.annotators",
    "ActiveLab": "plugin.selection.annotators",
    "score_annotations": "plugin.rounds.annotators",
    "write_menus": "plugin.rounds.menus",
    "write_piles": "plugin.rounds.menus",
    "check_pile": "plugin.rounds.menus",
    "PileCheck": "plugin.rounds.menus",
    "select_test": "plugin.rounds.chosen_test",
    "chosen_accuracy": "plugin.rounds.chosen_test",
    "draw_test": "plugin.selection.active_testing",
    "persistent_view": "plugin.rounds.persistent",
    "lure_risk": "plugin.selection.active_testing",
    "candidate_sets": "plugin.selection.menus",
    "CandidateSets": "plugin.selection.menus",
    "piles": "plugin.selection.menus",
    "learning_curve": "plugin.rounds.curve",
    "LearningCurve": "plugin.rounds.curve",
    "CoverageBudget": "plugin.selection.budget",
    "SaturationBudget": "plugin.selection.budget",
    "RedundancyBudget": "plugin.selection.budget",
}

#: Public modules.
_MODULES = {"scale": "plugin.scale"}


def _canonical():
    """The package under its canonical name: the imported or installed one, else this folder."""
    if _PACKAGE in sys.modules or importlib.util.find_spec(_PACKAGE):
        return importlib.import_module(_PACKAGE)
    root = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, root / "__init__.py", submodule_search_locations=[str(root)]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = package
    spec.loader.exec_module(package)
    return package


if __name__ == _PACKAGE:
    __all__ = sorted({*_PUBLIC, *_MODULES})

    def __getattr__(name):
        if name in _MODULES:
            return importlib.import_module(f"{_PACKAGE}.{_MODULES[name]}")
        if name not in _PUBLIC:
            raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{_PACKAGE}.{_PUBLIC[name]}"), name)

    def __dir__():
        return [*__all__, "__version__"]

else:
    _canonical()


def _check_one_version(package):
    """FiftyOne takes the manifest and the JavaScript from beside this file, the Python code from ``package``."""
    here, there = Path(__file__).resolve().parent, Path(package.__file__).resolve().parent
    bundle = Path("dist", "index.umd.js")
    if here == there or (
        __version__ == package.__version__ and (here / bundle).read_bytes() == (there / bundle).read_bytes()
    ):
        return
    raise ImportError(
        f"two different copies of fiftyone-coreset are installed: the plugin in {here} (version {__version__}) and the "
        f"Python package in {there} (version {package.__version__}). Bring both to one version, or delete the plugin's "
        "folder and run 'fiftyone-coreset link', or 'pip uninstall fiftyone-coreset'; then restart FiftyOne"
    )


def register(plugin):
    """Registers the operators and panels with FiftyOne.

    Raises:
        ImportError: if the installed package is another version than the plugin that FiftyOne found
    """
    package = _canonical()
    try:
        _check_one_version(package)
    except ImportError as error:
        # FiftyOne keeps the error for the App's list of errors, but logs only that there was one.
        logging.getLogger(_PACKAGE).warning("%s", error)
        raise
    for module in ("operators", "panels"):
        importlib.import_module(f"{_PACKAGE}.{module}").register(plugin)
