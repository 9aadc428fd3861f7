"""An update computes the vectors that are missing, and tells near-copies by the fingerprints taken in passing."""

import shutil

import fiftyone as fo
import fiftyone_coreset as fc


def test_only_what_came_is_embedded_and_copies_are_told(dataset, image_folder, embed, computed, caplog):
    paths = image_folder(n=16)
    samples = dataset(paths[:12])
    embed(samples)
    results = fc.compute_coreset(samples, method="random", projection="pca", progress=False)
    assert (results.near_copies is not None, computed()) == (True, 12)
    again = shutil.copy(paths[3], paths[3].with_name("again.jpg"))
    came = [fo.Sample(filepath=str(path)) for path in (again, *paths[12:14], paths[0].with_name("gone.png"))]
    ids = samples.add_samples(came, progress=False)
    done = results.update()
    assert computed() == 15
    assert set(done.ids) == set(ids[:3])
    assert done.kinds[done.ids.index(ids[0])] == "near-copy"
    assert done.ids[-1] == ids[0], "what repeats another one comes last"
    assert "near-copy" not in {kind for row_id, kind in zip(done.ids, done.kinds, strict=True) if row_id != ids[0]}
    assert "1 have no usable embedding" in str(done)
    group = dict(zip(results.ids.tolist(), results.near_copies.tolist(), strict=True))
    first = samples.values("id")[3]
    assert group[ids[0]] == group[first]
    assert len(set(group.values())) == 14
    assert results.budget("redundancy") == 14
