"""The Python side of the Coreset panel, against literal oracles."""

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from coreset_data import clusters, embedded, repeated
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.panels import colorings, figures, grid, payload
from fiftyone_coreset.panels.coreset import CoresetPanel, Region
from fiftyone_coreset.panels.runs import find_run
from fiftyone_coreset.plugin.diagnostics.first_cover import NEVER, first_cover
from fiftyone_coreset.plugin.diagnostics.tables import number, percent
from fiftyone_coreset.plugin.door import parse
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.vectors.points import Points
from matplotlib.path import Path as Outline
from panel_oracles import decoded, literal_first_cover

N = 90


@pytest.fixture
def scored(dataset, image_folder):
    """90 samples with a run 'cs', 4 of them without an embedding."""
    made = embedded(dataset(repeated(image_folder(n=4), N)))
    for sample in made.select(made.values("id")[5:45:10]):
        sample["emb"] = None
        sample.save()
    fc.compute_coreset(
        made, "emb", "cs", method="zcore", n_draws=2000, projection="pca", label_field="ground_truth", progress=False
    )
    return made


# First budgets


def test_first_budgets_agree_with_the_stored_curve(scored):
    results = find_run(scored, "cs").results
    for k in (1, 9, 40, len(results)):
        assert (results.first_cover().covered_at <= k).mean() == pytest.approx(results.curve().coverage_at(k))


def test_first_budgets_come_with_the_run(scored):
    fresh = fc.load_run(fo.load_dataset(scored.name), "cs")
    points = Points(fresh.embeddings()[fresh.ranking])
    measured = first_cover(points, fresh.curve().coverage_radius, fresh.curve().near_duplicate_radius)
    scored.set_values("emb", [None] * N)  # what is stored needs no embeddings
    scored.clear_cache()
    stored = fc.load_run(scored, "cs").first_cover()
    assert np.array_equal(stored.covered_at, measured.covered_at)
    assert np.array_equal(stored.duplicate_at, measured.duplicate_at)


def test_large_runs_measure_no_status_of_every_image(scored, monkeypatch):
    monkeypatch.setattr("fiftyone_coreset.plugin.diagnostics.first_cover.MAX_ROWS", N - 5)
    fc.compute_coreset(scored, "emb", "large", method="random", projection="pca", progress=False)
    with pytest.raises(CoresetError, match="With more than 85 images"):
        fc.load_run(scored, "large").first_cover()


def test_what_another_run_keeps_too(scored):
    fc.compute_coreset(scored, "emb", "other", method="random", seed=3, projection=None, progress=False)
    run, other = find_run(scored, "cs"), fc.load_run(scored, "other")
    colored = colorings.coloring(run, "run:other", 20)
    ours, theirs = set(run.ids[:20]), set(other.ids[other.rank < 20])
    expected = [0 if i in ours & theirs else 1 if i in ours else 2 if i in theirs else 255 for i in run.ids]
    assert decoded(colored["codes"], np.uint8).tolist() == expected
    assert colored["legend"]["labels"] == ["both", "only cs", "only other"]
    assert colored["legend"]["counts"] == [expected.count(code) for code in range(3)]
    assert (colored["legend"]["missing"], colored["legend"]["missingLabel"]) == (expected.count(255), "neither")
    scored.delete_brain_run("other")
    with pytest.raises(CoresetError, match="no coreset run 'other'"):
        colorings.coloring(run, "run:other", 20)


# What the grid shows


def test_rows_in_a_view_by_rank(scored):
    run = find_run(scored, "cs")
    view = scored.match(fo.ViewField("group") == 1)
    shown = grid.shown_rows(run, view)
    assert set(run.ids[shown.mask]) == set(view.exists("emb").values("id"))
    assert shown.unranked == len(view) - len(view.exists("emb"))
    whole = grid.shown_rows(run, scored)
    assert whole.mask.all()
    assert whole.unranked == 4


def test_rows_in_a_patches_view_by_sample(scored):
    run = find_run(scored, "cs")
    chosen = run.ids[:5].tolist()
    for sample in scored.select(chosen):
        sample["objects"] = fo.Detections(detections=[fo.Detection(label="a", bounding_box=[0, 0, 1, 1])])
        sample.save()
    shown = grid.shown_rows(run, scored.to_patches("objects"))
    assert np.flatnonzero(shown.mask).tolist() == [0, 1, 2, 3, 4]


def test_selected_rows(scored):
    run = find_run(scored, "cs")
    unranked = scored.match(~fo.ViewField("emb").exists()).first().id
    assert grid.rows_of_ids(run, [run.ids[7], run.ids[2], unranked]) == [2, 7]
    assert grid.rows_of_ids(run, []) == []


def circle(x, y, r, n=40):
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return [[x + r * np.cos(a), y + r * np.sin(a)] for a in angles]


def test_region_holds_what_lies_in_the_polygon(scored):
    run = find_run(scored, "cs")
    points = run.results.points[run.order]
    outline = circle(*points.mean(axis=0), 0.9 * points.std())
    view = grid.region_view(run, scored.view(), outline)
    inside = Outline([*outline, outline[0]]).contains_points(points)
    assert 0 < inside.sum() < run.n
    assert set(view.values("id")) == set(run.ids[inside])


def test_region_that_crosses_itself_follows_the_even_odd_rule(scored):
    run = find_run(scored, "cs")
    points = run.results.points[run.order].astype(float)
    (x0, y0), (x1, y1) = points.min(axis=0) - 1, points.max(axis=0) + 1
    bow_tie = [[x0, y0], [x1, y1], [x1, y0], [x0, y1]]

    def even_odd(x, y):
        inside = False
        for (ax, ay), (bx, by) in zip(bow_tie, [*bow_tie[1:], bow_tie[0]], strict=True):
            if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
                inside = not inside
        return inside

    inside = np.array([even_odd(x, y) for x, y in points])
    assert 0 < inside.sum() < run.n
    assert set(grid.region_view(run, scored.view(), bow_tie).values("id")) == set(run.ids[inside])


def test_region_replaces_a_region_and_can_be_left(scored):
    run = find_run(scored, "cs")
    base = scored.match(fo.ViewField("group") == 0)
    points = run.results.points
    everything = circle(*points.mean(axis=0), 1e3)
    once = grid.region_view(run, base, circle(*points[0], 0.5))
    twice = grid.region_view(run, once, everything)
    assert len(twice._stages) == 2
    assert grid.has_region(twice)
    assert not grid.has_region(base)
    assert grid.without_region(twice) == base
    assert grid.without_region(base) == base


@pytest.mark.parametrize("polygon", [[], [[0, 0], [1, 1]], [[0, 0], [1, 1], [float("nan"), 0]]])
def test_region_refuses_what_is_no_polygon(polygon):
    with pytest.raises(CoresetError, match="'region of the map' must be"):
        parse(Region, {"key": "cs", "polygon": polygon})


def test_region_of_objects(dataset, image_folder):
    made = dataset(image_folder(n=6))
    rows, _ = clusters(18)
    boxes = iter(rows)
    for sample in made:
        sample["objects"] = fo.Detections(
            detections=[fo.Detection(label="a", bounding_box=[0, 0, 1, 1], emb=next(boxes)) for _ in range(3)]
        )
        sample.save()
    made.add_sample_field("objects.detections.emb", fo.VectorField)
    fc.compute_coreset(
        made.to_patches("objects"), "emb", "obj", method="zcore", n_draws=500, projection="pca", progress=False
    )
    run = find_run(made, "obj")
    assert run.noun == "objects"
    view = grid.region_view(run, made.view(), circle(*run.results.points[run.order[0]], 1e3))
    assert len(view) == 18
    assert grid.shown_rows(run, view.limit(4)).mask.sum() == 4
    assert grid.shown_rows(run, made.limit(2)).mask.sum() == 6
    assert grid.without_region(view) == made.view(), "back to the images it was drawn from"
    patches = made.to_patches("objects")
    again = grid.region_view(run, patches, circle(*run.results.points[run.order[0]], 1e3))
    assert grid.without_region(again) == patches, "back to the objects it was drawn from"
    shown = figures.inspection(run, 0, 5)
    assert shown["path"] in made.values("filepath")


def test_notices_tell_what_changed(scored, image_folder):
    run = find_run(scored, "cs")

    def notices(view=None):
        ranked = grid.shown_rows(run, scored)
        shown = ranked if view is None else grid.shown_rows(run, view)
        return grid.notices(run, ranked, shown, len(scored if view is None else view))

    assert notices() == []
    scored.delete_samples(run.ids[:3].tolist())
    assert [text for text in notices() if "3 of the 86 ranked images were deleted" in text]
    scored.add_samples([fo.Sample(filepath=str(path)) for path in image_folder(n=2, seed=1)], progress=False)
    assert [text for text in notices() if text.startswith("Not ranked: 2 images that came")]
    assert [text for text in notices(scored[-2:]) if "None of the images in the current view" in text]


def test_rows_left_out_on_purpose_were_not_added(scored):
    excluded = scored.take(5, seed=2)
    fc.compute_coreset(
        scored, "emb", "part", method="random", k=50, excluded=excluded, projection="pca", progress=False
    )
    run = find_run(scored, "part")
    ranked = grid.shown_rows(run, scored)
    assert ranked.unranked == N - 50
    assert grid.notices(run, ranked, ranked, N) == []


def test_run_of_a_view_says_so(scored):
    fc.compute_coreset(
        scored.exists("emb").limit(30), "emb", "part", method="zcore", n_draws=500, projection="pca", progress=False
    )
    run = find_run(scored, "part")
    ranked = grid.shown_rows(run, scored)
    assert grid.notices(run, ranked, ranked, N) == ["This run ranks a view: 30 of the dataset's 90 images."]


# Runs


def test_run_is_found_anew_after_it_was_computed_again(scored):
    before = find_run(scored, "cs")
    assert find_run(scored, "cs") is before
    fc.compute_coreset(
        scored, "emb", "cs", method="zcore", n_draws=500, projection="pca", seed=5, overwrite=True, progress=False
    )
    after = find_run(scored, "cs")
    assert after.version != before.version
    assert after.config.seed == 5


def test_missing_run_and_missing_map_are_explained(scored):
    with pytest.raises(CoresetError, match="'gone' was deleted"):
        find_run(scored, "gone")
    fc.compute_coreset(scored, "emb", "flat", method="zcore", n_draws=500, projection=None, progress=False)
    with pytest.raises(CoresetError, match="no map"):
        find_run(scored, "flat")


def test_rows_are_in_rank_order(scored):
    run = find_run(scored, "cs")
    ranks = dict(zip(*scored.values(["id", "cs_rank"]), strict=True))
    assert [ranks[row_id] for row_id in run.ids] == list(range(86))
    scores = dict(zip(*scored.values(["id", "cs_score"]), strict=True))
    codes = decoded(colorings.coloring(run, "score", run.n)["codes"], np.uint8)
    in_order = np.array([scores[row_id] for row_id in run.ids])
    lower, higher = in_order[:-1] < in_order[1:], codes[:-1].astype(int) - codes[1:]
    assert (higher[lower] <= 0).all()


# Colours


def test_every_channel_can_be_drawn(scored):
    run = find_run(scored, "cs")
    offered = [channel["id"] for channel in colorings.channels(run)]
    assert offered[:3] == ["score", "coverage", "redundancy"]
    assert {"distance", "field:group", "field:ground_truth.label"} <= set(offered)
    assert not [name for name in offered if "cs_" in name], "the run's own fields are offered once"
    for name in offered:
        found = colorings.coloring(run, name, 10)
        assert len(decoded(found["codes"], np.uint8)) == run.n


def test_distance_colouring_is_the_distance_to_the_nearest_kept(scored):
    run = find_run(scored, "cs")
    unit = np.array([scored[row_id].emb for row_id in run.ids], dtype=float)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    literal = np.linalg.norm(unit[:, None] - unit[None, :12], axis=2).min(axis=1)
    assert colorings.distances(run, 12) == pytest.approx(literal, abs=1e-6)


def test_unknown_channel_and_deleted_field(scored):
    run = find_run(scored, "cs")
    scored.delete_sample_field("group")
    for channel, words in (("nonsense", "nothing called"), ("field:group", "was deleted")):
        with pytest.raises(CoresetError, match=words):
            colorings.coloring(run, channel, 3)


# Figures


def test_curve_payload_is_the_curve(scored):
    run = find_run(scored, "cs")
    sent = figures.curve_payload(run)
    coverage = next(figure for figure in sent["figures"] if figure["id"] == "coverage")
    for budget, value in zip(sent["budgets"], coverage["values"], strict=True):
        assert value == pytest.approx(run.results.curve().coverage_at(budget), abs=1e-4)
    assert sent["budgets"][-1] == run.n
    assert set(sent["knees"]) <= set(run.results.curve().knees.values())


def test_report_payload_is_the_report(scored):
    run = find_run(scored, "cs")
    sent = {row["label"]: row for row in figures.report_payload(run, 20)["rows"]}
    report = run.results.report(20, n_random=5, max_rows=4_000)
    assert sent["Shift from the whole"]["value"] == number(report["energy_distance"].value)
    assert sent["Classes kept"]["value"] == "100 %"
    assert all(row["explanation"] for row in sent.values())
    assert sent["Reliability"]["value"] == number(run.config.reliability)


def test_inspection_of_a_row(scored):
    run = find_run(scored, "cs")
    row = 30
    assert {f["label"] for f in figures.inspection(run, row, 10)["figures"]} == {"Score", "Coverage", "Redundancy"}
    nearest = colorings.distances(run, 10)[row]  # reads the embeddings, as measuring the coverage does
    shown = {f["label"]: f["value"] for f in figures.inspection(run, row, 10)["figures"]}
    assert shown["Nearest kept at"] == number(nearest)
    assert shown["Score"] == number(scored[run.ids[row]].cs_score)
    scored.delete_samples(run.ids[row])
    gone = figures.inspection(run, row, 10)
    assert gone["path"] is None
    assert gone["title"] == "deleted after the run"


def test_the_map_counts_what_is_alive(scored):
    request = {"dataset_name": scored.name, "params": {"key": "cs"}, "view": []}
    assert CoresetPanel().load_view(ExecutionContext(request, Executor()))["mask"] is None
    run = find_run(scored, "cs")
    scored.delete_samples(run.ids[[0, 7]].tolist())
    state = CoresetPanel().load_view(ExecutionContext(request, Executor()))
    mask = np.unpackbits(decoded(state["mask"], np.uint8), bitorder="little")[: run.n]
    assert np.flatnonzero(mask == 0).tolist() == [0, 7]
    assert state["shown"] == run.n - 2
    assert state["notices"][0].endswith("the map shows them pale.")


def test_figures_are_of_what_is_alive(scored):
    run = find_run(scored, "cs")
    before = run.results.first_cover()
    assert "Covered" not in {row["label"] for row in figures.report_payload(run, 20)["rows"]}, "read off the curve"
    gone = np.array([0, 3, 50])
    assert len(run.points.rows) == run.n
    scored.delete_samples(run.ids[gone].tolist())
    assert not np.isin(gone, run.points.rows).any()
    assert run.kept_rows(20).tolist() == [row for row in range(20) if row not in gone]
    request = {"dataset_name": scored.name, "params": {"key": "cs"}, "view": []}
    alive = CoresetPanel().load_view(ExecutionContext(request, Executor()))["alive"]
    alive = np.unpackbits(decoded(alive, np.uint8), bitorder="little")[: run.n].astype(bool)
    assert np.flatnonzero(~alive).tolist() == gone.tolist()
    cover = run.results.first_cover()
    curve = run.results.curve()
    covered, duplicate = literal_first_cover(
        np.array([scored[i].emb for i in run.ids[alive]], dtype=float),
        curve.coverage_radius,
        curve.near_duplicate_radius,
    )
    rank_of = np.append(np.flatnonzero(alive) + 1, NEVER)  # budgets of the living as budgets of the ranking
    assert cover.covered_at[alive].tolist() == [rank_of[k - 1] for k in covered]
    assert cover.duplicate_at[alive].tolist() == [rank_of[min(k, len(rank_of)) - 1] for k in duplicate]
    assert (cover.covered_at != before.covered_at).any(), "the first image covered others"
    sent = {row["label"]: row["value"] for row in figures.report_payload(run, 20)["rows"]}
    assert sent["Covered"] == percent(run.results.report(18, n_random=5, max_rows=4_000)["coverage"].value)


def test_a_colouring_is_one_entry(scored, monkeypatch):
    run = find_run(scored, "cs")
    halves = colorings.Coloring(
        "Half", "the first half of the ranking", lambda run, k: payload.category_coloring(["a", "b"] * (run.n // 2))
    )
    monkeypatch.setitem(colorings.COLORINGS, "half", halves)
    assert {"id": "half", "label": "Half", "explanation": "the first half of the ranking", "live": False} in (
        colorings.channels(run)
    )
    assert sorted(colorings.coloring(run, "half", 5)["legend"]["labels"]) == ["a", "b"]
    assert colorings.coloring(run, "half", 5)["legend"]["counts"] == [run.n // 2] * 2
