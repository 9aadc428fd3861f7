"""Near-copies at the level of arrays: what is recognised, what is not, and what cannot break it."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.vectors.copy_model import CopyModel, fisher
from fiftyone_coreset.plugin.vectors.fingerprints import agreement, altered_fingerprints
from fiftyone_coreset.plugin.vectors.near_copies import Evidence, near_copies
from scipy.ndimage import gaussian_filter, map_coordinates


def scenes(n, seed=0):
    """Large smooth pictures, of which a frame shows a part."""
    rng = np.random.default_rng(seed)
    fields = (
        gaussian_filter(rng.normal(size=(n, 40, 60)), (0, 1.2, 1.2)) * 3
        + gaussian_filter(rng.normal(size=(n, 40, 60)), (0, 5, 5)) * 12
    )
    return (fields - fields.min()) / np.ptp(fields) * 220 + 15


def frame(scene, x=12.0, y=12.0, zoom=1.0, light=1.0):
    """The fingerprint of a part of a scene."""
    grid = np.mgrid[:16, :16] - 7.5
    seen = map_coordinates(scene, [grid[0] * zoom + y + 7.5, grid[1] * zoom + x + 7.5], order=1)
    return (seen * light).clip(0, 255).round().astype(np.uint8).ravel()


def unit(X):
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def pool():
    """80 scenes in 1 to 30 frames, with an embedding that knows a frame's scene only roughly."""
    rng = np.random.default_rng(1)
    sizes = np.r_[30, 12, 12, np.repeat(3, 27), np.ones(50, dtype=int)]
    origin = np.repeat(np.arange(80), sizes)
    pictures = scenes(80)
    prints = np.stack(
        [
            frame(pictures[number], 12 + rng.uniform(-1, 1), 12 + rng.uniform(-1, 1), rng.uniform(0.93, 1.07),
                  rng.uniform(0.9, 1.1))
            for number in origin
        ]
    )  # fmt: skip
    Z = unit(rng.normal(size=(80, 8))[origin] + 0.3 * rng.normal(size=(len(origin), 8)))
    return Z, prints, origin


def everywhere(prints):
    return np.ones(len(prints), dtype=bool)


def scores(groups, origin):
    found, true = groups[:, None] == groups, origin[:, None] == origin
    both = (found & true).sum() - len(groups)
    return both / max(found.sum() - len(groups), 1), both / max(true.sum() - len(groups), 1)


def test_frames_of_a_scene_are_found_whatever_their_place_size_and_light(pool):
    Z, prints, origin = pool
    found = near_copies(Z, Evidence(prints, everywhere(prints)))
    precision, recall = scores(found.groups, origin)
    assert precision > 0.98
    assert recall > 0.95
    assert found.by_pixels
    assert 0 <= found.false_alarm_rate < 0.1
    assert found.representatives().sum() == found.groups.max() + 1
    assert (found.representative[found.representatives()] == np.flatnonzero(found.representatives())).all()
    assert (found.probability[found.representative == np.arange(len(Z))] == 1).all()


def test_the_order_of_rows_and_threads_do_not_matter(pool):
    Z, prints, _ = pool
    order = np.random.default_rng(0).permutation(len(Z))
    altered = np.linspace(0.8, 0.99, 100)
    one = near_copies(Z, Evidence(prints, everywhere(prints), altered), num_workers=1).groups
    other = near_copies(Z[order], Evidence(prints[order], everywhere(prints), altered), num_workers=3).groups
    assert np.array_equal(one[order][:, None] == one[order], other[:, None] == other)


def test_distinct_images_are_not_copies():
    pictures = scenes(300, seed=2)
    prints = np.stack([frame(picture) for picture in pictures])
    Z = unit(np.random.default_rng(0).normal(size=(300, 4)))
    found = near_copies(Z, Evidence(prints, everywhere(prints)))
    assert (np.bincount(found.groups) == 1).all()
    assert not found.clear


def test_a_pan_is_cut_where_frames_no_longer_resemble_the_representative():
    rng = np.random.default_rng(3)
    picture = np.concatenate(list(scenes(4, seed=4)), axis=1)
    places = np.arange(0, 200, 0.8)
    prints = np.stack([frame(picture, x, 12) for x in places])
    turn = places / 60
    Z = unit(np.stack([np.cos(turn), np.sin(turn)], axis=1) + 0.001 * rng.normal(size=(len(places), 2)))
    found = near_copies(Z, Evidence(prints, everywhere(prints)))
    reach = np.abs(places - places[found.representative])
    assert np.bincount(found.groups).max() > 3
    assert reach.max() < 8  # half a frame: neither shows mostly something else


def test_exact_copies_are_told_from_near_copies_and_a_flood_of_them_is_no_trouble(pool):
    Z, prints, _ = pool
    rows = np.r_[np.arange(len(Z)), np.zeros(5000, dtype=int)]
    found = near_copies(Z[rows], Evidence(prints[rows], everywhere(rows)))
    flood = np.r_[0, len(Z) + np.arange(5000)]
    assert len(np.unique(found.groups[flood])) == 1
    same = rows == rows[found.representative]
    assert np.array_equal(found.exact, same)
    assert found.exact[flood].all() or not found.exact[flood].any()


@pytest.mark.parametrize("kind", ["black", "noisy black", "grey gradients"])
def test_images_that_show_nothing_are_not_copies_of_each_other(pool, kind):
    Z, prints, _ = pool
    rng = np.random.default_rng(5)
    empty = {
        "black": np.zeros((200, 256), dtype=np.uint8),
        "noisy black": rng.integers(0, 3, (200, 256)).astype(np.uint8),
        "grey gradients": np.zeros((200, 256), dtype=np.uint8) + np.arange(200, dtype=np.uint8)[:, None],
    }[kind]
    Z = np.concatenate([Z, unit(np.ones((200, 8)) + 0.01 * rng.normal(size=(200, 8)))])
    prints = np.concatenate([prints, empty])
    found = near_copies(Z, Evidence(prints, everywhere(prints)))
    assert np.bincount(found.groups)[found.groups[-200:]].max() == 1


def test_rows_without_a_fingerprint_are_alone(pool):
    Z, prints, _ = pool
    known = np.arange(len(Z)) % 2 == 0
    found = near_copies(Z, Evidence(prints, known))
    assert (np.bincount(found.groups)[found.groups[~known]] == 1).all()
    assert np.bincount(found.groups).max() > 5
    nobody = near_copies(Z, Evidence(prints, np.zeros(len(Z), dtype=bool)))
    assert (np.bincount(nobody.groups) == 1).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_pools(pool, n):
    Z, prints, _ = pool
    assert len(near_copies(Z[:n], Evidence(prints[:n], everywhere(prints[:n]))).groups) == n


def test_the_preferred_row_represents_its_group(pool):
    Z, prints, _ = pool
    found = near_copies(Z, Evidence(prints, everywhere(prints), preference=lambda rows: rows.astype(float)))
    last = np.array([np.flatnonzero(found.groups == group).max() for group in found.groups])
    assert np.array_equal(found.representative, last)


def following(rows):
    return np.stack([np.arange(rows - 1), np.arange(1, rows)], axis=1)


def test_images_taken_one_after_another_are_compared_whatever_the_embedding_says(pool):
    _, prints, origin = pool
    nothing = unit(np.random.default_rng(8).normal(size=(len(prints), 32)))
    without = near_copies(nothing, Evidence(prints, everywhere(prints)))
    found = near_copies(nothing, Evidence(prints, everywhere(prints), followers={"names": following(len(prints))}))
    assert scores(without.groups, origin)[1] < 0.5
    precision, recall = scores(found.groups, origin)
    assert precision > 0.98
    assert recall > 0.9
    members = found.representative != np.arange(len(prints))
    assert (found.probability[members] >= 0.5).all()


def test_in_a_large_group_the_way_leads_on_over_its_representative(pool):
    """A burst whose frames know only each other is joined with its other half, in another corner of the embedding."""
    _, prints, origin = pool
    Z = unit(np.random.default_rng(2).normal(size=(80, 8))[origin])
    Z[:15] += 0.1
    Z = unit(Z + 0.001 * np.random.default_rng(3).normal(size=Z.shape))
    found = near_copies(Z, Evidence(prints, everywhere(prints)))
    assert len(np.unique(found.groups[:30])) == 1


def test_an_order_that_means_nothing_adds_nothing(pool):
    Z, prints, _ = pool
    plain = near_copies(Z, Evidence(prints, everywhere(prints)))
    order = np.random.default_rng(9).permutation(len(Z))
    shuffled = near_copies(Z, Evidence(prints, everywhere(prints), followers={"names": order[following(len(Z))]}))
    assert np.array_equal(plain.groups, shuffled.groups)
    pictures = np.stack([frame(picture) for picture in scenes(300, seed=2)])
    Z = unit(np.random.default_rng(0).normal(size=(300, 4)))
    distinct = near_copies(Z, Evidence(pictures, everywhere(pictures), followers={"names": following(300)}))
    assert (np.bincount(distinct.groups) == 1).all()


def test_pairs_told_apart_are_not_linked_by_their_order(pool):
    _, prints, _ = pool
    Z = unit(np.random.default_rng(8).normal(size=(len(prints), 32)))
    pairs = following(len(prints))
    found = near_copies(Z, Evidence(prints, everywhere(prints), distinct=pairs.tolist(), followers={"names": pairs}))
    plain = near_copies(Z, Evidence(prints, everywhere(prints), distinct=pairs.tolist()))
    assert np.array_equal(found.groups, plain.groups)


def test_the_tail_of_the_look_alikes_sets_the_limit():
    """Of two pools with the same copies, the one with more look-alikes asks for more agreement."""
    rng = np.random.default_rng(0)
    altered = np.tanh(rng.normal(1.8, 0.3, 600))
    copies = rng.normal(1.8, 0.3, 500)
    limits = []
    for n in (500, 5_000):
        z = np.r_[copies, rng.exponential(1 / 4, n)]
        model = CopyModel.fit(np.tanh(z), altered)
        grid = np.tanh(np.linspace(0, 3, 301))
        limits.append(fisher(grid[np.argmax(model.probability(grid) >= 0.9)]))
        linked = model.probability(np.tanh(z)) >= 0.9
        assert linked[500:].sum() <= 0.1 * linked.sum()
    assert limits[1] > limits[0] + 0.2


def test_pairs_told_apart_are_not_counted_as_copies_and_take_nothing_from_others():
    rng = np.random.default_rng(0)
    altered = np.tanh(rng.normal(1.8, 0.3, 600))
    copies, told = np.tanh(rng.normal(1.8, 0.3, 100)), np.tanh(rng.uniform(1.3, 1.6, 60))
    others = np.r_[copies, np.tanh(rng.exponential(1 / 5, 400))]
    before, after = CopyModel.fit(np.r_[others, told], altered), CopyModel.fit(others, altered, told)
    assert before.copies - after.copies > 40
    assert after.probability(told).mean() < before.probability(told).mean()
    assert after.probability(copies).mean() > 0.9


def test_agreement_is_that_of_edges_not_of_light(pool):
    _, prints, _ = pool
    brighter = (prints[:1] * 0.6 + 90).astype(np.uint8)
    pair = np.concatenate([prints[:1], brighter, 255 - prints[:1]])
    same, inverse = agreement(pair, np.array([0, 0]), np.array([1, 2]))
    assert same > 0.98
    assert inverse < 0.5
    assert altered_fingerprints(prints, seed=0).shape == (3, min(300, len(prints)), 256)
