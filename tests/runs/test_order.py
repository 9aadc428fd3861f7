"""Bursts that only their order gives away: the vectors are random, the files are numbered."""

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from PIL import Image

N_SCENES = 40


@pytest.fixture
def burst(tmp_path):
    """A factory ``burst(scene, name)``: writes another frame of a scene, and gives the file."""
    rng = np.random.default_rng(0)
    side = np.mgrid[:72, :72] / 72
    waves = rng.integers(-5, 6, size=(N_SCENES, 25, 2)), rng.normal(size=(N_SCENES, 25))

    def write(scene, name):
        picture = sum(
            weight * np.cos(2 * np.pi * (x * side[0] + y * side[1]))
            for (x, y), weight in zip(waves[0][scene], waves[1][scene], strict=True)
        )
        top, left = rng.integers(0, 6, 2)
        part = (128 + 25 * picture[top : top + 66, left : left + 66]).clip(0, 255).astype(np.uint8)
        path = tmp_path / f"{name}.png"
        Image.fromarray(part).convert("RGB").save(path)
        return str(path)

    return write


def with_prints(made, samples):
    """Adds images with vectors that say nothing, and their fingerprints."""
    ids = made.add_samples(samples, progress=False)
    vectors = np.random.default_rng(len(made)).normal(size=(len(ids), 32)).astype(np.float32)
    made.select(ids).set_values("emb", list(vectors))
    fc.compute_fingerprints(made, num_workers=0, progress=False)
    return ids


def test_an_update_knows_what_was_taken_one_after_another(dataset, burst):
    made = dataset()
    pairs = [(scene, f"IMG_{2 * scene + place:04d}") for scene in range(30) for place in range(2)]
    with_prints(made, [fo.Sample(burst(scene, name)) for scene, name in pairs])
    results = fc.compute_coreset(made, "emb", method="random", projection=None, progress=False)
    assert np.bincount(results.near_copies).tolist().count(2) > 25, "the order was known in the run"
    came = [(29, "IMG_0060"), (30, "IMG_0061"), (30, "IMG_0062"), (31, "IMG_0063"), (5, "x")]
    ids = with_prints(made, [fo.Sample(burst(scene, name)) for scene, name in came])
    kinds = dict(zip((done := results.update()).ids, done.kinds, strict=True))
    assert [kinds[row_id] == "near-copy" for row_id in ids] == [True, False, True, False, False]
    group = dict(zip(results.ids.tolist(), results.near_copies.tolist(), strict=True))
    assert group[ids[0]] == group[made.values("id")[59]]
    assert group[ids[2]] == group[ids[1]]


def test_sets_know_what_was_taken_one_after_another(dataset, burst):
    train, street = dataset(), dataset()
    for made, place in ((train, 0), (street, 1)):
        with_prints(made, [fo.Sample(burst(scene, f"IMG_{2 * scene + place:04d}")) for scene in range(30)])
    found = fc.compare_sets(train, street, "emb", progress=False)
    scene_of = {path: int(path[-8:-4]) // 2 for made in (train, street) for path in made.values("filepath")}
    copies = found.pairs[found.pairs["kind"] != "look-alike"]
    assert len(copies) > 25
    for pair in copies:
        assert scene_of[train[pair["id_a"]].filepath] == scene_of[street[pair["id_b"]].filepath]
    assert set(found.leaks().values("id")) == set(copies["id_b"].tolist())
