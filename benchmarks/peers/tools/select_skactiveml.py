"""scikit-activeml's strategies that need no labels, the first batch of a pool without any."""

import numpy as np
from selecting import answer
from skactiveml.pool import CoreSet, MaxHerding, ProbCover, TypiClust


def first_batch(strategy):
    def select(problem):
        unlabeled = np.full(len(problem.vectors), np.nan)
        return strategy(problem).query(problem.vectors, unlabeled, batch_size=problem.k)

    return select


def maxherding(problem):
    return MaxHerding(metric="rbf", metric_dict={"gamma": problem.reach**-2}, random_state=problem.seed)


answer(
    {
        "core_set": first_batch(lambda problem: CoreSet(random_state=problem.seed)),
        "typiclust": first_batch(lambda problem: TypiClust(random_state=problem.seed)),
        "probcover": first_batch(lambda problem: ProbCover(random_state=problem.seed)),
        "maxherding": first_batch(maxherding),
    }
)
