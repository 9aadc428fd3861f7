"""The operators of the App: forms and messages around the library, no algorithms."""

from importlib import import_module

#: Module -> class, one operator a file.
_OPERATORS = {
    "compare_coresets": "CompareCoresets",
    "compute_embeddings": "ComputeEmbeddings",
    "compute_coreset_scores": "ComputeCoresetScores",
    "create_coreset_view": "CreateCoresetView",
    "find_suspicious_labels": "FindSuspiciousLabels",
    "manage_coreset_runs": "ManageCoresetRuns",
}


def register(plugin):
    """Registers all operators with FiftyOne."""
    for module, operator in _OPERATORS.items():
        plugin.register(getattr(import_module(f".{module}", __package__), operator))
