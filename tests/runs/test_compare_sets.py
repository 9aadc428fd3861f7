"""fc.compare_sets: what of one set another covers, by class and region, beside random splits; and what is in both."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest

N = 90


@pytest.fixture
def two(dataset):
    """Three clusters; set a lacks the third, which is class "c" of b; one image of b repeats one of a."""
    made = dataset([f"/nowhere/{row:03d}.png" for row in range(N)])
    rng = np.random.default_rng(0)
    kind = np.r_[np.zeros(30, int), np.ones(30, int), np.arange(30) % 3]
    vectors = 8 * np.eye(6)[kind] + rng.normal(size=(N, 6))
    vectors[60] = vectors[0] + 1e-4
    made.set_values("emb", list(vectors.astype(np.float32)))
    made.set_values("gt", [fo.Classification(label="abc"[one]) for one in kind])
    made[:60].tag_samples("train")
    return made, made[:60], made[60:]


def test_what_is_uncovered_and_where(two):
    made, a, b = two
    found = fc.compare_sets(a, b, "emb", label_field="gt", names=("train", "street"), progress=False)
    unit = np.stack(made.values("emb")).astype(float)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    distance = np.linalg.norm(unit[60:, None] - unit[None, :60], axis=2).min(axis=1)
    uncovered = np.flatnonzero(distance > found.of_b.radius)
    assert set(range(2, 30, 3)) <= set(uncovered.tolist())
    expected = uncovered[np.argsort(-distance[uncovered])]
    assert found.uncovered_view().values("id") == [made.values("id")[60 + row] for row in expected]
    assert found.of_b.coverage.value == pytest.approx(1 - len(uncovered) / 30)
    assert found.of_b.coverage.verdict == "worse"
    first = found.by_class[0]
    assert (first.name, first.a, first.b, first.uncovered, first.share) == ("c", 0, 10, 10, 1.0)
    assert sum(part.uncovered for part in found.by_region) == len(uncovered)
    assert sum(part.b for part in found.by_region) == 30
    worst = found.by_region[0]
    assert len(found.uncovered_view(region=worst.name)) == worst.uncovered
    assert "'c' 100 % of 10" in found.summary()
    assert "Of 30 images of street" in found.summary()
    assert "in random splits of these sizes" in found.summary()
    assert len(found.table()) == len(found.by_class) + len(found.by_region)
    assert "Classes of street" in str(found)
    assert "| c | 0 | 10 | 10 |" in found.to_markdown()
    assert "<table>" in found._repr_html_()


def test_the_reverse_is_the_other_way_round(two):
    _, a, b = two
    one = fc.compare_sets(a, b, "emb", progress=False)
    other = fc.compare_sets(b, a, "emb", progress=False)
    assert one.of_a.coverage.value == other.of_b.coverage.value
    assert one.uncovered_view("a").values("id") == other.uncovered_view("b").values("id")


def test_halves_of_one_set_are_like_random(two):
    made, _, _ = two
    ids = made.values("id")
    found = fc.compare_sets(made.select(ids[::2]), made.select(ids[1::2]), "emb", progress=False)
    assert found.of_b.coverage.verdict == "like random"


def test_without_fingerprints_there_are_look_alikes_only(two):
    made, a, b = two
    found = fc.compare_sets(a, b, "emb", progress=False)
    repeated = made.values("id")[60]
    assert found.pairs[0][["id_a", "id_b"]].tolist() == (made.values("id")[0], repeated)
    assert set(found.pairs["kind"]) == {"look-alike"}
    assert len(found.leaks()) == 0
    assert repeated in found.leaks("look-alike").values("id")
    assert "call compute_fingerprints" in found.summary()


def test_leaks_are_what_the_pixels_tell(dataset, image_folder, tmp_path):
    paths = image_folder(n=20)
    copied = [tmp_path / f"copy{row}{path.suffix}" for row, path in enumerate(paths[:2])]
    for path, other in zip(paths, copied, strict=False):
        other.write_bytes(path.read_bytes())
    made = dataset([*paths, *copied])
    vectors = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    made.set_values("emb", [*vectors, *vectors[:2]])
    fc.compute_fingerprints(made, num_workers=0, progress=False)
    found = fc.compare_sets(made[:10], made[10:], "emb", progress=False)
    ids = made.values("id")
    assert found.leaks().values("id") == ids[20:]
    assert found.leaks("exact").values("id") == ids[20:]
    assert found.pairs["id_a"].tolist()[:2] == ids[:2]
    assert "2 images of b are near-copies of one in a (leaks, 2 exact)" in found.summary()


def test_two_datasets_and_objects(two, dataset):
    _, a, b = two
    other = dataset()
    other.add_samples([sample.copy() for sample in b], progress=False)
    here, there = (fc.compare_sets(a, one, "emb", label_field="gt", progress=False) for one in (b, other))
    assert there.of_b.distance.tolist() == pytest.approx(here.of_b.distance.tolist(), abs=1e-6)
    assert set(there.uncovered_view().values("id")) <= set(other.values("id"))
    by_id = dict(zip(a.values("id") + b.values("id"), a.values("emb") + b.values("emb"), strict=True))
    given = fc.compare_sets(a, b, by_id, progress=False)
    assert given.uncovered_view().values("id") == here.uncovered_view().values("id")


REFUSED = [
    (lambda made: (made[:0], made[5:]), {}, "set a is empty"),
    (lambda made: (made[:6], made[5:]), {}, "1 of the 85 images of b are in a too, e.g. .*; take them out"),
    (lambda made: (made[:6], made[6:]), {"embeddings": "nope"}, "field 'nope' does not exist"),
    (lambda made: (made[:6], made[6:]), {"embeddings": np.zeros((N, 3))}, "name a field or an index, or give a dict"),
    (lambda made: (made[:6], made[6:]), {"names": ("a", "a")}, "names must be two different names"),
    (lambda made: (made[:6], made[6:]), {"n_random": 1}, "a random band needs at least 2 splits"),
    (lambda made: (made[:6], made[6:]), {"seed": -1}, "seed must be a whole number"),
    (lambda made: (made[:6], made[6:]), {"label_field": "nope"}, "label field 'nope' does not exist"),
    (lambda made: (made, 5), {}, "samples must be a FiftyOne dataset or view, got int"),
    (lambda made: (made[:5], made[5:].match_tags("bare")), {}, "none of the 3 images of set b has a usable embedding"),
]


def test_bad_input_is_one_sentence(two):
    made, a, b = two
    made[86:89].set_values("emb", [None] * 3)
    made[86:89].tag_samples("bare")
    for sets, arguments, words in REFUSED:
        with pytest.raises(fc.CoresetError, match=words):
            fc.compare_sets(*sets(made), **({"embeddings": "emb", "progress": False} | arguments))
    found = fc.compare_sets(a, b, "emb", progress=False)
    for call, words in [
        (lambda: found.uncovered_view("c"), 'of= must be "a" or "b"'),
        (lambda: found.uncovered_view(region=999), "there is no region 999"),
        (lambda: found.leaks("copy"), "kind must be one of exact, near-copy, look-alike, got 'copy'"),
    ]:
        with pytest.raises(fc.CoresetError, match=words):
            call()


def test_frames_and_groups_are_compared(two, dataset):
    made, a, b = two
    expected = fc.compare_sets(a, b, "emb", progress=False)
    place = {row_id: row for row, row_id in enumerate(made.values("id"))}
    uncovered = [place[row_id] for row_id in expected.uncovered_view().values("id")]
    videos, cameras = dataset(), dataset()
    cameras.add_group_field("group", default="left")
    vectors = made.values("emb")
    for start in range(0, N, 30):
        video = fo.Sample(f"/nowhere/{start}.mp4", tags=["train"] if start < 60 else [])
        for number in range(30):
            video.frames[number + 1] = fo.Frame(emb=vectors[start + number], filepath=f"/nowhere/{start + number}.jpg")
        videos.add_sample(video)
    for row, vector in enumerate(vectors):
        group = fo.Group()
        for name in ("left", "right"):
            cameras.add_sample(fo.Sample(f"/nowhere/{name}{row}.png", group=group.element(name), emb=vector))
    sides = [(videos.match_tags("train", bool=it), "frames.emb") for it in (True, False)]
    frames = fc.compare_sets(sides[0][0], sides[1][0], "frames.emb", progress=False)
    assert [int(path[9:-4]) for path in frames.uncovered_view().values("filepath")] == uncovered
    assert "frames of b" in frames.summary()
    views = [videos.match_tags("train", bool=it).to_frames() for it in (True, False)]
    assert fc.compare_sets(*views, "emb", progress=False).of_b.distance.tolist() == frames.of_b.distance.tolist()
    groups = fc.compare_sets(cameras[:60], cameras[60:], "right.emb", progress=False)
    assert [int(path[13:-4]) for path in groups.uncovered_view().values("filepath")] == uncovered
    assert groups.uncovered_view().media_type == "group"
    assert "groups of b" in groups.summary()
