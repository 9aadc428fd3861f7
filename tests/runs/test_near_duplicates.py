"""fc.near_duplicates on real datasets: groups of ids, the evidence for each pair, a view, a summary."""

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset import CoresetError
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
            (image if frame in (0, 3) else altered(image, rng)).save(path)
            paths.append(path)
            origin.append(number)
    samples = dataset(paths)
    position = np.random.default_rng(1).normal(size=(60, 16))[origin]
    frames = np.arange(len(paths)) % 7 * np.array([name.name[3] not in "03" for name in paths])
    samples.set_values("emb", list((position + 0.01 * frames[:, None]).astype(np.float32)))
    samples.set_values("origin", origin)
    return samples


def test_copies_are_grouped_with_their_evidence(bursts):
    fc.compute_fingerprints(bursts, num_workers=0, progress=False)
    near = fc.near_duplicates(bursts, "emb").of_kind("exact", "near-copy")
    origin = dict(zip(*bursts.values(["id", "origin"]), strict=True))
    assert len(near.groups) == 10
    assert all(len({origin[row_id] for row_id in group}) == 1 for group in near.groups)
    assert [len(group) for group in near.groups] == sorted((len(group) for group in near.groups), reverse=True)
    for group in near.groups:
        beside = {pair["id_b"] for pair in near.pairs if pair["id_a"] == group[0]}
        assert beside >= set(group[1:])
    assert np.isfinite(near.pairs["agreement"]).all()
    assert (near.pairs["probability"] > 0.5).all()
    assert near.view().values("id") == [row_id for group in near.groups for row_id in group]
    assert "in 10 groups" in near.summary()
    assert 0 <= near.false_alarm_rate < 0.1


def test_without_fingerprints_nothing_is_called_a_copy(bursts):
    near = fc.near_duplicates(bursts, "emb")
    assert set(near.kinds) == {"look-alike"}
    assert near.false_alarm_rate is None
    assert "compute_fingerprints" in near.summary()
    assert np.isnan(near.pairs["probability"]).all()


def test_an_unknown_kind_is_refused(bursts):
    with pytest.raises(CoresetError, match="kind must be one of exact"):
        fc.near_duplicates(bursts, "emb").view("copy")
