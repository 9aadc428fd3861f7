"""Near-copies: images that show the same scene, told by their fingerprints among neighbours in the embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from .copy_model import CopyModel
from .fingerprints import agreement, altered_agreement, altered_fingerprints
from .matrix import blocks
from .near_duplicates import NearDuplicates, linked, many_groups
from .neighbors import nearest_neighbors

#: Neighbours that every row is compared with. In a larger group they may all be members, so its representative and
#: those of the groups around it are compared with their own neighbours, in so many rounds at most.
NEIGHBORS = 10
_ROUNDS = 3
#: Two images are linked if they are near-copies with this probability. A member, which others link, stays with its
#: representative if that is more likely than not.
LINK = 0.9
STAY = 0.5
#: The representative is the one of this many most central rows that most members resemble.
_CENTERS = 4
#: Vectors this close are equal: batches of another size round differently.
EQUAL = 1e-3


@dataclass(frozen=True)
class Evidence:
    """What tells copies among the rows of a pool.

    Attributes:
        fingerprints: (n, 256) uint8; anything in rows without one
        known: (n,) bool, True in rows that have a fingerprint
        altered (None): (m,) agreement of altered copies of some of the images, see :func:`.altered_agreement`; made
            from the fingerprints themselves by default
        distinct (()): pairs of rows that somebody said are no copies; nor are they counted as such
        preference (None): gives numbers to the rows in groups of several, of which the highest represents its group;
            by default the most central row does
        followers (none): (m, 2) int64 pairs of rows that were taken one after another, by what says so, e.g. file
            names; how much each is worth is read from the fingerprints
    """

    fingerprints: np.ndarray
    known: np.ndarray
    altered: np.ndarray | None = None
    distinct: Sequence[tuple[int, int]] = ()
    preference: Callable[[np.ndarray], np.ndarray] | None = None
    followers: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NearCopies(NearDuplicates):
    """Groups of near-copies; a row without copies is a group of its own.

    Attributes:
        representative: (n,) int64 the row that stands for the group of every row
        agreement: (n,) float32 agreement of the fingerprint with the representative's
        probability: (n,) float32 probability of being a near-copy of it; 1 in exact copies and in itself
        exact: (n,) bool, True in rows with the same fingerprint and the same vector as their representative
        known: (n,) bool, True in rows that have a fingerprint
        false_alarm_rate: expected share of the linked pairs that are no copies
        model (None): what tells pairs of this pool, None if no image could be recognised
        in_order (none): what tells pairs of rows that were taken one after another, by what says so
    """

    representative: np.ndarray
    agreement: np.ndarray
    probability: np.ndarray
    exact: np.ndarray
    known: np.ndarray
    false_alarm_rate: float
    model: CopyModel | None = None
    in_order: Mapping[str, CopyModel] = field(default_factory=dict)


def near_copies(unit: np.ndarray, evidence: Evidence, *, seed: int = 0, num_workers: int | None = None) -> NearCopies:
    """Groups near-copies: neighbours in the embedding whose fingerprints agree as those of altered copies do.

    Exact copies are put together first. Then every row is compared with its 10 nearest neighbours, and with those that
    were taken just before and after it. A group is what links connect, cut where members do not resemble its most
    central row.

    Args:
        unit: (n, d) float32 unit-norm embeddings
        evidence: the fingerprints
        seed (0): seed of the neighbour search, and of altered copies
        num_workers (None): threads; the result does not depend on it

    Returns:
        the groups

    Example::

        found = near_copies(unit, Evidence(fingerprints, np.ones(len(unit), dtype=bool)))
        kept = np.flatnonzero(found.representatives())
    """
    prints = evidence.fingerprints
    first = _exact_copies(unit, prints, evidence.known)
    rows = np.flatnonzero((first == np.arange(len(unit))) & evidence.known)
    search = _Search(unit[rows], prints[rows], _places(evidence.distinct, first, rows), seed, num_workers)
    followers = {name: _places(pairs, first, rows) for name, pairs in evidence.followers.items()}
    representative = np.arange(len(unit))
    if len(rows) > 1:
        altered = evidence.altered
        if altered is None:
            altered = altered_agreement(altered_fingerprints(prints[rows], seed))
        representative[rows] = rows[search.representatives(altered, followers)]
    representative = representative[first]
    if evidence.preference is not None:
        representative = _preferred(representative, evidence.preference)
    others = np.flatnonzero(representative != np.arange(len(unit)))
    agrees = np.ones(len(unit), dtype=np.float32)
    agrees[others] = agreement(prints, representative[others], others, num_workers)
    same = first == first[representative]
    probability = np.ones(len(unit), dtype=np.float32)
    if len(others):
        place = _place(first, rows)
        told = ~same
        probability[told] = search.probability(place[first[representative[told]]], place[first[told]], agrees[told])
    distance = [
        np.linalg.norm(unit[others[part]] - unit[representative[others[part]]], axis=1).max()
        for part in blocks(len(others))
    ]
    groups = np.unique(representative, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return NearCopies(
        groups=groups,
        radius=float(max(distance, default=0)),
        clear=many_groups(np.bincount(groups) > 1) or many_groups(representative != np.arange(len(unit))),
        by_pixels=True,
        centrality=np.where(representative == np.arange(len(unit)), 0, 2 - agrees).astype(np.float32),
        representative=representative,
        agreement=np.where(same, 1, agrees).astype(np.float32),
        probability=probability,
        exact=same & evidence.known,
        known=evidence.known,
        false_alarm_rate=search.false_alarm_rate,
        model=search.model,
        in_order=search.in_order,
    )


class _Search:
    """Groups rows that all have a fingerprint, and are all different.

    Args:
        unit: (n, d) float32
        prints: (n, 256) uint8
        distinct: (m, 2) int64 pairs of rows that are no copies, the lower first
        seed: of the neighbour search
        num_workers: threads
    """

    def __init__(self, unit: np.ndarray, prints: np.ndarray, distinct: np.ndarray, seed: int, num_workers: int | None):
        self.unit, self.prints = unit, prints
        self.distinct = np.sort(self._keys(*distinct.T))
        self.seed, self.num_workers = seed, num_workers
        self.model: CopyModel | None = None
        self.in_order: dict[str, CopyModel] = {}
        self.left = self.right = np.empty(0, dtype=np.int64)
        self.doubt = np.empty(0)

    @property
    def false_alarm_rate(self) -> float:
        """Expected share of the linked pairs that are no copies."""
        return float(self.doubt.mean()) if len(self.doubt) else 0.0

    def representatives(self, altered: np.ndarray, followers: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n,) int64 the representative of every row."""
        heads = np.arange(len(self.unit))
        found = heads
        for turn in range(_ROUNDS):
            known = len(self.left)
            indices, _ = nearest_neighbors(self.unit[heads], NEIGHBORS, seed=self.seed, num_workers=self.num_workers)
            near = heads[indices]
            self._link_neighbors(heads, near, altered)
            for name, pairs in followers.items() if turn == 0 else ():
                self._link_followers(name, pairs, altered)
            if len(self.left) == known:
                break
            found = self._cut()
            large = (np.bincount(found[heads], minlength=len(found)) > NEIGHBORS)[found]
            around = large[heads] | large[near].any(axis=1)
            if not around.any():
                break
            heads = _distinct(found[np.r_[heads[around], near[large[heads]].ravel()]])
        return found

    def _link_neighbors(self, heads: np.ndarray, near: np.ndarray, altered: np.ndarray) -> None:
        """Compares rows with their nearest neighbours among each other, and links those that are copies."""
        keys = _distinct(self._keys(np.repeat(heads, near.shape[1]), near.ravel()))
        keys = keys[~_among(keys, self._links())]
        left, right = np.divmod(keys, len(self.unit))
        agrees = agreement(self.prints, left, right, self.num_workers)
        if self.model is None:
            self.model = self._model(left, right, agrees, altered)
        self._link(left, right, self._told(self.model, left, right, agrees))

    def _link_followers(self, name: str, pairs: np.ndarray, altered: np.ndarray) -> None:
        """Links rows that were taken one after another and are copies.

        They have a model of their own: where such pairs mostly are copies less agreement is enough, and where they are
        pairs like any other nothing is gained.
        """
        left, right = pairs.T
        agrees = agreement(self.prints, left, right, self.num_workers)
        model = self._model(left, right, agrees, altered)
        if model is not None:
            self.in_order[name] = model
        probability = self._told(model, left, right, agrees)
        new = ~_among(self._keys(left, right), self._links())
        self._link(left[new], right[new], probability[new])

    def _link(self, left: np.ndarray, right: np.ndarray, probability: np.ndarray) -> None:
        """Links the pairs that are near-copies by their probability."""
        link = probability >= LINK
        self.left, self.right = np.r_[self.left, left[link]], np.r_[self.right, right[link]]
        self.doubt = np.r_[self.doubt, 1 - probability[link]]

    def _model(self, left: np.ndarray, right: np.ndarray, agrees: np.ndarray, altered: np.ndarray) -> CopyModel | None:
        """What tells copies among pairs such as these, of which people told some apart."""
        apart = _among(self._keys(left, right), self.distinct)
        return CopyModel.fit(agrees[~apart], altered, agrees[apart])

    def _told(self, model: CopyModel | None, left: np.ndarray, right: np.ndarray, agrees: np.ndarray) -> np.ndarray:
        """The probability that pairs are near-copies, as the model and people see it."""
        found = np.zeros(len(left), dtype=np.float32) if model is None else model.probability(agrees)
        found[_among(self._keys(left, right), self.distinct)] = 0
        return found

    def probability(self, left: np.ndarray, right: np.ndarray, agrees: np.ndarray) -> np.ndarray:
        """(p,) float32 probability that pairs are near-copies: that of their link where they have one."""
        found = self._told(self.model, left, right, agrees)
        if len(self.left):
            links, keys = self._keys(self.left, self.right), self._keys(left, right)
            order = np.argsort(links)
            place = order[np.searchsorted(links, keys, sorter=order).clip(max=len(links) - 1)]
            found = np.where(links[place] == keys, 1 - self.doubt[place], found).astype(np.float32)
        return found

    def _keys(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """A number for every pair of rows, whichever comes first."""
        return np.minimum(a, b) * len(self.unit) + np.maximum(a, b)

    def _links(self) -> np.ndarray:
        """The numbers of all links, ascending."""
        return np.sort(self._keys(self.left, self.right))

    def _cut(self) -> np.ndarray:
        """(n,) int64 representatives: of what links connect, the members that resemble the most central one, and so on.

        Chains, e.g. of a camera that pans, would else run from one scene into another.
        """
        n = len(self.unit)
        found = np.arange(n)
        left, right = self.left, self.right
        while len(left):
            part = linked(n, left, right)
            waiting = _distinct(np.r_[left, right])
            head, stays = self._best_centers(waiting, part[waiting])
            found[waiting[stays]] = head[stays]
            left_over = np.zeros(n, dtype=bool)
            left_over[waiting[~stays]] = True
            keep = left_over[left] & left_over[right]
            left, right = left[keep], right[keep]
        return found

    def _best_centers(self, rows: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The representative of every row's part, one of the most central rows, and whether the row resembles it."""
        best = np.zeros(int(part.max()) + 1, dtype=np.int64)
        head, stays = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=bool)
        asked = np.ones(len(rows), dtype=bool)
        links = self._links()
        for place in range(_CENTERS):
            center = _central(self.unit, rows, part, place)[part]
            alike = asked & ((center == rows) | _among(self._keys(center, rows), links))
            unknown = asked & ~alike
            agrees = agreement(self.prints, center[unknown], rows[unknown], self.num_workers)
            alike[unknown] = self._told(self.model, center[unknown], rows[unknown], agrees) >= STAY
            count = np.bincount(part[alike], minlength=len(best))
            better = (count > best)[part]
            head[better], stays[better] = center[better], alike[better]
            best = np.maximum(best, count)
            asked = (best < np.bincount(part, minlength=len(best)))[part]
            if not asked.any():
                break
        return head, stays


def _distinct(numbers: np.ndarray) -> np.ndarray:
    """What ``np.unique`` gives, by sorting: its hash table takes several times as long."""
    ordered = np.sort(numbers)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def _among(numbers: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(m,) bool, True in numbers that are among the known ones, which ascend."""
    if not len(known):
        return np.zeros(len(numbers), dtype=bool)
    return known[np.searchsorted(known, numbers).clip(max=len(known) - 1)] == numbers


def _central(unit: np.ndarray, rows: np.ndarray, part: np.ndarray, place: int) -> np.ndarray:
    """(p,) int64 for every part the row that is nearest to the mean of its rows but ``place``, or the last there is."""
    count = int(part.max()) + 1
    members = csr_matrix((np.ones(len(rows), dtype=np.float32), (part, np.arange(len(rows)))), shape=(count, len(rows)))
    means = members @ unit[rows] / np.maximum(np.bincount(part, minlength=count), 1)[:, None]
    order = np.lexsort((rows, np.linalg.norm(unit[rows] - means[part], axis=1), part))
    starts = np.flatnonzero(np.r_[True, np.diff(part[order]) != 0])
    sizes = np.diff(np.r_[starts, len(order)])
    chosen = order[starts + np.minimum(place, sizes - 1)]
    center = np.zeros(count, dtype=np.int64)
    center[part[chosen]] = rows[chosen]
    return center


def _exact_copies(unit: np.ndarray, prints: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(n,) int64 the first row with the same fingerprint and the same vector; images of one colour tell nothing."""
    first = np.arange(len(unit))
    rows = np.flatnonzero(known)
    rows = rows[(prints[rows] != prints[rows, :1]).any(axis=1)]
    if len(rows) < 2:
        return first
    words = np.ascontiguousarray(prints[rows]).view(np.uint64)
    multipliers = np.random.default_rng(0).integers(0, 2**63, words.shape[1], dtype=np.uint64) * 2 + 1
    keys = words @ multipliers
    order = np.argsort(keys, kind="stable")
    starts = np.r_[True, np.diff(keys[order]) != 0]
    head = rows[order[starts]][np.cumsum(starts) - 1]
    same = rows[order]
    close = np.linalg.norm(unit[same] - unit[head], axis=1) <= EQUAL
    first[same[close]] = head[close]
    return first


def _places(pairs: Sequence[tuple[int, int]] | np.ndarray, first: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(m, 2) int64 pairs of different places in ``rows``, each once; pairs with other rows are left out."""
    found = np.sort(_place(first, rows)[first[np.asarray(pairs, dtype=np.int64).reshape(-1, 2)]], axis=1)
    return np.unique(found[(found[:, 0] >= 0) & (found[:, 0] < found[:, 1])], axis=0)


def _place(first: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(n,) int64 the place of a row in ``rows``, or -1."""
    place = np.full(len(first), -1)
    place[rows] = np.arange(len(rows))
    return place


def _preferred(representative: np.ndarray, preference: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The row with the highest preference in place of every representative, which stays where several are equal."""
    shared = np.flatnonzero(np.bincount(representative, minlength=len(representative))[representative] > 1)
    if not len(shared):
        return representative
    value = np.nan_to_num(np.asarray(preference(shared), dtype=float), nan=-np.inf)
    order = shared[np.lexsort((representative[shared] != shared, -value, representative[shared]))]
    first = order[np.r_[True, np.diff(representative[order]) != 0]]
    chosen = np.arange(len(representative))
    chosen[representative[first]] = first
    return chosen[representative]
