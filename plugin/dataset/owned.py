"""Fields that a run owns: declared with a mark, and proven by it before anything is changed or deleted.

The mark is the entry ``"coreset_run"`` of the field's ``info``: the run's id, the field's path and what it holds. A
field that a user copied or renamed carries the mark of another path, and is the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..errors import CoresetError
from .journal import journal
from .lock import schema_turn
from .rows import FRAMES, IN_FRAMES, container

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset

_INFO_KEY = "coreset_run"

#: Columns that views are made of: the rank of rows, and on every sample of a group, the rank of the group.
RANKS = ("rank", "group_rank")

#: Why frames are not tagged.
NO_FRAME_TAGS = (
    "FiftyOne keeps no tags of frames; use field= to mark them in a field, or make a dataset of images of them, with "
    "to_frames(sample_frames=True).clone()"
)

#: How often a declaration is repeated that a writer without this package has undone.
_ATTEMPTS = 3


def owned_fields(dataset: Dataset, run_id: str | None = None) -> dict[str, dict[str, str]]:
    """The fields that carry the mark of a run.

    Args:
        dataset: the dataset
        run_id (None): the run, or None for all runs

    Returns:
        a dict from path to mark, with the keys ``"run"``, ``"path"`` and ``"column"``
    """
    marks = {path: (field.info or {}).get(_INFO_KEY) for path, field in all_fields(dataset).items()}
    return {
        path: mark for path, mark in marks.items() if mark and mark["path"] == path and run_id in (None, mark["run"])
    }


def all_fields(dataset: Dataset) -> dict[str, Any]:
    """Every field of the samples, and of the frames of videos, by path."""
    of_frames = dataset.get_frame_field_schema(flat=True) or {}
    return dataset.get_field_schema(flat=True) | {f"{IN_FRAMES}{path}": field for path, field in of_frames.items()}


def mark_fields(dataset: Dataset, run_id: str, paths: Mapping[str, str]) -> None:
    """Marks fields that exist as a run's; to be called in a turn.

    Args:
        dataset: the dataset
        run_id: the run
        paths: a mapping from column to path
    """
    for column, path in paths.items():
        field = dataset.get_field(path)
        field.info = (field.info or {}) | {_INFO_KEY: _mark(run_id, path, column)}
        field.save()


def declare_fields(dataset: Dataset, run_id: str, paths: Mapping[str, str]) -> None:
    """Declares fields of a run and makes sure that the database has them.

    Args:
        dataset: the dataset
        run_id: the run
        paths: a mapping from column to path; ranks, ``"round"`` and ``"order"`` are ints, ``"xy"`` a pair,
            ``"outcome"`` a string, ``"prediction"`` a classification, all others floats

    Raises:
        CoresetError: if a field of this path exists and is not the run's, or does not stay declared
    """
    declare_lastingly(dataset, set(paths.values()), lambda: declare_in_turn(dataset, run_id, paths))


def declare_lastingly(dataset: Dataset, paths: set[str], declare: Callable[[], None]) -> None:
    """Declares fields in a turn, and again if a writer that takes no turns, or a crash of the database, has undone it.

    Args:
        dataset: the dataset
        paths: the paths of the fields
        declare: declares those that are not there

    Raises:
        CoresetError: if one does not stay declared
    """
    for _ in range(_ATTEMPTS):
        with schema_turn(dataset):
            declare()
        journal()  # values of a field that the database forgot would be lost with it
        missing = paths - stored_paths(dataset)
        if not missing:
            return
    raise CoresetError(
        f"field '{min(missing)}' vanishes from dataset '{dataset.name}' as soon as it is declared: another process "
        "writes its own list of fields; let it finish, and call again"
    )


def declare_in_turn(dataset: Dataset, run_id: str, paths: Mapping[str, str]) -> None:
    """The part of :func:`declare_fields` that needs a turn, for those who have one."""
    import fiftyone.core.fields as fof
    from fiftyone.core.labels import Classification

    owned = owned_fields(dataset, run_id)
    whole_number = {"ftype": fof.IntField}
    types = {
        **dict.fromkeys(RANKS, whole_number),
        "round": whole_number,
        "order": whole_number,
        "xy": {"ftype": fof.ListField, "subfield": fof.FloatField},
        "outcome": {"ftype": fof.StringField},
        "prediction": {"ftype": fof.EmbeddedDocumentField, "embedded_doc_type": Classification},
    }
    for column, path in paths.items():
        if path in owned:
            continue
        if dataset.has_field(path):
            raise CoresetError(f"field '{path}' exists and belongs to no coreset run; choose another name")
        info = {_INFO_KEY: _mark(run_id, path, column)}
        frame_field = _frame_field(dataset, path)
        add = dataset.add_sample_field if frame_field is None else dataset.add_frame_field
        add(frame_field or path, **types.get(column, {"ftype": fof.FloatField}), info=info)


def delete_fields(dataset: Dataset, paths: Iterable[str]) -> None:
    """Deletes fields and their values; to be called in a turn."""
    present = [path for path in paths if dataset.has_field(path)]
    of_frames = [name for path in present if (name := _frame_field(dataset, path)) is not None]
    of_samples = [path for path in present if _frame_field(dataset, path) is None]
    if of_samples:
        dataset.delete_sample_fields(of_samples)
    if of_frames:
        dataset.delete_frame_fields(of_frames)


def copy_values(dataset: Dataset, paths: Mapping[str, str], patches_field: str | None) -> None:
    """Copies the values of fields into other fields, in the database.

    Args:
        dataset: the dataset
        paths: a mapping from path to path
        patches_field: the label field that they are within, or None
    """
    root = next(iter(paths)).rpartition(".")[0]
    changes: dict[str, Any]
    if patches_field == FRAMES:
        names = {target.rpartition(".")[2]: source.rpartition(".")[2] for source, target in paths.items()}
        changes = {target: f"${source}" for target, source in names.items()}
        dataset._frame_collection.update_many({next(iter(names.values())): {"$ne": None}}, [{"$set": changes}])
        dataset._reload_docs()
        return
    if root in ("", patches_field):
        changes = {target: f"${source}" for source, target in paths.items()}
    else:  # within a list of labels
        names = {target.rsplit(".", 1)[1]: source.rsplit(".", 1)[1] for source, target in paths.items()}
        merged = {target: f"$$label.{source}" for target, source in names.items()}
        changes = {root: {"$map": {"input": f"${root}", "as": "label", "in": {"$mergeObjects": ["$$label", merged]}}}}
    exists = [{path: {"$ne": None}} for path in ([root] if root else paths)]
    dataset._sample_collection.update_many({"$or": exists}, [{"$set": changes}])
    dataset._reload_docs()


def count_values(dataset: Dataset, path: str, among: SampleCollection | None = None) -> int:
    """The number of rows that have a value, counted in the database; of all, or among those of a view."""
    return (_whole(dataset) if among is None else among).count(path)


def count_and_sum(dataset: Dataset, path: str) -> tuple[int, int]:
    """The number of rows that have a value, and the sum of the values, in one pass of the database."""
    import fiftyone as fo

    count, total = _whole(dataset).aggregate([fo.Count(path), fo.Sum(path)])
    return count, total


def existing_ids(dataset: Dataset, patches_field: str | None, tag: str | None = None) -> set[str]:
    """The ids of all samples, or all labels of a field, that the database has now; of those with a tag, if given."""
    whole = _whole(dataset)
    if patches_field is None:
        return set((whole if tag is None else whole.match_tags(tag)).values("id"))
    if patches_field == FRAMES:
        if tag is not None:
            raise CoresetError(NO_FRAME_TAGS)
        return set(dataset.values(f"{IN_FRAMES}id", unwind=True))
    chosen = whole if tag is None else whole.select_labels(tags=tag, fields=patches_field)
    return set(chosen.values(f"{container(dataset, patches_field)}.id", unwind=True))


def values_by_id(dataset: Dataset, patches_field: str | None, path: str) -> dict[str, Any]:
    """The values of a field that are set, by sample id or label id."""
    id_path = "id" if patches_field is None else f"{path.rpartition('.')[0]}.id"
    # Unwound by FiftyOne, ids and values would be read one after the other, and what is added between would shift them.
    columns: Iterable[Iterable[Any]] = _whole(dataset).values([id_path, path])
    if patches_field is not None:
        columns = [chain.from_iterable(filter(None, nested)) for nested in columns]
    return {row_id: value for row_id, value in zip(*columns, strict=True) if value is not None}


def _whole(dataset: Dataset) -> Any:
    """All samples, of all slices."""
    return dataset.select_group_slices(_allow_mixed=True) if dataset.media_type == "group" else dataset


def stored_paths(dataset: Dataset) -> set[str]:
    """The paths of all fields as the database has them now."""
    from fiftyone.core.odm import get_db_conn

    kept = {"sample_fields": 1, "frame_fields": 1}
    document = get_db_conn().datasets.find_one({"_id": dataset._doc.id}, kept)
    if document is None:
        raise CoresetError(f"dataset '{dataset.name}' was deleted meanwhile; nothing was written")

    def walk(fields: Iterable[Mapping[str, Any]], prefix: str) -> Iterable[str]:
        for field in fields:
            path = f"{prefix}{field['name']}"
            yield path
            yield from walk(field.get("fields") or [], f"{path}.")

    of_frames = walk(document.get("frame_fields") or [], IN_FRAMES)
    return set(walk(document["sample_fields"], "")).union(of_frames)


def _frame_field(dataset: Dataset, path: str) -> str | None:
    """The name of a frame field of videos, or None for a field of samples."""
    is_one = dataset.media_type == "video" and path.startswith(IN_FRAMES)
    return path.removeprefix(IN_FRAMES) if is_one else None


def _mark(run_id: str, path: str, column: str) -> dict[str, str]:
    return {"run": run_id, "path": path, "column": column}
