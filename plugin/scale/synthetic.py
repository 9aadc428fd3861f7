"""Pools with known answers, of any size: ``synthetic://clusters?n=1000000&dim=512&copies=0.1&rare=0.001&seed=0``.

Vectors are made where they are needed, a block of rows at a time, so nothing is stored and every unit can be made by
itself. They have no images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from ..errors import CoresetError

#: What such a source begins with.
SYNTHETIC = "synthetic://"
#: Kinds of rare rows.
RARE_KINDS = 10
#: Rows that are made together.
_BLOCK = 1_024
#: Width of the narrowest and the widest cluster and of rare kinds, and of copies beside that of their cluster.
_NARROW, _WIDE, _RARE_WIDTH, _COPY_WIDTH = 0.05, 0.5, 0.3, 0.05


@dataclass(frozen=True)
class SyntheticPool:
    """Vectors in clusters of unequal size and width, with planted near-copies and rare kinds.

    Args:
        n: rows
        dim: length of a vector
        clusters (400): ordinary kinds
        copies (0): share of the rows that are near-copies of others, most of which lie in other units
        rare (0): share of the rows that belong to one of ten kinds of their own
        seed (0): of all randomness

    Raises:
        CoresetError: if a number is out of range

    Examples:
        >>> pool = SyntheticPool(1_000, 8, copies=0.1)
        >>> int((pool.originals(0, 1_000) != np.arange(1_000)).sum())
        100
    """

    n: int
    dim: int
    clusters: int = 400
    copies: float = 0.0
    rare: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.n, self.dim, self.clusters) < 1 or self.seed < 0:
            raise CoresetError(f"{self.name}: n, dim and clusters must be at least 1, and seed at least 0")
        if not (self.copies >= 0 and self.rare >= 0 and self.copies + self.rare <= 0.5):
            raise CoresetError(f"{self.name}: copies and rare are shares that must add up to at most 0.5")

    @classmethod
    def parse(cls, text: str) -> SyntheticPool:
        """Reads ``synthetic://clusters?n=...&dim=...``.

        Raises:
            CoresetError: if it is anything else

        Examples:
            >>> SyntheticPool.parse("synthetic://clusters?n=1000&dim=8&copies=0.1").copies
            0.1
        """
        address = urlsplit(text)
        given = dict(parse_qsl(address.query, keep_blank_values=True))
        kinds = {field.name: float if field.name in ("copies", "rare") else int for field in fields(cls)}
        if address.netloc != "clusters" or not {"n", "dim"} <= set(given) <= set(kinds):
            optional = ", ".join(list(kinds)[2:])
            raise CoresetError(
                f"{text!r} is no synthetic pool; give {SYNTHETIC}clusters?n=...&dim=..., and {optional} if wanted"
            )
        try:
            values: dict[str, Any] = {name: kinds[name](value) for name, value in given.items()}
        except ValueError as error:
            raise CoresetError(f"{text!r} has a value that is no number: {error}") from error
        return cls(**values)

    @property
    def name(self) -> str:
        """The address of the pool, with all its numbers."""
        return f"{SYNTHETIC}clusters?" + "&".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))

    def vectors(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, d) float32 vectors of some rows."""
        return self._gather(start, stop, self._vectors)

    def originals(self, start: int, stop: int) -> np.ndarray:
        """(stop - start,) int64 row of which every row is a near-copy; itself unless it was planted as a copy."""
        return self._gather(start, stop, self._originals)

    def kinds(self, start: int, stop: int) -> np.ndarray:
        """(stop - start,) int64 kind of every row that is no copy; the rare ones are numbered after the clusters."""
        return self._gather(start, stop, lambda block: self._distinct(block)[1])

    def _gather(self, start: int, stop: int, make: Callable[[int], np.ndarray]) -> np.ndarray:
        first = start // _BLOCK
        found = np.concatenate([make(block) for block in range(first, -(-stop // _BLOCK))])
        return found[start - first * _BLOCK : stop - first * _BLOCK]

    @cached_property
    def _clusters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(k, d) float32 centers and (k,) float32 widths of all kinds, and (c,) shares of the ordinary ones."""
        rng = np.random.default_rng([self.seed, 0])
        centers = rng.standard_normal((self.clusters + RARE_KINDS, self.dim), dtype=np.float32)
        widths = np.append(rng.uniform(_NARROW, _WIDE, self.clusters), np.full(RARE_KINDS, _RARE_WIDTH))
        return centers, widths.astype(np.float32), rng.dirichlet(np.ones(self.clusters))

    def _rows(self, block: int) -> np.ndarray:
        """(m,) int64 numbers of the rows of a block."""
        return np.arange(block * _BLOCK, min((block + 1) * _BLOCK, self.n))

    def _planted(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Which rows of a block are rare and which are copies, (m,) bool each."""
        rows = self._rows(block)
        rare, either = (np.diff(np.floor(np.append(rows, rows[-1] + 1) * share)) > 0 for share in self._shares)
        return rare, either & ~rare

    @property
    def _shares(self) -> tuple[float, float]:
        return self.rare, self.rare + self.copies

    def _distinct(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """(m, d) float32 vectors of a block before copies are planted, and (m,) int64 their kinds."""
        centers, widths, shares = self._clusters
        rng = np.random.default_rng([self.seed, 1, block])
        rare = self._planted(block)[0]
        kinds = np.where(
            rare,
            self.clusters + rng.integers(RARE_KINDS, size=len(rare)),
            rng.choice(self.clusters, len(rare), p=shares),
        )
        noise = rng.standard_normal((len(rare), self.dim), dtype=np.float32)
        return centers[kinds] + widths[kinds, None] * noise, kinds

    def _partner(self, block: int) -> int:
        """The block that holds the originals of the copies of a block, half of the pool away."""
        blocks = -(-self.n // _BLOCK)
        return (block + blocks // 2) % blocks

    def _originals(self, block: int) -> np.ndarray:
        rows, copies = self._rows(block), self._planted(block)[1]
        partner = self._partner(block)
        candidates = self._rows(partner)[~np.logical_or(*self._planted(partner))]
        rng = np.random.default_rng([self.seed, 2, block])
        return np.where(copies, candidates[rng.integers(len(candidates), size=len(rows))], rows)

    def _vectors(self, block: int) -> np.ndarray:
        vectors, _ = self._distinct(block)
        copies = np.flatnonzero(self._planted(block)[1])
        if not len(copies):
            return vectors
        theirs, kinds = self._distinct(self._partner(block))
        places = self._originals(block)[copies] % _BLOCK
        rng = np.random.default_rng([self.seed, 3, block])
        noise = rng.standard_normal((len(copies), self.dim), dtype=np.float32)
        vectors[copies] = theirs[places] + _COPY_WIDTH * self._clusters[1][kinds[places], None] * noise
        return vectors
