"""The random stream of a batch, coverage by labels, previews, and what a large pool does about near-copies."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.rounds import coverage, select
from fiftyone_coreset.plugin.rounds.batch import preview_next
from fiftyone_coreset.plugin.selection.predictions import uncertainty
from labelling import label, truth
from scipy.spatial.distance import cdist


def test_a_share_is_drawn_at_random_and_comes_first(pool, ask):
    label(pool[:9])
    batch = ask(budget=10, random_share=0.4)
    assert batch.results.last.n_random == 4
    assert "The first 4 of the batch were drawn at random" in batch.why
    rounds = fc.load_rounds(pool)
    assert set(rounds.random_view().values("id")) == set(batch.ids[:4]) == set(rounds.random_view(1).values("id"))
    rounds.cancel(1)
    alone = ask(budget=6, predictions="head", deduplicate=False)
    assert set(alone.ids) != set(batch.ids[4:]), "the method continues from what was drawn"


def test_every_candidate_is_as_likely_to_be_drawn(pool, ask):
    label(pool[:9])
    drawn = [ask(budget=10, random_share=0.5, seed=seed, preview=True).ids[:5] for seed in range(12)]
    counts = np.unique(np.concatenate(drawn), return_counts=True)[1]
    assert len(counts) > 30, "of 51, 60 draws should meet 36 at the mean"
    assert counts.max() <= 5


def test_the_stream_judges_without_bias_and_gives_a_curve_of_its_own(pool, ask):
    fc.reserve_test(pool, size=15)
    label(pool.match_tags("test"))
    label(pool.match_tags("test", bool=False)[:9])
    n_random = []
    for _ in range(2):
        batch = ask(budget=8, random_share=0.5)
        rounds, shown = batch.results, truth(pool)
        entry = rounds.last
        said = dict(zip(rounds.ids.tolist(), rounds.arrays[f"predicted_{entry.number}"].tolist(), strict=True))
        right = [entry.classes[said[row_id]] == shown[row_id] for row_id in batch.ids[:4]]
        label(batch.view)
        recorded = fc.record_round(pool)
        assert recorded.metrics["stream_accuracy"].value == np.mean(right)
        assert recorded.metrics["stream_accuracy"].n == 4
        n_random.append(recorded.n_random_labels)
    assert n_random == [4, 8]
    rounds = fc.load_rounds(pool)
    assert rounds.curve("random_accuracy").n_labels.tolist() == [4, 8]
    assert rounds.curve("accuracy").n_labels.tolist() == [17, 25]


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, "x", True])
def test_other_shares_are_refused(pool, ask, share):
    with pytest.raises(fc.CoresetError, match=r"random_share must be a share in \[0, 1\)"):
        ask(random_share=share)


def test_a_share_of_unknown_many_is_refused(pool, ask):
    with pytest.raises(fc.CoresetError, match="with cost= their number is open"):
        ask(random_share=0.1, cost=np.ones(60))


def test_coverage_is_the_share_of_the_pool_near_a_label(pool, ask):
    fc.reserve_test(pool, size=10)
    shares = []
    for _ in range(2):
        batch = ask(force=True)
        label(batch.view)
        entry = fc.record_round(pool)
        unit = np.stack(pool.values("emb"))
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        test = np.array(["test" in tags for tags in pool.values("tags")])
        labelled = np.array([name is not None for name in pool.values("gt")])
        nearest = cdist(unit[~test], unit[labelled]).min(axis=1)
        wanted = (nearest <= entry.radius).mean()
        assert entry.metrics["coverage"].value == pytest.approx(wanted)
        assert entry.farthest == pytest.approx(nearest.max(), rel=1e-5)
        assert 0 < entry.near_duplicates < entry.radius
        assert entry.metrics["coverage"].n == 50
        shares.append(wanted)
    assert shares[0] <= shares[1]
    radii = {(entry.radius, entry.near_duplicates) for entry in fc.load_rounds(pool).history}
    assert len(radii) == 1, "rounds are compared by one radius"


@pytest.mark.parametrize("sample", [8, 8192])  # of a large pool coverage is read from a sample, but "every" means all
def test_what_is_left_of_a_pool_of_copies_is_nothing_new(pool, ask, monkeypatch, sample):
    monkeypatch.setattr(coverage, "_ROWS", sample)
    vectors = pool.values("emb")
    pool.set_values("emb", [vectors[row % 12] + np.float32(1e-4 * row) for row in range(60)])
    batch = ask(budget=12)
    label(batch.view)
    fc.record_round(pool)
    assert "nothing new to find in this pool" in fc.load_rounds(pool).advice().summary()
    pool.set_values("emb", [*pool.values("emb")[:59], -vectors[0]])
    fc.record_round(pool)
    assert "nothing new" not in fc.load_rounds(pool).advice().summary()


def test_what_both_last_models_were_unsure_of_persists(pool, ask):
    label(pool[:9])
    with pytest.raises(fc.CoresetError, match="known after two rounds of 'rounds' with predictions"):
        fc.persistent_view(ask().results.samples)
    for number in (1, 2):
        label(fc.load_rounds(pool).view(number))
        fc.record_round(pool)
        if number == 1:
            ask()
    rounds = fc.load_rounds(pool)
    ids = rounds.ids.tolist()
    before, after = (
        dict(zip(ids, 1 - rounds.arrays[f"confidence_{number}"].astype(float), strict=True)) for number in (1, 2)
    )
    free = pool.match(fo.ViewField("gt") == None).values("id")  # noqa: E711
    wanted = sorted(free, key=lambda row_id: -min(before[row_id], after[row_id]))[:7]
    both = {row_id: min(before[row_id], after[row_id]) for row_id in free}
    found = fc.persistent_view(pool, n=7).values("id")
    assert [both[row_id] for row_id in found] == [both[row_id] for row_id in wanted]
    assert len(fc.persistent_view(pool, n=1_000)) == len(free)


def test_a_preview_writes_nothing_and_is_what_comes_then(pool, ask):
    label(pool[:9])
    schema = set(pool.get_field_schema())
    seen = ask(preview=True)
    assert (seen.is_preview, len(seen.view), seen.view.values("id")) == (True, 6, seen.ids.tolist())
    assert (pool.list_brain_runs(), pool.list_saved_views(), set(pool.get_field_schema())) == ([], [], schema)
    batch = ask()
    assert batch.ids.tolist() == seen.ids.tolist()
    label(batch.view)
    fc.record_round(pool)
    before = fc.load_rounds(pool).config.revision
    following = preview_next(fc.load_rounds(pool))
    assert fc.load_rounds(pool).config.revision == before
    assert ask().ids.tolist() == following.ids.tolist()
    assert not set(preview_next(fc.load_rounds(pool)).ids) & set(following.ids), "of what an open round leaves"


def test_the_uncertainty_field_holds_the_measure_that_chose(pool, ask):
    label(pool[:9])
    for method in ("margin", "uherding"):
        for measure in ("entropy", "boundary"):
            if (method, measure) == ("uherding", "boundary"):
                continue  # negative, so rows cannot be weighted by it
            batch = ask(method=method, measure=measure)
            head = fc.fit_head(np.stack(pool.values("emb")), pool.values("gt.label"))
            vectors = np.stack(pool.values("emb"))
            wanted = (
                head.boundary(vectors) if measure == "boundary" else uncertainty(head.predictions(vectors), measure)
            )
            found = np.array(pool.values("rounds_uncertainty"), dtype=float)
            np.testing.assert_allclose(found[9:], wanted[9:], rtol=1e-4)
            assert np.isnan(found[:9]).all()
            batch.results.cancel(1)


def test_a_batch_of_a_large_pool_holds_no_copies(pool, ask, monkeypatch):
    monkeypatch.setattr(select, "EXACT_ROWS", 10)
    vectors = pool.values("emb")
    copies = [vectors[row] + 1e-4 * np.arange(6) for row in (9, 9, 9, 3, 3)]  # of a free row and of a labelled one
    pool.set_values("emb", [*vectors[:50], *copies, *vectors[55:]])
    label(pool[:9])
    ids = np.array(pool.values("id"))
    chosen = ask(method="margin", budget=40).ids
    assert len({*ids[[9, 50, 51, 52]]} & {*chosen}) == 1
    assert not {*ids[[53, 54]]} & {*chosen}
    fc.load_rounds(pool).cancel(1)
    assert set(ask(method="margin", budget=51).ids) == set(ids[9:]), "the copies come last"


def test_balance_asks_for_the_class_with_the_fewest_labels(pool, ask):
    shown = truth(pool)
    by_class = {name: [row_id for row_id, found in shown.items() if found == name] for name in "abc"}
    label(pool.select([*by_class["a"][:7], *by_class["b"][:3], *by_class["c"][:1]]))
    said: list[str] = []
    batch = ask(budget=8, balance=True, progress=lambda fraction, message: said.append(message))
    assert sorted(shown[row_id] for row_id in batch.ids) == ["b"] * 3 + ["c"] * 5, "to 7, 6 and 6 labels"
    assert any("predicting 3 classes of 60 images, 0.0 GB" in message for message in said)


def test_balance_needs_predictions(ask):
    with pytest.raises(fc.CoresetError, match="balance=True needs predictions: there is no label"):
        ask(balance=True)
