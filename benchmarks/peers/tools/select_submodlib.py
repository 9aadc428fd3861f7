"""submodlib's facility location of ``(1 + cosine) / 2``: of plain cosines, it would take negative ones for 0."""

from selecting import answer
from sklearn.metrics.pairwise import cosine_similarity
from submodlib import FacilityLocationFunction


def facility_location(problem):
    similarity = (1 + cosine_similarity(problem.vectors)) / 2
    function = FacilityLocationFunction(n=len(similarity), mode="dense", separate_rep=False, sijs=similarity)
    picks = function.maximize(budget=problem.k, optimizer="LazyGreedy", show_progress=False)
    return [row for row, _ in picks]


answer({"facility_location": facility_location})
