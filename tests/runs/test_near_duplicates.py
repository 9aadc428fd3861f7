"""fc.near_duplicates on real datasets: groups of ids, the evidence for each pair, a view, a summary."""

import os

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset import CoresetError
from fiftyone_coreset.plugin.dataset.decisions import decide_apart
from PIL import Image


def scene(rng):
    """A picture with detail at every scale, as photographs have."""
    grey = sum(
        np.kron(rng.normal(size=(side, side, 3)), np.ones((64 // side, 64 // side, 1))) * 40 / side**0.5
        for side in (2, 4, 8, 16, 32)
    )
    return Image.fromarray((128 + grey).clip(0, 255).astype(np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)


def altered(image, rng):
    """Another frame of the same scene."""
    left, top = rng.integers(0, 5, 2)
    pixels = np.asarray(image.crop((left, top, left + 90, top + 90)).resize((96, 96)), dtype=float)
    return Image.fromarray((pixels * rng.uniform(0.92, 1.08)).clip(0, 255).astype(np.uint8))


@pytest.fixture
def bursts(dataset, tmp_path):
    """60 scenes: the first ten in four frames, of which the last two are the same file; embeddings by scene."""
    rng = np.random.default_rng(0)
    paths, origin = [], []
    for number in range(60):
        image = scene(rng)
        for frame in range(4 if number < 10 else 1):
            path = tmp_path / f"{number:02d}-{frame}.png"
            picture = image if frame in (0, 3) else altered(image, rng)
            # The third frame has more pixels, hard edges and a later date.
            (picture.resize((192, 192), Image.Resampling.NEAREST) if frame == 2 else picture).save(path)
            os.utime(path, (10**9 + frame % 3,) * 2)
            paths.append(path)
            origin.append(number)
    samples = dataset(paths)
    position = np.random.default_rng(1).normal(size=(60, 16))[origin]
    frames = np.arange(len(paths)) % 7 * np.array([name.name[3] not in "03" for name in paths])
    samples.set_values("emb", list((position + 0.01 * frames[:, None]).astype(np.float32)))
    samples.set_values("origin", origin)
    third = [path.name[3] == "2" for path in paths]
    samples.set_values("value", [float(yes) if yes else None for yes in third])
    samples.set_values("truth", [fo.Classification(label="a") if yes else None for yes in third])
    return samples


def test_copies_are_grouped_with_their_evidence(bursts):
    fc.compute_fingerprints(bursts, num_workers=0, progress=False)
    near = fc.near_duplicates(bursts, "emb").of_kind("exact", "near-copy")
    origin = dict(zip(*bursts.values(["id", "origin"]), strict=True))
    assert sorted(len(group) for group in near.groups) == [4] * 10
    assert all(len({origin[row_id] for row_id in group}) == 1 for group in near.groups)
    assert [len(group) for group in near.groups] == sorted((len(group) for group in near.groups), reverse=True)
    for group in near.groups:
        beside = {pair["id_b"] for pair in near.pairs if pair["id_a"] == group[0]}
        assert beside >= set(group[1:])
    assert np.isfinite(near.pairs["agreement"]).all()
    assert (near.pairs["probability"] > 0.5).all()
    assert near.view().values("id") == [row_id for group in near.groups for row_id in group]
    assert "40 images are near-copies, in 10 groups" in near.summary()
    assert 0 <= near.false_alarm_rate < 0.05
    assert np.sum(near.pairs["kind"] == "exact") <= 10  # the first and the last frame are the same file


@pytest.mark.parametrize("prefer", ["sharpest", "largest", "newest", "labelled", "value"])
def test_the_preferred_copy_represents_its_group(bursts, prefer):
    fc.compute_fingerprints(bursts, num_workers=0, progress=False)
    chosen = bursts.match(fo.ViewField("value") == 1).values("id")
    near = fc.near_duplicates(bursts, "emb", prefer=prefer).of_kind("exact", "near-copy")
    assert sorted(group[0] for group in near.groups) == sorted(chosen)


def test_pairs_that_somebody_told_apart_are_not_linked(bursts):
    fc.compute_fingerprints(bursts, num_workers=0, progress=False)
    near = fc.near_duplicates(bursts, "emb").of_kind("near-copy")
    group = near.groups[0]
    first = {group[0], *near.pairs["id_b"][(near.pairs["id_a"] == group[0]) & (near.pairs["kind"] == "exact")]}
    apart = [(one, other) for one in first for other in group if other not in first]
    found = fc.near_duplicates(bursts, "emb", distinct=apart).of_kind("exact", "near-copy")
    assert len(apart) > 1
    assert not any(first & set(members) and set(members) & set(group) - first for members in found.groups)
    assert len(found.groups) >= len(near.groups)
    decide_apart(bursts, [sorted(first), [row_id for row_id in group if row_id not in first]])  # as the panel does
    assert fc.near_duplicates(bursts, "emb").of_kind("exact", "near-copy").groups == found.groups


def test_a_selection_keeps_the_preferred_copy(bursts):
    fc.compute_fingerprints(bursts, num_workers=0, progress=False)
    results = fc.compute_coreset(bursts, "emb", prefer="largest", projection=None, progress=False)
    kept = set(results.view("redundancy").values("id"))
    frames = bursts.match(fo.ViewField("origin") < 10)
    assert len(kept) == 60
    assert kept & set(frames.values("id")) == set(frames.match(fo.ViewField("value") == 1).values("id"))


def test_without_fingerprints_nothing_is_called_a_copy(bursts):
    near = fc.near_duplicates(bursts, "emb")
    assert set(near.kinds) == {"look-alike"}
    assert near.false_alarm_rate is None
    assert "compute_fingerprints" in near.summary()
    assert np.isnan(near.pairs["probability"]).all()


def test_an_unknown_kind_is_refused(bursts):
    with pytest.raises(CoresetError, match="kind must be one of exact"):
        fc.near_duplicates(bursts, "emb").view("copy")
