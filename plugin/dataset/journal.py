"""The point at which what was written survives a crash of the database."""

from __future__ import annotations


def journal() -> None:
    """Waits until all that was written so far would survive a crash of the database."""
    from fiftyone.core.odm import get_db_conn
    from pymongo import WriteConcern

    runs = get_db_conn().get_collection("runs", write_concern=WriteConcern(j=True))
    runs.update_one({"_id": None}, {"$set": {"journaled": True}})  # matches nothing
