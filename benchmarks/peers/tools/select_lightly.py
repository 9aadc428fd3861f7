"""LightlyStudio's core, called as LightlyStudio calls it: diversity alone, and with its typicality as weights."""

import lightly_mundig
from selecting import answer


def diversity(problem, typical=False):
    selection = lightly_mundig.Selection()
    selection.add_diversifying_strategy(
        embeddings=problem.vectors, strength=1.0, stopping_condition_minimum_distance=None
    )
    if typical:
        typicality = lightly_mundig.Typicality(embeddings=problem.vectors)
        weights = typicality.calculate_typicality(num_nearest_neighbors=20)
        selection.add_weighting_strategy(weights=weights, strength=1.0)
    return selection.run_selection(
        preselected_indices=[], n_total_samples=len(problem.vectors), n_samples_to_select=problem.k
    )


answer({"diversity": diversity, "diversity and typicality": lambda problem: diversity(problem, typical=True)})
