"""Which model a field's embeddings come from: a record kept with the field.

The record is the entry ``"coreset_embedding"`` of the field's ``info`` (``dataset.get_field(path).info``). FiftyOne
carries it along when the field or the dataset is renamed, cloned, or exported, and drops it with the field.
Every vector in the field is of the recorded model, at any moment; ``"state"`` says whether the last run that wrote
to the field finished (``"complete"``) or not (``"partial"``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..dataset.rows import FRAMES, IN_FRAMES, Rows, rows_of
from ..errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

_INFO_KEY = "coreset_embedding"

#: Where a model comes from: a CLIP that open_clip builds, FiftyOne's zoo, or an instance that was given.
OPEN_CLIP, ZOO, INSTANCE = "open_clip", "fiftyone", "instance"

State = Literal["partial", "complete"]


@dataclass(frozen=True)
class ClipSpec:
    """A model and its weights; a CLIP model as :func:`~fiftyone_coreset.load_clip` takes it.

    Args:
        model: name of the model
        pretrained (None): tag of the weights
        checkpoint (None): absolute path of a local weights file
        checkpoint_sha256 (None): digest of the local or bundled weights; what identifies them
        library ("open_clip"): ``"fiftyone"`` for a model of FiftyOne's zoo, ``"instance"`` for a model that was given,
            of which only the class is known
    """

    model: str
    pretrained: str | None = None
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    library: str = OPEN_CLIP

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> ClipSpec:
        """The model that a record names."""
        library = record.get("library", OPEN_CLIP)
        return cls(record["model"], record["pretrained"], record["checkpoint"], record["checkpoint_sha256"], library)

    def same_weights(self, other: ClipSpec) -> bool:
        """Whether both give the same embeddings; a checkpoint may have moved."""
        return (self.library, self.model, self.pretrained, self.checkpoint_sha256) == (
            other.library,
            other.model,
            other.pretrained,
            other.checkpoint_sha256,
        )

    def __str__(self) -> str:
        if self.pretrained:
            return f"{self.model} ({self.pretrained})"
        facts = [Path(self.checkpoint).name] if self.checkpoint else []
        if self.checkpoint_sha256:
            facts.append(f"sha256 {self.checkpoint_sha256[:8]}")
        return f"{self.model} ({', '.join(facts)})" if facts else self.model


def embedding_record(samples: SampleCollection, field: str) -> dict[str, Any] | None:
    """Reads which model a field's embeddings come from.

    Args:
        samples: a dataset or view
        field: name of the embeddings field; in a ``to_patches()`` view, of the objects' field

    Returns:
        a dict, or None if the field is not there or was not written by this package, with the keys

        -   model, pretrained, checkpoint: the arguments for :func:`~fiftyone_coreset.load_clip`
        -   checkpoint_sha256: digest of local or bundled weights, else None
        -   library: ``"open_clip"``, ``"fiftyone"`` for a model of its zoo, or ``"instance"`` for one that was given;
            then ``model`` is its class
        -   dimension: length of the vectors
        -   normalized: whether they have unit length
        -   preprocess: open_clip's preprocessing configuration
        -   state: ``"partial"`` while a run writes, or if it was killed; else ``"complete"``
        -   package_version: the version of fiftyone-coreset

    Examples:
        >>> fc.embedding_record(dataset, "clip_embeddings")["model"]
        'coreset-mini'
    """
    return record_of(rows_of(samples, field), field)


def record_of(rows: Rows, field: str) -> dict[str, Any] | None:
    """The record of a field of rows, see :func:`embedding_record`."""
    stored = _stored_field(rows, rows.path(field))
    record = ((stored or {}).get("info") or {}).get(_INFO_KEY)
    return dict(record) if record else None


def make_record(
    spec: ClipSpec, dimension: int, preprocess: Mapping[str, Any], normalized: bool = True
) -> dict[str, Any]:
    """Describes the embeddings of a model; the state is for the writer to add."""
    from ... import __version__

    return {
        **asdict(spec),
        "dimension": dimension,
        "normalized": normalized,
        "preprocess": {key: list(v) if isinstance(v, tuple) else v for key, v in preprocess.items()},
        "package_version": __version__,
    }


def write_record(rows: Rows, field: str, record: Mapping[str, Any], state: State) -> None:
    """Writes the record of a declared field."""
    from ..dataset.lock import schema_turn

    with schema_turn(rows.dataset):
        stored = rows.dataset.get_field(rows.path(field))
        if stored is None:
            raise CoresetError(
                f"field '{rows.path(field)}' was deleted while embeddings were written to it; call again"
            )
        stored.info = (stored.info or {}) | {_INFO_KEY: {**record, "state": state}}
        stored.save()


def _stored_field(rows: Rows, path: str) -> dict[str, Any] | None:
    """The field's description in the database, which other processes may have changed since it was loaded."""
    from fiftyone.core.odm import get_db_conn

    kept = {"sample_fields": 1, "frame_fields": 1}
    document = get_db_conn().datasets.find_one({"_id": rows.dataset._doc.id}, kept)
    of_frames = rows.patches_field == FRAMES
    fields, found = document["frame_fields" if of_frames else "sample_fields"] or [], None
    for name in (path.removeprefix(IN_FRAMES) if of_frames else path).split("."):
        found = next((described for described in fields if described["name"] == name), None)
        if found is None:
            return None
        fields = found.get("fields") or []
    return found
