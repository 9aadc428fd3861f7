"""fiftyone-coreset: any of its methods."""

import fiftyone_coreset as fc
from selecting import answer


def selecting(method, **arguments):
    def select(problem):
        return fc.get_method(method).select(problem.vectors, problem.k, seed=problem.seed, **arguments).indices

    return select


METHODS = ("kcenter", "facility_location", "maxherding", "herding", "auto", "typiclust", "probcover", "random")
answer(
    {name: selecting(name) for name in METHODS}
    | {"herding_rbf": selecting("herding", kernel="rbf"), "zcore": selecting("zcore", n_draws=100_000)}
)
