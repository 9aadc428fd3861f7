"""Models of FiftyOne: the vectors that FiftyOne itself computes, an outcome for each image, resume and a record."""

import fiftyone as fo
import fiftyone.core.models as fom
import fiftyone.utils.torch as fout
import fiftyone.zoo as foz
import fiftyone_coreset as fc
import numpy as np
import pytest
import torch
from fiftyone_coreset.plugin.embeddings.zoo import ZooEmbedder
from PIL import Image


class Colours(fom.Model, fom.EmbeddingsMixin):
    """Mean colours of a whole image: a numpy model that takes images of any size."""

    media_type, ragged_batches, has_embeddings = "image", True, True

    def __init__(self, power=1.0):
        self.power, self.seen = power, 0

    def embed(self, arg):
        self.seen += 1
        if arg[0, 0, 0] == 77:  # what a test paints there
            raise ValueError("cannot look at this")
        return np.array([*(arg.mean(axis=(0, 1)) / 255) ** self.power, 1.0])


class Squares(fout.TorchEmbeddingsMixin, fom.TorchModelMixin, fom.Model):
    """A torch model with transforms of its own, in batches."""

    media_type, ragged_batches = "image", False

    def __init__(self):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self._network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 5))
        super().__init__(self._network, as_feature_extractor=True)
        self.preprocess = True
        self.batches = []

    preprocess = None

    @property
    def transforms(self):
        import torchvision.transforms as tvt

        return tvt.Compose([fout.ToPILImage(), tvt.Resize((8, 8)), tvt.ToTensor()])

    def _predict_all(self, args):
        self.batches.append(len(args))
        args = torch.stack([self.transforms(arg) for arg in args] if self.preprocess else list(args))
        return self._network(args).detach().numpy()


@pytest.fixture
def embed():
    def run(samples, model, **kwargs):
        return fc.compute_embeddings(samples, "emb", model=model, num_workers=0, progress=False, **kwargs)

    return run


@pytest.fixture
def paths(image_folder):
    return [*image_folder(n=4, size=(40, 30)), *image_folder(n=3, size=(24, 36), seed=1)]


@pytest.mark.parametrize("model", [Colours, Squares])
def test_the_vectors_are_fiftyones(dataset, paths, embed, model):
    samples = dataset(paths)
    report = embed(samples, model())
    samples.compute_embeddings(model(), "theirs", progress=False)
    np.testing.assert_allclose(np.stack(samples.values("emb")), np.stack(samples.values("theirs")), rtol=1e-5)
    record = fc.embedding_record(samples, "emb")
    assert (record["library"], record["model"]) == ("instance", f"{__name__}.{model.__name__}")
    assert (record["normalized"], record["state"], report.n_embedded) == (False, "complete", 7)
    assert samples.count("coreset_fingerprint") == 7


def test_one_bad_image_costs_itself(dataset, paths, embed, tmp_path):
    Image.new("RGB", (20, 20), (77, 0, 0)).save(tmp_path / "bad.png")
    (tmp_path / "torn.png").write_bytes(b"no image")
    samples = dataset([*paths, tmp_path / "bad.png", tmp_path / "torn.png"])
    report = embed(samples, Colours(), tag_failures="lost")
    assert report.counts == {
        "ok": 7,
        "missing": 0,
        "unreadable": 0,
        "undecodable": 1,
        "non-finite": 0,
        "model error": 1,
    }
    assert "the model failed on it (ValueError: cannot look at this)" in str(report)
    assert samples.match_tags("lost").count() == 2


def test_a_batch_that_fails_is_asked_one_by_one(monkeypatch):
    model = Squares()
    whole = model._predict_all

    def fragile(args):
        if any(np.asarray(arg).max() == 9 for arg in args):
            raise RuntimeError("nine")
        return whole(args)

    monkeypatch.setattr(model, "_predict_all", fragile)
    pixels = np.zeros((5, 8, 8, 3), np.uint8)
    pixels[2] = 9
    embedder = ZooEmbedder(model)
    found = embedder(pixels)
    assert np.isfinite(found).all(axis=1).tolist() == [True, True, False, True, True]
    assert list(embedder.errors) == [2]
    assert model.batches == [1, 1, 1, 1]


def test_vectors_of_another_length_and_no_vectors():
    class Odd(Colours):
        def embed(self, arg):
            return np.ones({8: 3, 9: 4}[len(arg)]) if len(arg) < 10 else np.ones((2, 2))

    embedder = ZooEmbedder(Odd())
    found = embedder([np.zeros((side, side, 3), np.uint8) for side in (8, 9, 10, 8)])
    assert np.isfinite(found).all(axis=1).tolist() == [True, False, False, True]
    assert "gave 4 numbers instead of 3" in embedder.errors[1]
    assert "has the shape (2, 2), and is no vector" in embedder.errors[2]


def test_a_second_call_completes_the_first(dataset, paths, embed):
    samples, model = dataset(paths), Colours()
    embed(samples[:4], model)
    model.seen = 0
    report = embed(samples, model)
    assert (report.n_present, report.n_embedded) == (4, 3)
    assert model.seen == 3 + 4  # what was there is computed again: a class does not prove its weights
    with pytest.raises(fc.CoresetError, match=r"'emb' holds vectors that .*Colours did not make"):
        embed(samples, Colours(power=3.0))


@pytest.mark.parametrize("lacking", [0, 3])
def test_a_field_of_another_tool_is_completed_by_the_model_that_made_it(dataset, paths, embed, lacking):
    samples = dataset(paths)
    samples.compute_embeddings(Colours(), "emb", progress=False)
    samples.set_values("emb", dict.fromkeys(samples[:lacking].values("id")), key_field="id")
    with pytest.raises(fc.CoresetError, match=f"{7 - lacking} embeddings of a model that is not recorded"):
        fc.compute_embeddings(samples, "emb", progress=False)
    report = embed(samples, Colours())
    assert (report.n_present, report.n_embedded) == (7 - lacking, lacking)
    assert samples.count("emb") == 7
    assert fc.embedding_record(samples, "emb")["state"] == "complete"


@pytest.mark.parametrize(
    ("made_by", "claimed", "message"),
    [
        (Colours(), Colours(power=4.0), r"did not make: computed again, 7 of them differ by \d+% of their length"),
        (Colours(), Squares(), "holds vectors of 4 numbers, but .*Squares makes vectors of 5"),
    ],
)
def test_a_field_of_another_model_is_refused(dataset, paths, embed, made_by, claimed, message):
    samples = dataset(paths)
    samples.compute_embeddings(made_by, "emb", progress=False)
    with pytest.raises(fc.CoresetError, match=message):
        embed(samples, claimed)
    assert fc.embedding_record(samples, "emb") is None


def test_vectors_that_cannot_be_checked_are_refused(dataset, embed):
    samples = dataset(["/nowhere/1.png", "/nowhere/2.png"])
    samples.set_values("emb", [np.ones(4), None])
    samples.add_sample_field("emb", fo.VectorField)
    with pytest.raises(fc.CoresetError, match="none of 1 could be computed again to see"):
        embed(samples, Colours())


def test_objects(dataset, paths, embed):
    samples = dataset(paths)
    for sample in samples:
        boxes = [fo.Detection(label="a", bounding_box=box) for box in ([0, 0, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5])]
        sample["things"] = fo.Detections(detections=boxes)
        sample.save()
    report = embed(samples.to_patches("things"), Squares())
    assert (report.n_embedded, samples.count("things.detections.emb")) == (14, 14)


def test_compute_coreset_embeds_first(dataset, paths):
    samples = dataset([*paths, "/nowhere.png"])
    run = fc.compute_coreset(
        samples, "emb", model=Colours(), method="kcenter", projection=None, num_workers=1, progress=False
    )
    assert (len(run), run.config.n_missing, run.config.embeddings) == (7, 1, ["emb"])
    assert run.config.models["emb"]["library"] == "instance"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "dinov2-vits15-torch"}, "neither open_clip nor FiftyOne's .* did you mean dinov2-vits14"),
        ({"model": "yolov5s-coco-torch"}, "zoo model 'yolov5s-coco-torch' gives no embeddings"),
        ({"model": 3}, "model must be a name, or a fiftyone.core.models.Model with embeddings, got int"),
        ({"model": fom.Model()}, "model Model gives no embeddings"),
        ({"model": Colours(), "pretrained": "openai"}, "brings its own weights; leave pretrained out"),
        ({"model": "resnet18-imagenet-torch", "checkpoint": "x"}, "brings its own weights; leave checkpoint out"),
    ],
)
def test_what_is_no_model_is_refused(dataset, paths, arguments, message):
    with pytest.raises(fc.CoresetError, match=message):
        fc.compute_embeddings(dataset(paths), "emb", progress=False, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embeddings": ["a", "b"]}, "embeddings= names the one field"),
        ({"embeddings": np.ones((7, 2))}, "embeddings= names the one field"),
        ({"similarity_index": "x"}, "model= computes embeddings and similarity_index= names some"),
    ],
)
def test_a_model_writes_one_field(dataset, paths, arguments, message):
    with pytest.raises(fc.CoresetError, match=message):
        fc.compute_coreset(dataset(paths), model=Colours(), progress=False, **arguments)


def test_zoo_models_by_name(dataset, paths, embed, monkeypatch):
    asked = []

    def load(name, **kwargs):
        asked.append((name, kwargs))
        return Squares()

    monkeypatch.setattr(foz, "load_zoo_model", load)
    samples = dataset(paths)
    embed(samples[:5], "resnet18-imagenet-torch", device="cpu")
    assert embed(samples, "resnet18-imagenet-torch").n_embedded == 2
    assert asked == [("resnet18-imagenet-torch", {"device": "cpu"}), ("resnet18-imagenet-torch", {})]
    assert fc.embedding_record(samples, "emb")["model"] == "resnet18-imagenet-torch"
    assert embed(samples, "resnet18-imagenet-torch").n_present == 7
    assert len(asked) == 2  # the name of a zoo model proves its weights


def test_a_zoo_model_that_cannot_be_loaded_is_one_sentence(dataset, paths, embed, monkeypatch):
    def fails(name, **kwargs):
        raise ConnectionError("no route\nmore")

    monkeypatch.setattr(foz, "load_zoo_model", fails)
    with pytest.raises(fc.CoresetError, match=r"'resnet18-imagenet-torch' cannot be loaded \(no route\); see that"):
        embed(dataset(paths), "resnet18-imagenet-torch")


def test_class_texts_of_such_a_field_are_refused(dataset, paths, embed):
    samples = dataset(paths)
    samples.set_values("gt", [fo.Classification(label="ab"[row % 2]) for row in range(7)])
    embed(samples, Colours())
    with pytest.raises(fc.CoresetError, match="a model of FiftyOne's whose texts are not read here"):
        fc.compute_coreset(samples, "emb", method="clip_powered", label_field="gt", progress=False)
