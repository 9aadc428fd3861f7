"""What people add to a coreset, or never want in it: ranks, views and the run after it."""

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset import CoresetError


@pytest.fixture
def ranked(dataset):
    samples = dataset([f"/nowhere/{row:02d}.png" for row in range(20)])
    samples.set_values("emb", list(np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)))
    fc.compute_coreset(samples, "emb", method="kcenter", projection="pca", progress=False)
    return samples


def order(samples):
    return samples.exists("coreset_rank").sort_by("coreset_rank").values("id")


def test_what_is_added_comes_first_and_what_is_never_wanted_is_gone(ranked):
    before = order(ranked)
    view = fc.create_coreset_view(ranked, "coreset", 5)
    add, never = [before[12], before[7]], [before[0], before[15]]
    results = fc.adjust_coreset(ranked, "coreset", add=add, never=never, progress=False)
    expected = add + [row_id for row_id in before if row_id not in {*add, *never}]
    assert order(ranked) == expected
    loaded = fc.load_run(ranked, "coreset")
    for run in (results, loaded):
        assert run.ids[run.ranking].tolist() == expected
        assert run.view(5).values("id") == ranked.select(expected[:5]).values("id")
        assert run.budget("100%") == 18
        assert run.changes() is None
        assert run.report(6).to_dict()["kept"] == 6
        assert run.points.shape == (18, 2)
    assert set(ranked.load_saved_view(view.name).values("id")) == set(expected[:5])
    vectors = dict(zip(*ranked.values(["id", "emb"]), strict=True))
    np.testing.assert_allclose(loaded.embeddings(), [vectors[row_id] for row_id in loaded.ids.tolist()])


def test_what_was_added_earlier_stays_in_front(ranked):
    before = order(ranked)
    fc.adjust_coreset(ranked, "coreset", add=[before[9]], progress=False)
    fc.adjust_coreset(ranked, "coreset", add=[before[4], before[9], before[19]], never=[before[2]], progress=False)
    assert order(ranked)[:4] == [before[4], before[9], before[19], before[0]]
    fc.adjust_coreset(ranked, "coreset", never=[before[9]], progress=False)
    assert order(ranked)[:3] == [before[4], before[19], before[0]]


def test_an_update_brings_nothing_back(ranked):
    before = order(ranked)
    fc.adjust_coreset(ranked, "coreset", add=[before[3]], never=before[:2], progress=False)
    ranked.add_sample(fo.Sample("/nowhere/new.png", emb=np.ones(4, dtype=np.float32)))
    done = fc.update_coreset(ranked, "coreset", progress=False)
    assert len(done.ids) == 1
    expected = [before[3], before[2], *before[4:], *done.ids]
    assert order(ranked) == expected
    fc.adjust_coreset(ranked, "coreset", never=[before[5]], add=[done.ids[0]], progress=False)
    results = fc.load_run(ranked, "coreset")
    assert order(ranked) == [before[3], done.ids[0], *(row_id for row_id in expected[1:-1] if row_id != before[5])]
    assert results.ids[results.kept(17, new=1)].tolist() == order(ranked), "what an update added is still one more"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"add": [0], "never": [0, 1]}, "1 of the ids are to be added and never to be taken"),
        ({"add": ["nobody"]}, "run 'coreset' does not rank 1 of the 1 images given, e.g. 'nobody'"),
        ({"never": list(range(19))}, "of run 'coreset' fewer than 2 images would be left"),
    ],
)
def test_what_cannot_be_done_changes_nothing(ranked, arguments, says):
    before = order(ranked)
    ids = {name: [row if isinstance(row, str) else before[row] for row in rows] for name, rows in arguments.items()}
    with pytest.raises(CoresetError, match=says):
        fc.adjust_coreset(ranked, "coreset", progress=False, **ids)
    assert order(ranked) == before
