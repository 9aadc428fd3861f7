"""coreax's kernel herding and thinning, with the Gaussian kernel that the discrepancy is judged by."""

import jax
from coreax import Data
from coreax.kernels import SquaredExponentialKernel
from coreax.solvers import KernelHerding, KernelThinning, RPCholesky
from selecting import answer


def kernel(problem):
    return SquaredExponentialKernel(length_scale=problem.length)


def reduced(solver, problem):
    return solver.reduce(Data(problem.vectors))[0].unweighted_indices


def herding(problem):
    return reduced(KernelHerding(problem.k, kernel=kernel(problem)), problem)


def thinning(problem):
    root = SquaredExponentialKernel(length_scale=problem.length / 2**0.5)
    solver = KernelThinning(
        problem.k, kernel=kernel(problem), random_key=jax.random.key(problem.seed), delta=1e-4, sqrt_kernel=root
    )
    return reduced(solver, problem)


def cholesky(problem):
    return reduced(RPCholesky(problem.k, random_key=jax.random.key(problem.seed), kernel=kernel(problem)), problem)


answer({"herding": herding, "thinning": thinning, "cholesky": cholesky})
