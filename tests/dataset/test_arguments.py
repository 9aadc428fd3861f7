"""Constraints of a run, given as views, tags and fields."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.dataset.arguments import resolve_arguments
from fiftyone_coreset.plugin.dataset.embeddings import EmbeddingSource
from fiftyone_coreset.plugin.dataset.rows import Rows


def _ids_of_first(results, k):
    return {row_id for row_id, rank in zip(results.ids, results.rank, strict=True) if rank < k}


@pytest.mark.parametrize("form", ["view", "tag", "field", "ids"])
def test_preselected_images_come_first(embedded, quick, form):
    dataset = embedded()
    chosen = dataset.skip(5).limit(4)
    ids = set(chosen.values("id"))
    chosen.tag_samples("labelled")
    dataset.set_values("done", [row_id in ids for row_id in dataset.values("id")])
    given = {"view": chosen, "tag": "labelled", "field": "done", "ids": sorted(ids)}[form]
    results = fc.compute_coreset(dataset, "emb", preselected=given, **quick)
    assert _ids_of_first(results, 4) == ids


@pytest.mark.parametrize("form", ["ids", "array", "view"])
def test_preselected_images_keep_the_order_they_are_given_in(embedded, quick, form):
    dataset = embedded()
    first = fc.compute_coreset(dataset, "emb", method="random", projection=None, progress=False)
    wanted = first.ids[first.kept(9)]
    assert wanted.tolist() != sorted(wanted.tolist())
    given = {"ids": wanted.tolist(), "array": wanted, "view": first.view(9).sort_by("coreset_rank")}[form]
    again = fc.compute_coreset(dataset, "emb", "again", preselected=given, **quick)
    assert again.ids[again.kept(9)].tolist() == wanted.tolist()


def test_an_image_that_comes_later_moves_no_group(embedded):
    dataset = embedded()
    dataset.set_values("place", list(range(len(dataset))))
    rows, vectors = Rows(dataset.sort_by("filepath")), np.stack(dataset.values("emb"))
    resolved, _ = resolve_arguments(rows, ["emb"], {"groups": "place"})
    dataset.add_sample(fo.Sample(filepath="/aaa.png", place=-1, emb=np.zeros(vectors.shape[1])))
    found = EmbeddingSource.of("emb").load(rows)
    assert (found.matrix == vectors[resolved["groups"].astype(int)]).all()


def test_a_view_may_hold_more_than_is_ranked_and_that_is_counted(embedded, quick, caplog):
    dataset = embedded()
    fc.compute_coreset(dataset.limit(30), "emb", preselected=dataset.skip(27).limit(5), **quick)
    (said,) = [record.message for record in caplog.records if "preselected" in record.message]
    assert said == "preselected: 2 of the 5 images in the view are none of those to rank and are left out"


def test_ids_that_match_in_part_are_refused(embedded, quick):
    dataset = embedded()
    some = [*dataset.limit(3).values("id"), "0" * 24]
    for name in ("preselected", "excluded"):
        with pytest.raises(fc.CoresetError, match=f"^{name}: 1 of the 4 ids given are none of the 40 images, e.g. '0"):
            fc.compute_coreset(dataset, "emb", **quick, **{name: some})
    with pytest.raises(fc.CoresetError, match=r"^preselected: 1 row indices appear more than once"):
        fc.compute_coreset(dataset, "emb", **quick, preselected=[some[0], some[0]])


def test_selecting_and_continuing_equals_selecting_at_once(embedded, quick):
    dataset = embedded()
    options = {"projection": None, "progress": False, "method": "kcenter"}
    whole = fc.compute_coreset(dataset, "emb", brain_key="whole", **options)
    continued = fc.compute_coreset(dataset, "emb", brain_key="more", preselected=whole.view(7), **options)
    for k in (7, 12, 25):
        assert _ids_of_first(whole, k) == _ids_of_first(continued, k)


def test_excluded_images_are_not_ranked(embedded, quick):
    dataset = embedded()
    results = fc.compute_coreset(dataset, "emb", excluded=dataset.limit(10), **quick)
    assert set(results.ids) == set(dataset.skip(10).values("id"))
    assert dataset.limit(10).values("coreset_rank") == [None] * 10


@pytest.mark.parametrize("form", ["view", "tag", "field", "ids", "array"])
def test_what_looks_like_some_images_comes_first(embedded, form):
    dataset = embedded()
    shown = dataset.skip(5).limit(2)
    shown.tag_samples("sought")
    mask = np.array(["sought" in tags for tags in dataset.values("tags")])
    dataset.set_values("is_sought", mask.tolist())
    ids = shown.values("id")[::-1]
    given = {"view": shown, "tag": "sought", "field": "is_sought", "ids": ids, "array": mask.astype(int)}[form]
    results = fc.compute_coreset(dataset, "emb", method="similar", projection=None, progress=False, exemplars=given)
    unit = np.stack(dataset.values("emb"))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    likeness = (unit @ unit[mask].T).max(axis=1)
    assert results.ids[results.kept(9)].tolist() == np.array(dataset.values("id"))[np.argsort(-likeness)[:9]].tolist()


def test_quotas_by_a_label_field(embedded, quick):
    dataset = embedded()
    labels = dict(zip(dataset.values("id"), dataset.values("gt.label"), strict=True))
    results = fc.compute_coreset(dataset, "emb", groups="gt", quota="uniform", **quick)
    for k in (8, 20):
        kept = [labels[row_id] for row_id in _ids_of_first(results, k)]
        assert kept.count("a") == kept.count("b") == k // 2
    assert results.config.method_kwargs["groups"] == "gt"


def test_a_target_view_pulls_its_like_to_the_front(embedded, quick):
    dataset = embedded()
    vectors = np.stack(dataset.values("emb")) * 0.1
    vectors[:10] += 3
    vectors[10:] -= 3
    dataset.set_values("emb", list(vectors))
    options = {"projection": None, "progress": False, "method": "target_match"}
    results = fc.compute_coreset(dataset, "emb", target=dataset.limit(5), **options)
    assert len(_ids_of_first(results, 8) & set(dataset.limit(10).values("id"))) == 8


def test_methods_for_one_budget_rank_that_budget_only(embedded):
    dataset = embedded()
    options = {"method": "kmedoids", "projection": None, "progress": False}
    with pytest.raises(fc.CoresetError, match="'kmedoids' chooses for one budget, not for all: pass the largest"):
        fc.compute_coreset(dataset, "emb", **options)
    results = fc.compute_coreset(dataset, "emb", k="20%", **options)
    expected = fc.get_method("kmedoids").select(np.stack(dataset.values("emb")), 8, seed=0).indices
    assert [dataset.values("id")[row] for row in expected] == list(results.ids[results.ranking])
    assert (results.config.n, results.config.n_missing) == (8, 0)
    with pytest.raises(fc.CoresetError, match="budget 9 exceeds the 8 images"):
        results.view(9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"preselected": "nothing"},
            "'nothing' is neither a field, nor a tag of any of the 40 images, nor a saved view",
        ),
        ({"preselected": [0, 1]}, "preselected: none of the 2 ids given is one of the 40 images"),
        ({"groups": "nothing"}, "field 'nothing' does not exist"),
    ],
)
def test_unknown_names(embedded, quick, arguments, message):
    with pytest.raises(fc.CoresetError, match=message):
        fc.compute_coreset(embedded(), "emb", **quick, **arguments)
