"""Adjust coreset by hand: the selection of the grid, or the view, and never everything."""

import fiftyone_coreset as fc
import pytest


@pytest.fixture
def ranked(embedded):
    fc.compute_coreset(embedded, "clip_embeddings", method="random", projection=None, progress=False)
    return embedded


def test_the_view_is_meant_where_nothing_is_selected(execute, ranked):
    view = ranked.limit(3)
    answer = execute("adjust_coreset", ranked, view=view)
    assert answer["message"] == "3 images are first in run 'coreset', which ranks 30."
    assert set(ranked.sort_by("coreset_rank").limit(3).values("id")) == set(view.values("id"))
    answer = execute("adjust_coreset", ranked, view=view, action="never")
    assert (answer["adjusted"], answer["ranked"]) == (3, 27)
    assert ranked.limit(3).values("coreset_rank") == [None] * 3


def test_never_everything(form, ranked):
    (notice,) = form("adjust_coreset", ranked)
    assert notice == "select images in the grid, or open a view of those that are meant; this is all of them"
