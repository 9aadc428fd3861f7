"""Groups are rows: a rank a group, by the vectors of one slice or several, and views that keep groups whole."""

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest

QUICK = {"method": "kcenter", "projection": "pca", "progress": False}
N = 10


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(2, N, 4)).astype(np.float32)


@pytest.fixture
def grouped(dataset, vectors):
    """Ten groups of two cameras and a point cloud; the last group has no right camera."""
    made = dataset()
    made.add_group_field("group", default="left")
    samples = []
    for number in range(N):
        group = fo.Group()
        for side, name in enumerate(("left", "right")):
            if (side, number) != (1, N - 1):
                emb = vectors[side, number]
                samples.append(fo.Sample(f"/nowhere/{name}{number}.png", group=group.element(name), emb=emb))
        samples.append(fo.Sample(f"/nowhere/{number}.pcd", group=group.element("lidar")))
    made.add_samples(samples, progress=False)
    return made


def groups_in(view):
    """The groups that a view holds, and how many of their samples."""
    found = view.select_group_slices(_allow_mixed=True).values("group.id")
    return {group: found.count(group) for group in found}


def first(run, k):
    dataset = run.samples._root_dataset
    of = dict(zip(*dataset.select_group_slices(_allow_mixed=True).values(["id", "group.id"]), strict=True))
    return {of[row_id] for row_id in run.ids[run.ranking[:k]]}


def test_views_keep_groups_whole(grouped, vectors, dataset):
    run = fc.compute_coreset(grouped, "emb", **QUICK)
    plain = dataset([f"/nowhere/{row}.png" for row in range(N)])
    assert run.rank.tolist() == fc.compute_coreset(plain, vectors[0], **QUICK).rank.tolist()
    assert run.noun == "groups"
    view = fc.create_coreset_view(grouped, "coreset", 4)
    held = groups_in(view)
    assert set(held) == first(run, 4)
    assert sum(held.values()) == (12 if N - 1 not in run.ranking[:4] else 11)
    view.group_slice = "right"
    assert {path for path in view.values("filepath") if "right" not in path} == set()
    assert "4 of 10 groups by kcenter" in grouped.get_saved_view_info("coreset 4")["description"]


def test_another_process_and_another_slice(grouped):
    run = fc.compute_coreset(grouped, "emb", **QUICK)
    expected = first(run, 3)
    grouped.clear_cache()
    grouped.group_slice = "right"
    again = fc.load_run(grouped, "coreset")
    assert set(groups_in(again.view(3))) == expected
    assert again.report(3).n == N


def test_several_slices_are_balanced(grouped, vectors):
    run = fc.compute_coreset(grouped, ["left.emb", "right.emb"], **QUICK)
    assert (len(run), run.config.n_missing) == (N - 1, 1)  # one group has no right camera
    scaled = [side / np.sqrt(side[: N - 1].var(axis=0, dtype=np.float64).mean()) for side in vectors]
    np.testing.assert_allclose(run.embeddings(), np.concatenate(scaled, axis=1)[: N - 1], rtol=1e-5)
    grouped.clear_cache()
    again = fc.load_run(grouped, "coreset")
    assert again.config.embeddings == ["left.emb", "right.emb"]
    assert again.report(3).n == N - 1
    grouped.group_slice = "left"


def test_another_slice_than_the_active_one(grouped, vectors):
    run = fc.compute_coreset(grouped, "right.emb", **QUICK)
    np.testing.assert_allclose(run.embeddings(), vectors[1, : N - 1])


def test_views_follow_renaming_and_recomputing(grouped):
    run = fc.compute_coreset(grouped, "emb", **QUICK)
    fc.create_coreset_view(grouped, "coreset", 4, "four")
    grouped.rename_brain_run("coreset", "other")
    assert set(groups_in(grouped.load_saved_view("four"))) == first(run, 4)
    run = fc.compute_coreset(grouped, "right.emb", "other", overwrite=True, **QUICK | {"seed": 5})
    assert set(groups_in(grouped.load_saved_view("four"))) == first(run, 4)
    grouped.delete_brain_run("other")
    assert not [path for path in grouped.get_field_schema() if path.startswith(("coreset", "other"))]
    assert grouped.list_saved_views() == []


def test_tags_and_fields_are_on_every_slice(grouped):
    fc.compute_coreset(grouped, "emb", **QUICK)
    view = fc.create_coreset_view(grouped, "coreset", 4, tag="kept", field="member")
    n = sum(groups_in(view).values())
    everything = grouped.select_group_slices(_allow_mixed=True)
    assert everything.match_tags("kept").count() == n
    assert everything.match(fo.ViewField("member") == True).count() == n  # noqa: E712
    assert everything.count("member") == 3 * N - 1


def test_new_groups_are_appended(grouped):
    run = fc.compute_coreset(grouped, "emb", **QUICK)
    before = first(run, 4)
    fc.create_coreset_view(grouped, "coreset", 4, "four")
    for number in range(2):
        group = fo.Group()
        for name in ("left", "right"):
            emb = np.full(4, 9.0 + number)
            grouped.add_sample(fo.Sample(f"/nowhere/new{name}{number}.png", group=group.element(name), emb=emb))
    fc.update_coreset(grouped, "coreset", progress=False)
    assert grouped.select_group_slices("right").count("coreset_group_rank") == N - 1 + 2
    assert set(groups_in(grouped.load_saved_view("four"))) == before
    run = fc.load_run(grouped, "coreset")
    assert len(run) == N + 2
    assert set(groups_in(run.view(N + 2))) == first(run, N + 2)


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        ("nope.emb", "field 'nope.emb' does not exist"),
        ("left.nope", "field 'left.nope' does not exist"),
        ("lidar.emb", "'lidar.emb' holds no usable vector in any of the 10 groups|field 'lidar.emb'"),
        (np.ones((3, 2)), "3 rows but the collection has 10 groups"),
    ],
)
def test_what_is_no_slice_is_refused(grouped, embeddings, message):
    with pytest.raises(fc.CoresetError, match=message):
        fc.compute_coreset(grouped, embeddings, **QUICK)
