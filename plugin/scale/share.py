"""A share of the units, for one of several machines."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import CoresetError


@dataclass(frozen=True)
class Share:
    """Every so many units.

    Attributes:
        place: which share, from 1
        of: how many shares there are
    """

    place: int
    of: int

    @classmethod
    def parse(cls, text: str | None) -> Share | None:
        """Reads ``"I/N"``; None stays None.

        Raises:
            CoresetError: if it is anything else

        Examples:
            >>> Share.parse("3/64")
            Share(place=3, of=64)
        """
        if text is None:
            return None
        found = re.fullmatch(r"([0-9]+)/([0-9]+)", str(text).strip())
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise CoresetError(f"units must be I/N with I from 1 to N, e.g. 3/64, got {text!r}")
        return cls(int(found[1]), int(found[2]))

    def units(self, n_units: int) -> range:
        """The numbers of the units of the share."""
        return range(self.place - 1, n_units, self.of)


def units_of(share: Share | None, n_units: int) -> range:
    """The numbers of the units to work on."""
    return range(n_units) if share is None else share.units(n_units)
