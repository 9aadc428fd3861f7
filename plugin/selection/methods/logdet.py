"""Log-determinant of gradients: uncertain and different at once."""

from __future__ import annotations

import numpy as np

from ...errors import CoresetError
from ..gradients import Gradients
from ..method import register
from ..pool import Picks, Pool, check_limit

#: Rows times picks that are held as a factor (float32: 4 GB).
_MAX_FACTOR = 1e9


@register(
    "logdet",
    "Log-determinant: images whose gradients are large and differ from each other",
    needs_predictions=True,
)
def logdet(pool: Pool, k: int, strength: float = 1.0) -> Picks:
    """Maximises ``log det(I + a K_S)`` over gradients greedily (the coding rate of KECOR; Luo et al., ICCV 2023).

    The gain of a row is ``log(1 + a v)``, v its squared gradient that the rows picked so far do not explain. Weights
    multiply v. The factor grows by a row with every pick (Chen, Zhang and Zhou, NeurIPS 2018).

    Args:
        pool: the problem, with the probabilities of all classes
        k: rows to pick
        strength (1.0): a, in units of one over the mean squared gradient; the larger, the more diversity counts

    Returns:
        the picks; the details give the log-determinant

    References:
        Luo et al.: KECOR: Kernel Coding Rate Maximization for Active 3D Object Detection. ICCV 2023.
        Chen, Zhang and Zhou: Fast Greedy MAP Inference for Determinantal Point Process. NeurIPS 2018.
    """
    if not strength > 0:
        raise CoresetError(f"strength must be positive, got {strength!r}")
    kept = len(pool.preselected) + k
    check_limit(
        len(pool) * kept, _MAX_FACTOR,
        f"logdet would hold a factor of {len(pool)} by {kept} numbers, more than {_MAX_FACTOR:.0e}; lower the budget "
        f"to {int(_MAX_FACTOR / len(pool))}, or use uherding",
    )  # fmt: skip
    gradients = Gradients.predicted(pool)
    norms = gradients.squared_norms.astype(np.float64)
    scale = strength / norms.mean() if norms.any() else 1.0
    left, total = norms * scale, 0.0
    factor = np.zeros((kept, len(pool)), dtype=np.float32)
    free, order = pool.candidates.copy(), []
    for step in range(kept):
        if step < len(pool.preselected):
            row = int(pool.preselected[step])
        else:
            row = int(np.argmax(np.where(free, np.maximum(left, 0) * pool.weights, -1)))
            order.append(row)
        free[row] = False
        total += np.log1p(max(left[row], 0))
        column = (
            scale * gradients.products(gradients.take(np.array([row])))[:, 0] - factor[:step].T @ factor[:step, row]
        )
        factor[step] = column / np.sqrt(1 + max(left[row], 0))
        left -= factor[step].astype(np.float64) ** 2
    return Picks(np.array(order, dtype=np.int64), details={"log_det": float(total)})
