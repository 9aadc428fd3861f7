"""The panel's events about groups of near-duplicates: what is shown of them, and what is done with them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ..plugin.dataset.decisions import decide_apart, decide_representative, withdraw
from ..plugin.dataset.rows import counted, group_members, one
from ..plugin.dataset.tags import delete_rows, tag_rows, tagged, untag_rows
from ..plugin.errors import CoresetError
from ..plugin.request import bare_view
from . import grid
from .events import PLUGIN, OfRun, event, run_of
from .groups import SHOWN, Groups, groups_of, known, page, same_groups

if TYPE_CHECKING:
    from .runs import PanelRun

#: Tags of what representatives stand for, and of what is to be deleted once that is confirmed.
TAG, DELETE_TAG = "coreset_redundant", "coreset_delete"

#: Groups of a page, images that follow of a group, and groups that can be selected.
_MAX_PAGE = 100
_MAX_MEMBERS = 200
_MAX_SELECTED = 100_000

#: Why frames are not marked.
_NO_TAGS = (
    "FiftyOne keeps no tags of frames, so they are neither tagged, hidden nor deleted here; a coreset view can show "
    "one of each group."
)

_Number = Annotated[int, Field(ge=0)]
_Id = Annotated[str, Field(pattern="^[0-9a-f]{24}$", title="image")]


class Look(OfRun):
    """Whether groups that were found before will do."""

    again: bool = False


class OfGroups(OfRun):
    """An event about groups that were found before."""

    version: str = Field(max_length=100)


class Page(OfGroups):
    """The groups that come into sight."""

    groups: list[_Number] = Field(max_length=_MAX_PAGE)


class OfGroup(OfGroups):
    """An event about one group."""

    group: _Number


class More(OfGroup):
    """The images of a group from one place on."""

    start: int = Field(SHOWN, ge=0)


class OfMember(OfGroup):
    """An event about one image of a group."""

    id: _Id


class Apart(OfGroup):
    """What is no copy: one image of a group, or by default none of them is a copy of another."""

    id: _Id | None = None


class Chosen(OfGroups):
    """Groups: those with these numbers, or all copies that are certain enough."""

    groups: list[_Number] | None = Field(None, max_length=_MAX_SELECTED, title="groups")
    at_least: float | None = Field(None, ge=0, le=1, title="certainty")


class Mark(Chosen):
    """What to do with what the representatives of groups stand for."""

    action: Literal["tag", "hide", "delete"]


class Confirmed(OfRun):
    """How many images the person has agreed to delete."""

    count: int = Field(ge=1)


class Undo(OfRun):
    """Which action to undo."""

    token: str = Field(max_length=100)


class Open(OfRun):
    """The image to open."""

    id: _Id


class GroupEvents:
    """The events; a part of the panel."""

    @event(Look)
    def load_groups(self, ctx: Any, params: Look) -> dict[str, Any]:
        run = run_of(ctx, params)
        groups = groups_of(run, params.again)
        return {**groups.payload(), "marked": len(_marked(run)), "fingerprints": groups.false_alarm_rate is not None}

    @event(Page)
    def load_group_page(self, ctx: Any, params: Page) -> dict[str, Any]:
        run = run_of(ctx, params)
        return {"groups": page(run, same_groups(run, params.version), params.groups)}

    @event(More)
    def load_members(self, ctx: Any, params: More) -> dict[str, Any]:
        run = run_of(ctx, params)
        stop = params.start + _MAX_MEMBERS
        return page(run, same_groups(run, params.version), [params.group], params.start, stop)[0]

    @event(OfMember)
    def keep_instead(self, ctx: Any, params: OfMember) -> dict[str, Any]:
        run = run_of(ctx, params)
        with run.lock:
            groups, number, members = _group(run, params)
            if params.id not in members:
                raise CoresetError(f"This {one(run.noun)} is not in the group.")
            if params.id == members[0]:
                raise CoresetError(f"This {one(run.noun)} stands for its group already.")
            rest = [row_id for row_id in members if row_id != params.id]
            decision = decide_representative(run.dataset, params.id)
            restore = groups.change(run, number, [params.id, *rest])
        self._unmark(ctx, run, [params.id])
        undo = groups.undoable(partial(_reconsidered, run, decision, restore))
        return {"message": "This one stands for the group now.", "undo": undo, **_changed(groups, number)}

    @event(Apart)
    def not_copies(self, ctx: Any, params: Apart) -> dict[str, Any]:
        run = run_of(ctx, params)
        with run.lock:
            groups, number, members = _group(run, params)
            if params.id is not None and params.id not in members:
                raise CoresetError(f"This {one(run.noun)} is not in the group.")
            out = members if params.id is None else [params.id]
            left = [row_id for row_id in members if row_id not in out]
            decision = decide_apart(run.dataset, [*([row_id] for row_id in out), *([left] if left else [])])
            restore = groups.change(run, number, left)
        self._unmark(ctx, run, out if len(left) > 1 else members)
        message = f"Remembered: this {one(run.noun)} is no copy of the others."
        if params.id is None:
            message = f"Remembered: these {len(members):,} {run.noun} are no copies of each other."
        undo = groups.undoable(partial(_reconsidered, run, decision, restore))
        return {"message": message, "undo": undo, **_changed(groups, number)}

    @event(Mark)
    def mark_rest(self, ctx: Any, params: Mark) -> dict[str, Any]:
        run = run_of(ctx, params)
        groups = same_groups(run, params.version)
        if run.are_frames:
            raise CoresetError(_NO_TAGS)
        numbers = groups.chosen(params.groups, params.at_least)
        rows, tag = run.results.rows(), DELETE_TAG if params.action == "delete" else TAG
        rest = groups.rest(numbers)
        written = tag_rows(rows, _with_slices(run, rest), tag)
        fresh = set(written).intersection(rest)
        message = f"Tagged {counted(len(fresh), run.noun)} '{tag}'."
        if len(fresh) < len(rest):
            message = f"{message[:-1]}; {len(rest) - len(fresh):,} had the tag already."
        before = bare_view(ctx)
        if params.action == "hide":
            ctx.ops.set_view(view=grid.without_tag(run, before, TAG))
            message = f"Hidden: {counted(len(rest), run.noun)}, tagged '{tag}'. The view can be saved."
        ctx.ops.reload_samples()

        def undo(ctx: Any) -> str:
            untag_rows(rows, written, tag)
            if params.action == "hide":
                ctx.ops.set_view(view=before)
            ctx.ops.reload_samples()
            return f"Removed the tag '{tag}' from {counted(len(fresh), run.noun)}."

        return {"message": message, "undo": groups.undoable(undo), "marked": len(_marked(run))}

    @event(Confirmed)
    def delete_marked(self, ctx: Any, params: Confirmed) -> dict[str, Any]:
        run = run_of(ctx, params)
        ids = _marked(run)
        if len(ids) != params.count:
            raise CoresetError(
                f"{counted(len(ids), run.noun)} {_are(len(ids))} tagged '{DELETE_TAG}' now, not {params.count:,}; look "
                "again before you delete."
            )
        delete_rows(run.results.rows(), _with_slices(run, ids))
        with run.lock:
            if run.groups is not None:
                run.groups.drop(run, ids)
        ctx.ops.reload_dataset()
        return {"message": f"Deleted {counted(len(ids), run.noun)} from the dataset. The files are still there."}

    @event(OfRun)
    def unmark_all(self, ctx: Any, params: OfRun) -> dict[str, Any]:
        run = run_of(ctx, params)
        ids = _marked(run)
        untag_rows(run.results.rows(), _with_slices(run, ids), DELETE_TAG)
        ctx.ops.reload_samples()
        message = f"Nothing was deleted. Removed the tag '{DELETE_TAG}' from {counted(len(ids), run.noun)}."
        return {"message": message, "marked": 0}

    @event(OfRun)
    def compute_fingerprints(self, ctx: Any, params: OfRun) -> dict[str, Any]:
        run = run_of(ctx, params)
        rows = "images" if run.are_frames else run.config.patches_field or "images"
        ctx.prompt(f"{PLUGIN}/compute_fingerprints", params={"rows": rows}, on_success=self.on_fingerprints)
        return {"shown": 0}

    def on_fingerprints(self, ctx: Any) -> None:
        """Fingerprints were taken: look for copies again."""
        ctx.panel.set_data("fingerprints_version", uuid.uuid4().hex)

    @event(Undo)
    def undo(self, ctx: Any, params: Undo) -> dict[str, Any]:
        run = run_of(ctx, params)
        groups = groups_of(run)
        return {"message": groups.undo(params.token, ctx), "marked": len(_marked(run))}

    @event(Chosen)
    def show_groups(self, ctx: Any, params: Chosen) -> dict[str, Any]:
        run = run_of(ctx, params)
        groups = same_groups(run, params.version)
        ids = [row_id for number in groups.chosen(params.groups, params.at_least) for row_id in groups.members[number]]
        if len(ids) > grid.MAX_IDS:
            ctx.ops.notify(f"Showing the first {grid.MAX_IDS:,} of {len(ids):,} {run.noun}.")
        view = grid.ordered_view(run, ids)
        ctx.ops.set_view(view=view)
        return {"shown": len(view)}

    def _unmark(self, ctx: Any, run: PanelRun, ids: Sequence[str]) -> None:
        """What stands for a group, or is no copy, must not be deleted for an earlier tag."""
        if run.are_frames:
            return
        for tag in (TAG, DELETE_TAG):
            untag_rows(run.results.rows(), _with_slices(run, ids), tag)
        ctx.ops.reload_samples()


def _group(run: PanelRun, params: OfGroup) -> tuple[Groups, int, list[str]]:
    groups = same_groups(run, params.version)
    number = groups.checked(params.group)
    if not groups.size(number):
        raise CoresetError("This group is not left.")
    return groups, number, groups.members[number]


def _with_slices(run: PanelRun, ids: Sequence[str]) -> list[str]:
    """The samples that rows stand for: all slices of whole groups."""
    return list(group_members(run.dataset, ids)) if run.config.whole_groups else list(ids)


def _marked(run: PanelRun) -> list[str]:
    """The rows that are to be deleted once that is confirmed; of groups, those that the run ranks."""
    if run.are_frames:
        return []
    found = tagged(run.results.rows(), DELETE_TAG)
    return sorted(found.intersection(run.ids.tolist()) if run.config.whole_groups else found)


def _reconsidered(run: PanelRun, decision: str, restore: Any, ctx: Any) -> str:
    withdraw(run.dataset, decision)
    restore()
    return "Taken back."


def _changed(groups: Groups, number: int) -> dict[str, Any]:
    """How one group is now."""
    certainty, distance = groups.certainty(number), groups.distance(number)
    size = groups.size(number)
    return {"group": number, "size": size, "certainty": known(certainty), "distance": known(distance)}


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
