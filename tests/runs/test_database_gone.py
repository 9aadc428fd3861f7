"""Reading runs when the database does not answer: one sentence, and nothing is changed."""

from __future__ import annotations

import fiftyone_coreset as fc
import pytest
from fiftyone_coreset.plugin import results as results_module
from fiftyone_coreset.plugin.runs import load, orphans
from pymongo.errors import AutoReconnect, CursorNotFound


@pytest.mark.parametrize("fault", [AutoReconnect("connection closed"), CursorNotFound("cursor id 5 not found")])
def test_what_reads_runs_says_that_the_database_is_gone(embedded, quick, monkeypatch, fault):
    dataset = embedded()
    results = fc.compute_coreset(dataset, "emb", **quick)
    calls = [
        (load, "list_runs", lambda: fc.load_run(dataset, "coreset"), "nothing was changed"),
        (results_module, "coreset_view", lambda: results.view(5), "nothing was changed"),
        (orphans, "_orphans", lambda: fc.remove_orphans(dataset), "what is left of it is found again"),
    ]
    for where, name, call, remedy in calls:
        with monkeypatch.context() as patch:
            patch.setattr(where, name, lambda *arguments, **options: (_ for _ in ()).throw(fault))
            with pytest.raises(
                fc.CoresetError, match=rf"^the database does not answer \({type(fault).__name__}\); {remedy}"
            ):
                call()
    assert results.view(5).count() == 5
