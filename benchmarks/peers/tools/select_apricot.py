"""apricot's facility location. Its default similarity, the largest squared distance less each, has on unit vectors the
same best subsets as ``(1 + cosine) / 2``.
"""

from apricot import FacilityLocationSelection
from selecting import answer


def facility_location(problem):
    return FacilityLocationSelection(problem.k, random_state=problem.seed).fit(problem.vectors).ranking


answer({"facility_location": facility_location})
