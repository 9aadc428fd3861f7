"""One group for each image of several labels, so that quotas can be kept over labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence


def strata(labels: Sequence[Sequence[Hashable] | None]) -> list[Hashable | None]:
    """Assigns every image to one of its labels, rare labels first.

    The order is that of iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the stratification of
    multi-label data", ECML PKDD 2011): again and again, the label with the fewest images left takes all of them. There
    each goes to the part that lacks the label most; here they form a group, and the quota of the group says how many
    are kept. So rare labels get what they are due, though their images show common things too; of a common label more
    is kept than its group says, for it comes along with rarer ones.

    Args:
        labels: the labels of each image, one for each object, in any number; None or empty if it has none

    Returns:
        one label for each image, None where it has none. The order of the images does not matter; among labels of
        equally many images the one with fewer objects comes first, then the name decides

    Example::

        assert strata([["car"], ["car", "bus"], ["car"], None]) == ["car", "bus", "car", None]
    """
    holders: dict[Hashable, set[int]] = defaultdict(set)
    objects: Counter[Hashable] = Counter()
    for row, of_row in enumerate(labels):
        for label in of_row or ():
            if label is not None:
                holders[label].add(row)
                objects[label] += 1
    assigned: list[Hashable | None] = [None] * len(labels)
    while holders:
        rarest = min(holders, key=lambda label: (len(holders[label]), objects[label], str(label)))
        taken = holders.pop(rarest)
        for row in taken:
            assigned[row] = rarest
            for label in set(labels[row] or ()):
                if label in holders:
                    holders[label].discard(row)
        holders = {label: rows for label, rows in holders.items() if rows}
    return assigned
