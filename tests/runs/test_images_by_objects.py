"""Images are ranked by their objects: mean or maximum novelty, a budget in images or in objects."""

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest

COUNTS = [3, 1, 0, 2, 4, 2]
QUICK = {"method": "kcenter", "projection": None, "progress": False}


@pytest.fixture
def made(dataset):
    """Six images with 3, 1, 0, 2, 4 and 2 objects; run "objects" ranks these."""
    made = dataset([f"/nowhere/{row}.png" for row in range(len(COUNTS))])
    rng = np.random.default_rng(0)
    for count, sample in zip(COUNTS, made, strict=True):
        boxes = [fo.Detection(label="a", bounding_box=[0, 0, 1, 1], emb=rng.normal(size=4)) for _ in range(count)]
        sample["gt"] = fo.Detections(detections=boxes)
        sample.save()
    fc.compute_coreset(made.to_patches("gt"), "emb", "objects", **QUICK)
    return made


def expected_order(made, by):
    """By hand: rows of images, first to label first."""
    n = sum(COUNTS)
    ranks = [[box.objects_rank for box in sample.gt.detections] for sample in made]
    novelty = [[1 - rank / (n - 1) for rank in of_image] for of_image in ranks]
    value = {"max": max, "mean": lambda found: sum(found) / len(found)}[by]
    with_objects = [row for row, found in enumerate(novelty) if found]
    return sorted(with_objects, key=lambda row: -value(novelty[row]))


@pytest.mark.parametrize("by", ["max", "mean"])
def test_images_come_in_the_order_of_their_objects(made, by):
    view = fc.rank_images_by_objects(made, "objects", 3, by=by)
    order = expected_order(made, by)
    ranks = made.values("objects_image_rank")
    assert [ranks[row] for row in order] == list(range(5))
    assert ranks[2] is None
    assert set(view.values("id")) == {made.values("id")[row] for row in order[:3]}
    assert view.media_type == "image"
    assert f"by the {by} novelty" in made.get_saved_view_info("objects images by objects 3 images")["description"]


@pytest.mark.parametrize("budget", [4, 7, "50%", 1.0])
def test_a_budget_of_objects_is_not_exceeded(made, budget):
    view = fc.rank_images_by_objects(made, "objects", budget, budget_in="objects", overwrite=True)
    limit = {"50%": 6, 1.0: 12}.get(budget, budget)
    order = expected_order(made, "max")
    held = np.cumsum([COUNTS[row] for row in order])
    assert len(view) == (held <= limit).sum()
    assert view.count("gt.detections") <= limit


def test_deleted_objects_do_not_count(made):
    made.delete_labels(ids=made.first().gt.detections[0].id, fields="gt")
    made.delete_samples(made.values("id")[4])
    view = fc.rank_images_by_objects(made, "objects", 1.0, budget_in="objects")
    assert len(view) == 4


def test_again_with_overwrite(made):
    fc.rank_images_by_objects(made, "objects", 3)
    with pytest.raises(fc.CoresetError, match="field 'objects_image_rank' exists"):
        fc.rank_images_by_objects(made, "objects", 3)
    fc.rank_images_by_objects(made, "objects", 2, by="mean", name="two", overwrite=True)
    order = expected_order(made, "mean")
    assert [made.values("objects_image_rank")[row] for row in order] == list(range(5))
    assert len(made.load_saved_view("two")) == 2
    made.delete_labels(ids=[box.id for box in made.first().gt.detections], fields="gt")
    fc.rank_images_by_objects(made, "objects", 2, name="two", overwrite=True)
    assert made.values("objects_image_rank")[0] is None  # and not that of the former ranking


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "median"}, "by must be 'max' or 'mean', got 'median'"),
        ({"budget_in": "boxes"}, "budget_in must be 'images' or 'objects', got 'boxes'"),
        ({"budget": 6}, "budget 6 exceeds the 5 images that can be kept"),
        ({"budget": 13, "budget_in": "objects"}, "budget 13 exceeds the 12 ranked objects"),
        ({"budget": "95% coverage"}, "a count, a fraction or a percentage of images here"),
        ({"brain_key": "nope"}, "has no coreset run 'nope'"),
        ({"brain_key": "images"}, "run 'images' ranked images; rank objects, of a to_patches"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(made, arguments, message):
    fc.compute_coreset(made, np.eye(6), "images", **QUICK)
    with pytest.raises(fc.CoresetError, match=message):
        fc.rank_images_by_objects(made, **{"brain_key": "objects", "budget": 2} | arguments)
    assert not made.has_field("objects_image_rank")


def test_a_budget_that_not_even_one_image_fits_in(made):
    order = expected_order(made, "max")
    if COUNTS[order[0]] > 1:
        with pytest.raises(
            fc.CoresetError, match=f"the first image holds {COUNTS[order[0]]} objects, but the budget is 1"
        ):
            fc.rank_images_by_objects(made, "objects", 1, budget_in="objects")
    else:
        assert len(fc.rank_images_by_objects(made, "objects", 1, budget_in="objects")) == 1
