"""Near-duplicates among images that show nothing, cannot be read, or are of odd sizes, and odd vectors."""

import fiftyone_coreset as fc
import images
import numpy as np
from PIL import Image


def test_odd_images_are_in_no_group_but_copies_are_found(dataset, tmp_path):
    rng = np.random.default_rng(0)
    paths, vectors = [], []

    def add(name, image, vector):
        paths.append(tmp_path / name)
        vectors.append(vector)
        if isinstance(image, bytes):
            paths[-1].write_bytes(image)
        elif image is not None:
            image.save(paths[-1])

    for number, path in enumerate(images.write_images(tmp_path / "made", 30, size=(96, 72))):
        center = rng.normal(size=16)
        with Image.open(path) as picture:
            picture = picture.convert("RGB")
            for copy in range(3 if number < 6 else 1):
                add(f"{number}-{copy}.jpg", picture.crop((copy, copy, 96, 72)), center + 0.01 * copy)
            if number == 0:
                add("large.jpg", picture.resize((4800, 3600)), center)
    odd = len(paths)
    dark = rng.normal(size=16)
    for number in range(6):  # an embedding puts all that is dark close together
        near = dark + 0.001 * rng.normal(size=16)
        add(f"black{number}.png", Image.new("RGB", (40 + number, 40)), near)
        add(f"point{number}.png", Image.new("L", (1, 1), number), near)
        add(f"line{number}.png", Image.new("RGB", (1, 900), (0, number, 0)), near)
        add(f"transparent{number}.png", Image.new("RGBA", (50, 40), (200, 0, number, 0)), near)
        add(f"broken{number}.jpg", b"", near)
        add(f"cut{number}.jpg", b"\xff\xd8\xff\xe0" + bytes(50), near)
        add(f"missing{number}.jpg", None, near)
    add("huge.png", Image.new("1", (11_000, 10_000)), dark)
    for vector in (np.full(16, np.nan), np.full(16, np.inf), np.zeros(16), None, np.full(16, 1e30)):
        add(f"vector{len(paths)}.png", Image.new("RGB", (30, 30), "white"), vector)
    made = dataset(paths)
    made.set_values("emb", [None if vector is None else np.float32(vector) for vector in vectors])
    taken = fc.compute_fingerprints(made, num_workers=0, progress=False)
    assert len(taken.failures) == 19, "empty, cut, missing and too large ones, each with its reason"
    near = fc.near_duplicates(made, "emb")
    ids = made.values("id")
    place = {row_id: row for row, row_id in enumerate(ids)}
    groups = near.of_kind("exact", "near-copy").groups
    assert sorted(len(group) for group in groups) == [3, 3, 3, 3, 3, 4]
    assert all(place[row_id] < odd for group in groups for row_id in group)
    results = fc.compute_coreset(made, "emb", "cs", projection="pca", progress=False)
    assert "near-copies" in str(results.report("20%"))
