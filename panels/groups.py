"""Groups of near-duplicates as the panel shows them: found once for a run, changed by what a person decides."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..plugin.coreset_view import in_own_slice
from ..plugin.dataset.decisions import read_decisions
from ..plugin.dataset.frames import frames_by_id
from ..plugin.errors import CoresetError
from .payload import encode

if TYPE_CHECKING:
    from ..plugin.runs.near_duplicates import NearDuplicates
    from .runs import PanelRun

#: Kinds of groups, by their code on the wire.
KINDS = ("exact", "near-copy", "look-alike")

#: Images of a group that are sent with it; the others follow when they are asked for.
SHOWN = 24

#: Actions that can be undone.
_UNDONE = 50


class Groups:
    """Groups of near-duplicates, numbered once; a group that is dissolved keeps its number and is empty.

    Attributes:
        version: changes whenever the numbers do
        members: ids of every group, the representative first
        kinds: the kind of every group
        evidence: (m, 3) of every group: distance, agreement and probability of each member and the representative, NaN
            where unknown and in the representative's own row
        false_alarm_rate: expected share of pairs of near-copies that are none, or None
        n_alive: the rows of the run that existed when the groups were found
    """

    def __init__(self, near: NearDuplicates, n_alive: int):
        self.version = uuid.uuid4().hex
        self.members = [list(group) for group in near.groups]
        self.kinds = list(near.kinds)
        self.evidence = _evidence(near)
        self.false_alarm_rate = near.false_alarm_rate
        self.n_alive = n_alive
        self._undo: OrderedDict[str, Callable[[Any], str]] = OrderedDict()

    def payload(self) -> dict[str, Any]:
        """Kind, size, certainty and largest distance of every group."""
        numbers = range(len(self.members))
        return {
            "version": self.version,
            "kinds": encode(np.array([KINDS.index(kind) for kind in self.kinds], dtype=np.uint8)),
            "sizes": encode(np.array([self.size(number) for number in numbers], dtype=np.uint32)),
            "certainty": encode(np.array([self.certainty(number) for number in numbers], dtype=np.float32)),
            "distance": encode(np.array([self.distance(number) for number in numbers], dtype=np.float32)),
            "falseAlarms": self.false_alarm_rate,
        }

    def size(self, number: int) -> int:
        """Images of a group; 0 if only one is left, which repeats nothing."""
        return len(self.members[number]) if len(self.members[number]) > 1 else 0

    def certainty(self, number: int) -> float:
        """The probability that the least certain member is a copy of the representative; NaN for look-alikes."""
        if self.kinds[number] == "look-alike" or not self.size(number):
            return np.nan
        return 1.0 if self.kinds[number] == "exact" else float(self.evidence[number][1:, 2].min())

    def distance(self, number: int) -> float:
        """The largest distance of a member to the representative."""
        return float(self.evidence[number][1:, 0].max()) if self.size(number) else np.nan

    def chosen(self, numbers: Sequence[int] | None, at_least: float | None) -> list[int]:
        """Groups by their numbers, or all copies that are certain enough.

        Raises:
            CoresetError: if there is no such group, or none is left
        """
        if numbers is None:
            least = 0.0 if at_least is None else at_least
            found = [number for number in range(len(self.members)) if self.certainty(number) >= least]
        else:
            found = [self.checked(number) for number in dict.fromkeys(numbers)]
        found = [number for number in found if self.size(number)]
        if not found:
            raise CoresetError("None of these groups is left.")
        return found

    def checked(self, number: int) -> int:
        """A number that is one.

        Raises:
            CoresetError: if there is no such group
        """
        if not 0 <= number < len(self.members):
            raise CoresetError(f"There is no group {number}.")
        return number

    def rest(self, numbers: Iterable[int]) -> list[str]:
        """What representatives stand for."""
        return [row_id for number in numbers for row_id in self.members[number][1:]]

    def change(self, run: PanelRun, number: int, members: list[str]) -> Callable[[], None]:
        """Gives a group other members, all of them its own, and returns what restores it."""
        before = self.members[number], self.evidence[number]

        def restore() -> None:
            self.members[number], self.evidence[number] = before

        self.members[number], self.evidence[number] = members, self._evidence_of(run, number, members)
        return restore

    def append(self, run: PanelRun, number: int, members: list[str]) -> None:
        """Adds a group that was part of another."""
        self.evidence.append(self._evidence_of(run, number, members))
        self.members.append(members)
        self.kinds.append(self.kinds[number])

    def drop(self, run: PanelRun, ids: Iterable[str]) -> None:
        """Takes out what was deleted."""
        gone = set(ids)
        for number, members in enumerate(self.members):
            left = [row_id for row_id in members if row_id not in gone]
            if len(left) < len(members):
                self.change(run, number, left)
        self.n_alive = int(run.results.alive().sum())
        self._undo.clear()  # it would bring back what is gone

    def _evidence_of(self, run: PanelRun, number: int, members: list[str]) -> np.ndarray:
        """The evidence for some members of a group, measured from the first of them.

        Probabilities are those of the pairs with the group's representative, which every member was compared with.
        """
        if not members:
            return self.evidence[number][:0]
        leader = self.members[number][0]
        known = dict(zip(self.members[number], self.evidence[number][:, 2], strict=True))
        known |= {leader: known[members[0]], members[0]: np.nan}
        probability = [known[row_id] for row_id in members]
        return np.column_stack([run.compared(members[0], members), probability])

    def undoable(self, undo: Callable[[Any], str]) -> str:
        """Remembers how an action is undone, and gives the word for it."""
        token = uuid.uuid4().hex
        self._undo[token] = undo
        while len(self._undo) > _UNDONE:
            self._undo.popitem(last=False)
        return token

    def undo(self, token: str, ctx: Any) -> str:
        """Undoes an action, once.

        Raises:
            CoresetError: if it was undone, or too long ago
        """
        undo = self._undo.pop(token, None)
        if undo is None:
            raise CoresetError("This can no longer be undone here; tags can be removed in the grid.")
        return undo(ctx)


def groups_of(run: PanelRun, again: bool = False) -> Groups:
    """The groups of a run, found once.

    Args:
        run: the run
        again (False): whether to look again, for new images, fingerprints and decisions of others
    """
    with run.lock:
        n_alive = int(run.results.alive().sum())
        if run.groups is None or again or run.groups.n_alive != n_alive:
            run.groups = _find(run, n_alive)
        return run.groups


def _find(run: PanelRun, n_alive: int) -> Groups:
    from ..plugin.runs.near_duplicates import near_duplicates

    samples = in_own_slice(run.results, run.results.samples)
    near = near_duplicates(samples, run.config.embeddings or run.results.source(), seed=run.config.seed, progress=False)
    groups = Groups(near, n_alive)
    decisions = read_decisions(run.dataset)
    for number in range(len(groups.members)):
        first, *others = decisions.regrouped(groups.members[number]) or [[]]
        for part in others:
            groups.append(run, number, part)
        if first != groups.members[number]:
            groups.change(run, number, first)
    return groups


def same_groups(run: PanelRun, version: str) -> Groups:
    """The groups that a browser speaks of.

    Raises:
        CoresetError: if they were found anew since
    """
    groups = run.groups
    if groups is None or groups.version != version:
        raise CoresetError("The groups have changed meanwhile; look at them again.")
    return groups


def page(run: PanelRun, groups: Groups, numbers: Iterable[int], start: int = 0, stop: int = SHOWN) -> list[dict]:
    """What is shown of some groups: their images from one place to another."""
    shown = {number: groups.members[groups.checked(number)][start:stop] for number in numbers}
    described = _described(run, [row_id for ids in shown.values() for row_id in ids])
    rank = run.rank_of
    found = []
    for number, ids in shown.items():
        evidence = groups.evidence[number][start:stop].tolist()
        members = [
            {
                "id": row_id,
                "rank": rank.get(row_id),
                **described.get(row_id, {"path": None, "box": None, "size": None, "tags": []}),
                **{name: known(value) for name, value in zip(_EVIDENCE, values, strict=True)},
            }
            for row_id, values in zip(ids, evidence, strict=True)
        ]
        found.append({"group": number, "members": members})
    return found


_EVIDENCE = ("distance", "agreement", "probability")


def known(value: float) -> float | None:
    """A number as JSON holds it, None for NaN."""
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _described(run: PanelRun, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Path, size in pixels, tags, and place in the image of rows by their ids; deleted ones are left out."""
    rows = run.results.rows()
    media_field = run.dataset.app_config.grid_media_field or "filepath"
    files = ["filepath", media_field, "metadata.width", "metadata.height"]
    found: dict[str, dict[str, Any]] = {}
    if rows.patches_field is None:
        for row_id, path, thumbnail, width, height, tags in zip(
            *rows.samples.select(ids).values(["id", *files, "tags"]), strict=True
        ):
            found[row_id] = _described_one(thumbnail or path, None, width, height, tags)
        return found
    if run.are_frames:  # which have no tags
        frames = frames_by_id(run.dataset, ids)
        return {row_id: _described_one(frame.filepath, None, None, None, None) for row_id, frame in frames.items()}
    field = rows.patches_field
    inner = [rows.path(name) for name in ("id", "tags")]
    boxed = run.dataset.has_field(rows.path("bounding_box"))
    chosen = rows.source.select_labels(ids=ids, fields=field)
    columns = chosen.values([*files, *inner, *([rows.path("bounding_box")] if boxed else [])])
    for path, thumbnail, width, height, row_ids, tags, *boxes in zip(*columns, strict=True):
        listed = isinstance(row_ids, list)
        for place, row_id in enumerate(row_ids if listed else [row_ids]):
            own = [column[place] if listed else column for column in (tags, *boxes)]
            found[row_id] = _described_one(thumbnail or path, own[1] if boxed else None, width, height, own[0])
    return found


def _described_one(path: str | None, box: Any, width: int | None, height: int | None, tags: list[str] | None) -> dict:
    return {"path": path, "box": box, "size": [width, height] if width and height else None, "tags": tags or []}


def _evidence(near: NearDuplicates) -> list[np.ndarray]:
    """The evidence for every member of every group, in its order."""
    found = [np.full((len(group), len(_EVIDENCE)), np.nan) for group in near.groups]
    place = {  # what stands for its copies may have look-alikes too
        (kind == "look-alike", row_id): (number, at)
        for number, (group, kind) in enumerate(zip(near.groups, near.kinds, strict=True))
        for at, row_id in enumerate(group)
    }
    numbers = np.column_stack([near.pairs[name] for name in _EVIDENCE])
    alike = near.pairs["kind"] == "look-alike"
    for row, pair in enumerate(zip(near.pairs["id_a"].tolist(), near.pairs["id_b"].tolist(), strict=True)):
        (number, leads), (other, at) = (place.get((bool(alike[row]), row_id), (-1, -1)) for row_id in pair)
        if leads == 0 and number == other:
            found[number][at] = numbers[row]
    return found
