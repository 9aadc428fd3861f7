"""The panel's events about near-duplicates, on images whose bursts are known."""

import base64

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.panels.coreset import CoresetPanel
from fiftyone_coreset.panels.group_events import DELETE_TAG, TAG
from fiftyone_coreset.panels.runs import find_run
from fiftyone_coreset.plugin.dataset.decisions import read_decisions
from fiftyone_coreset.plugin.runs import near_duplicates as core

#: Bursts of 4, 3 and 2 images, and 21 images that repeat nothing.
BURSTS = ((0, 1, 2, 3), (4, 5, 6), (7, 8))
KINDS = ("near-copy", "look-alike", "exact")
N = 30


@pytest.fixture
def scored(dataset, monkeypatch):
    """A dataset of 30 images with a run "cs"; what near_duplicates finds in it is the three bursts."""
    made = dataset([f"/nowhere/{row:02d}.png" for row in range(N)])
    vectors = np.eye(N, dtype=np.float32)
    for burst in BURSTS:
        for place, row in enumerate(burst):
            vectors[row] = vectors[burst[0]] + 0.1 * place * vectors[N - 1]
    made.set_values("emb", list(vectors))
    fc.compute_coreset(made, "emb", "cs", method="random", projection="pca", progress=False)
    ids = made.values("id")
    groups = [[ids[row] for row in burst] for burst in BURSTS]
    probability = {"near-copy": 0.9, "look-alike": np.nan, "exact": 1.0}
    pairs = [
        (group[0], row_id, 0.1, 0.8, probability[kind], kind)
        for group, kind in zip(groups, KINDS, strict=True)
        for row_id in group[1:]
    ]
    found = core.NearDuplicates(groups, list(KINDS), np.array(pairs, dtype=core.PAIR), N, "images", 0.01, 0, made)
    monkeypatch.setattr(core, "near_duplicates", lambda samples, embeddings, **options: found)
    return made


class Browser:
    """Sends events as the web component does."""

    def __init__(self, dataset):
        self.dataset, self.triggered = dataset, []
        self.list = self.send("load_groups")

    def ask(self, event, view=(), **params):
        request = {"dataset_name": self.dataset.name, "params": {"key": "cs", **params}, "view": list(view)}
        ctx = ExecutionContext(request, Executor())
        answer = getattr(CoresetPanel(), event)(ctx)
        self.triggered = [(call.operator_uri.rsplit("/", 1)[-1], call.params) for call in ctx.executor._requests]
        self.dataset.reload()
        return answer

    def send(self, event, **params):
        answer = self.ask(event, **params)
        assert "error" not in answer, answer
        return answer

    def of(self, event, **params):
        return self.send(event, version=self.list["version"], **params)

    def refusal(self, event, **params):
        return self.ask(event, **{"version": self.list["version"], **params})["error"]

    def array(self, name, dtype):
        return np.frombuffer(base64.b64decode(self.list[name]), dtype=dtype).tolist()

    def members(self, group):
        (page,) = self.of("load_group_page", groups=[group])["groups"]
        return page["members"]


@pytest.fixture
def browser(scored):
    return Browser(scored)


def ids(dataset, *rows):
    found = dataset.values("id")
    return [found[row] for row in rows]


def test_groups_come_as_numbers_and_images_by_the_page(browser, scored):
    assert browser.array("kinds", np.uint8) == [1, 2, 0]
    assert browser.array("sizes", np.uint32) == [4, 3, 2]
    certainty = browser.array("certainty", np.float32)
    assert certainty == pytest.approx([0.9, np.nan, 1.0], nan_ok=True)
    assert browser.list["falseAlarms"] == 0.01
    assert browser.list["fingerprints"]
    pages = browser.of("load_group_page", groups=[2, 0])["groups"]
    assert [page["group"] for page in pages] == [2, 0]
    leader, *rest = pages[1]["members"]
    assert [member["id"] for member in pages[1]["members"]] == ids(scored, *BURSTS[0])
    assert (leader["distance"], leader["agreement"]) == (None, None)
    assert [(m["distance"], m["agreement"], m["probability"]) for m in rest] == [(0.1, 0.8, 0.9)] * 3
    run = find_run(scored, "cs")
    assert [run.ids[member["rank"]] for member in rest] == [member["id"] for member in rest]
    assert leader["path"] == scored[leader["id"]].filepath
    more = browser.of("load_members", group=0, start=2)
    assert [member["id"] for member in more["members"]] == ids(scored, 2, 3)


def test_a_page_reads_only_its_own_images(browser, scored, monkeypatch):
    read = []
    values = fo.DatasetView.values
    monkeypatch.setattr(fo.DatasetView, "values", lambda view, *a, **k: read.append(len(view)) or values(view, *a, **k))
    browser.of("load_group_page", groups=[1])
    assert read == [3]


def test_keep_this_one_instead_is_remembered(browser, scored):
    third = ids(scored, 2)[0]
    browser.of("mark_rest", groups=[0], action="delete")
    answer = browser.of("keep_instead", group=0, id=third)
    assert (answer["group"], answer["size"]) == (0, 4)
    assert answer["certainty"] == pytest.approx(0.9)
    first, *rest = browser.members(0)
    assert first["id"] == third
    assert first["tags"] == [], "what stays must not be deleted for an earlier tag"
    assert [member["id"] for member in rest] == ids(scored, 0, 1, 3)
    unit = np.array(scored.select(ids(scored, 2, 0)).values("emb"))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert rest[0]["distance"] == pytest.approx(np.linalg.norm(unit[0] - unit[1]), abs=1e-3)
    assert Browser(scored).list["version"] == browser.list["version"], "the groups are found once"
    browser.list = browser.send("load_groups", again=True)
    assert browser.members(0)[0]["id"] == third
    assert read_decisions(scored).representatives == (third,)


def test_not_copies_are_remembered_and_leave_the_groups(browser, scored):
    browser.of("mark_rest", groups=[1], action="tag")
    answer = browser.of("not_copies", group=1)
    assert (answer["group"], answer["size"], answer["certainty"]) == (1, 0, None)
    assert answer["message"] == "Remembered: these 3 images are no copies of each other."
    assert scored.match_tags(TAG).count() == 0, "what is no copy is no longer tagged as one"
    assert browser.refusal("not_copies", group=1) == "This group is not left."
    browser.list = browser.send("load_groups", again=True)
    assert browser.array("sizes", np.uint32) == [4, 0, 2]
    a, b, c = ids(scored, *BURSTS[1])
    assert set(read_decisions(scored).distinct_pairs()) == {(a, b), (a, c), (b, c)}


def test_one_image_is_no_copy(browser, scored):
    second = ids(scored, 1)[0]
    assert browser.of("not_copies", group=0, id=second)["size"] == 3
    assert [member["id"] for member in browser.members(0)] == ids(scored, 0, 2, 3)
    browser.list = browser.send("load_groups", again=True)
    assert [member["id"] for member in browser.members(0)] == ids(scored, 0, 2, 3)
    first = ids(scored, 0)[0]
    assert browser.of("not_copies", group=0, id=first)["size"] == 2
    assert [member["id"] for member in browser.members(0)] == ids(scored, 2, 3)


def test_decisions_are_taken_back(browser, scored):
    for event, params in (("not_copies", {}), ("keep_instead", {"id": ids(scored, 3)[0]})):
        undo = browser.of(event, group=0, **params)["undo"]
        assert browser.send("undo", token=undo)["message"] == "Taken back."
        assert [member["id"] for member in browser.members(0)] == ids(scored, *BURSTS[0])
        assert read_decisions(scored).apart == read_decisions(scored).representatives == ()
    assert "can no longer be undone" in browser.refusal("undo", token=undo)


def test_the_rest_is_tagged_and_untagged(browser, scored):
    scored.select(ids(scored, 1)).tag_samples(TAG)
    answer = browser.of("mark_rest", groups=[0, 2, 0], action="tag")
    assert answer["message"] == f"Tagged 3 images '{TAG}'; 1 had the tag already."
    assert scored.match_tags(TAG).values("id") == ids(scored, 1, 2, 3, 8)
    assert browser.members(0)[1]["tags"] == [TAG]
    browser.send("undo", token=answer["undo"])
    assert scored.match_tags(TAG).values("id") == ids(scored, 1), "what was tagged before stays so"


@pytest.mark.parametrize(("least", "rows"), [(0.95, (8,)), (0.5, (1, 2, 3, 8))])
def test_all_copies_above_a_certainty_and_no_look_alikes(browser, scored, least, rows):
    browser.of("mark_rest", at_least=least, action="tag")
    assert scored.match_tags(TAG).values("id") == ids(scored, *rows)


def test_the_rest_is_hidden_in_a_view(browser, scored):
    before = scored.limit(28)
    answer = browser.of("mark_rest", groups=[0], action="hide", view=before._serialize())
    (_, shown) = next(call for call in browser.triggered if call[0] == "set_view")
    view = fo.DatasetView._build(scored, shown["view"])
    assert view.values("id") == [i for i in before.values("id") if i not in ids(scored, 1, 2, 3)]
    assert len(str(shown["view"])) < 600, "a condition, not a list of ids"
    again = browser.of("mark_rest", groups=[2], action="hide", view=view._serialize())
    (_, shown) = next(call for call in browser.triggered if call[0] == "set_view")
    assert len(shown["view"]) == 2, "the condition is there once"
    browser.send("undo", token=again["undo"])
    browser.send("undo", token=answer["undo"])
    (_, shown) = next(call for call in browser.triggered if call[0] == "set_view")
    assert fo.DatasetView._build(scored, shown["view"]) == before
    assert scored.match_tags(TAG).count() == 0


def test_deleting_takes_a_tag_and_a_confirmed_count(browser, scored):
    answer = browser.of("mark_rest", groups=[0], action="delete")
    assert (answer["marked"], len(scored)) == (3, N)
    assert scored.match_tags(DELETE_TAG).values("id") == ids(scored, 1, 2, 3)
    assert browser.refusal("delete_marked", count=4).startswith("3 images are tagged 'coreset_delete' now, not 4")
    assert len(scored) == N
    undo = browser.of("not_copies", group=1)["undo"]
    assert browser.send("delete_marked", count=3)["message"].startswith("Deleted 3 images from the dataset.")
    assert len(scored) == N - 3
    browser.list = browser.send("load_groups")
    assert browser.array("sizes", np.uint32) == [0, 0, 2]
    assert browser.list["marked"] == 0
    assert "can no longer be undone" in browser.refusal("undo", token=undo)
    assert browser.refusal("mark_rest", groups=[0], action="tag") == "None of these groups is left."


def test_deleting_is_undone_before_it_is_confirmed(browser, scored):
    undo = browser.of("mark_rest", groups=[0], action="delete")["undo"]
    assert browser.send("undo", token=undo)["marked"] == 0
    browser.of("mark_rest", groups=[2], action="delete")
    assert browser.send("unmark_all")["message"].endswith("Removed the tag 'coreset_delete' from 1 image.")
    assert scored.match_tags(DELETE_TAG).count() == 0
    assert len(scored) == N


def test_fingerprints_are_asked_for(browser):
    browser.send("compute_fingerprints")
    (_, prompt) = browser.triggered[0]
    assert (prompt["operator_uri"], prompt["params"]) == (
        "@fiftyone-coreset/coreset/compute_fingerprints",
        {"rows": "images"},
    )


def test_groups_are_shown_in_the_grid(browser, scored):
    browser.of("show_groups", groups=[2, 0])
    (_, shown) = next(call for call in browser.triggered if call[0] == "set_view")
    assert fo.DatasetView._build(scored, shown["view"]).values("id") == ids(scored, 7, 8, 0, 1, 2, 3)
    browser.send("open_member", id=ids(scored, 5)[0])
    assert browser.triggered == [("open_sample", {"id": ids(scored, 5)[0], "group_id": None})]


#: What a browser, an agent or a script may send, and how the refusal begins.
REFUSED = [
    ("load_group_page", {"groups": [3]}, "There is no group 3."),
    ("load_group_page", {"groups": [-1]}, "'groups' must be"),
    ("load_group_page", {"groups": list(range(101))}, "'groups' must be at most 100 items"),
    ("load_group_page", {"groups": [0], "version": "older"}, "The groups have changed meanwhile"),
    ("keep_instead", {"group": 0, "id": "f" * 24}, "This image is not in the group."),
    ("keep_instead", {"group": 0, "id": "nobody"}, "'image' must be"),
    ("not_copies", {"group": 9}, "There is no group 9."),
    ("mark_rest", {"groups": [0], "action": "burn"}, "'action' must be one of"),
    ("mark_rest", {"at_least": 2.0, "action": "tag"}, "'certainty' must be at most 1"),
    ("mark_rest", {"groups": [], "action": "tag"}, "None of these groups is left."),
    ("delete_marked", {"count": 0}, "'count' must be at least 1"),
    ("delete_marked", {"count": 5}, "0 images are tagged"),
    ("open_member", {"id": "f" * 24}, "This image was deleted after the run."),
]


def test_what_cannot_be_done_is_said(browser, scored):
    for event, params, words in REFUSED:
        assert browser.refusal(event, **params).startswith(words)
    assert len(scored) == N
    assert scored.match_tags([TAG, DELETE_TAG]).count() == 0
    answer = browser.refusal("keep_instead", group=0, id=ids(scored, 0)[0])
    assert answer == "This image stands for its group already."


def test_images_deleted_elsewhere_make_new_groups(browser, scored):
    scored.delete_samples(ids(scored, 20))
    assert browser.send("load_groups")["version"] != browser.list["version"]


def test_a_run_of_an_array_too_large_to_store_says_what_is_missing(dataset, monkeypatch):
    monkeypatch.setattr("fiftyone_coreset.plugin.vectors.half.MAX_STORED", 0)
    made = dataset([f"/nowhere/{row:02d}.png" for row in range(8)])
    fc.compute_coreset(made, np.eye(8), "cs", method="random", projection="pca", progress=False)
    made.clear_cache()
    request = {"dataset_name": made.name, "params": {"key": "cs"}, "view": []}
    answer = CoresetPanel().load_groups(ExecutionContext(request, Executor()))
    assert "given" in answer["error"]
    assert "stored" in answer["error"]


def test_objects_are_tagged_hidden_and_deleted(dataset):
    made = dataset([f"/nowhere/{row}.png" for row in range(4)])
    vectors = np.repeat(np.eye(6, dtype=np.float32), 2, axis=0)
    boxes = iter(vectors)
    for sample in made:
        sample["things"] = fo.Detections(
            detections=[fo.Detection(label="a", bounding_box=[0.1, 0, 0.5, 1], emb=next(boxes)) for _ in range(3)]
        )
        sample.save()
    made.add_sample_field("things.detections.emb", fo.VectorField)
    fc.compute_coreset(made.to_patches("things"), "emb", "cs", method="random", projection="pca", progress=False)
    browser = Browser(made)
    sizes = browser.array("sizes", np.uint32)
    assert sizes == [2] * 6
    (first, second) = browser.members(0)
    assert first["box"] == [0.1, 0, 0.5, 1]
    assert first["path"] in made.values("filepath")
    browser.of("mark_rest", groups=[0], action="hide")
    (_, shown) = next(call for call in browser.triggered if call[0] == "set_view")
    hidden = fo.DatasetView._build(made, shown["view"])
    assert len(hidden) == 11
    assert second["id"] not in hidden.values("id")
    assert browser.members(0)[1]["tags"] == [TAG]
    browser.of("mark_rest", groups=[0], action="delete")
    browser.send("delete_marked", count=1)
    assert made.count("things.detections") == 11
    assert len(made) == 4
