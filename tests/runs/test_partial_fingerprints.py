"""Where only some images have fingerprints: what the others count as, and that it is said."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest

N = 40


@pytest.fixture
def copied(dataset, image_folder, tmp_path):
    """40 images and a copy of each, with equal vectors; fingerprints only where ``prints`` of the row says so."""

    def make(prints):
        paths = image_folder(n=N)
        copies = [tmp_path / f"copy_{path.name}" for path in paths]
        for path, copy in zip(paths, copies, strict=True):
            copy.write_bytes(path.read_bytes())
        made = dataset([*paths, *copies])
        vectors = np.random.default_rng(0).normal(size=(N, 16)).astype(np.float32)
        made.set_values("emb", [*vectors, *vectors])
        made.set_values("image", [*range(N), *range(N)])
        ids = [row_id for row, row_id in enumerate(made.values("id")) if prints(row)]
        if ids:
            fc.compute_fingerprints(made.select(ids), num_workers=0, progress=False)
        return made

    return make


OPTIONS = {"embeddings": "emb", "progress": False}
#: Fingerprints of all, of all originals and some copies, of no copy, of none; and how many lack one.
SOME = {
    "all": (lambda row: True, 0),
    "some copies": (lambda row: row < N + 25, 15),
    "originals": (lambda row: row < N, N),
    "none": (lambda row: False, 2 * N),
}


@pytest.mark.parametrize("which", SOME)
def test_no_copy_is_in_two_parts_of_a_split(copied, which):
    prints, lacking = SOME[which]
    made = copied(prints)
    found = fc.split_by_coverage(made, {"train": 0.5, "test": 0.5}, **OPTIONS)
    part = {row_id: name for name, ids in found.parts.items() for row_id in ids}
    by_image = {}
    for row_id, image in zip(*made.values(["id", "image"]), strict=True):
        by_image.setdefault(image, set()).add(part[row_id])
    assert {len(parts) for parts in by_image.values()} == {1}
    assert found.without_fingerprint == lacking
    assert found.n_together >= 2 * N
    told = f"{lacking} images without a fingerprint are kept together with look-alikes: call compute_fingerprints"
    assert (told in found.summary()) == (lacking > 0)


def test_fingerprints_still_tell_look_alikes_apart_where_there_are_any(dataset, image_folder):
    """Equal vectors, other pixels: kept together only where a fingerprint is missing."""
    made = dataset(image_folder(n=60))
    vectors = np.random.default_rng(0).normal(size=(30, 16)).astype(np.float32)
    made.set_values("emb", list(np.repeat(vectors, 2, axis=0)))
    fc.compute_fingerprints(made[:40], num_workers=0, progress=False)
    found = fc.split_by_coverage(made, {"train": 0.5, "test": 0.5}, **OPTIONS)
    assert (found.n_together, found.without_fingerprint) == (20, 20)


@pytest.mark.parametrize("which", SOME)
def test_sets_and_near_duplicates_say_what_lacks_fingerprints(copied, which):
    prints, lacking = SOME[which]
    made = copied(prints)
    first, second = made[:N], made[N:]
    found = fc.compare_sets(first, second, **OPTIONS)
    told = len(second.exists("coreset_fingerprint")) if which != "none" else 0
    assert len(found.pairs) == N
    assert len(found.leaks("exact")) == told
    assert len(found.leaks("look-alike")) == N - told
    assert found.without_fingerprint == lacking == found.to_dict()["without_fingerprint"]
    near = fc.near_duplicates(made, **OPTIONS)
    assert len(near.of_kind("exact").groups) == told
    assert near.without_fingerprint == lacking
    words = {
        "all": None,
        "some copies": "15 images have no fingerprint, so copies of them count as look-alikes: call compute_finger",
        "originals": "40 images have no fingerprint, so copies of them count as look-alikes: call compute_fingerpri",
        "none": "Without fingerprints copies cannot be told from look-alikes: call compute_fingerprints",
    }[which]
    for text in (found.summary(), near.summary()):
        assert ("fingerprint" in text) == (words is not None)
        assert words is None or words in text


def test_runs_and_updates_say_what_lacks_fingerprints(copied):
    made = copied(lambda row: row < N + 3)
    quick = OPTIONS | {"method": "random", "projection": None}
    assert fc.compute_coreset(made[:N], brain_key="told", **quick).config.facts["without_fingerprint"] == 0
    run = fc.compute_coreset(made, **quick)
    assert "37 images without a fingerprint count as no copies." in run.report(10).notes[-1]
    came = made.add_samples([fo.Sample(filepath=path) for path in made[:4].values("filepath")], progress=False)
    made.select(came).set_values("emb", made[:4].values("emb"))
    fc.compute_fingerprints(made.select(came[:1]), num_workers=0, progress=False)
    done = run.update()
    kinds = dict(zip(done.ids, done.kinds, strict=True))
    assert [kinds[row_id] for row_id in came] == ["near-copy", *["look-alike"] * 3]
    assert done.without_fingerprint == 3
    assert "3 images have no fingerprint, so copies of them count as look-alikes" in done.summary()
