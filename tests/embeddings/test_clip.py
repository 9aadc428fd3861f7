"""Loading CLIP: names, tags, checkpoints, and clear errors instead of surprises."""

import os
import pickle
import threading
import time

import numpy as np
import pytest
import tiny_clip
from fiftyone_coreset import CoresetError, load_clip
from fiftyone_coreset.plugin.embeddings.clip import choose_device, resolve_clip
from PIL import Image

torch = pytest.importorskip("torch")


def same_weights(model, path):
    from safetensors.torch import load_file

    expected = load_file(path)
    return all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_safetensors_checkpoint(weights):
    model, preprocess, tokenizer = load_clip(tiny_clip.NAME, checkpoint=weights, device="cpu")
    assert same_weights(model, weights)
    assert not model.training
    assert preprocess(Image.new("RGB", (50, 40))).shape == (3, tiny_clip.SIZE, tiny_clip.SIZE)
    assert model.encode_text(tokenizer(["a cat", "a dog"])).shape == (2, tiny_clip.DIMENSION)


@pytest.mark.parametrize("wrapped", [False, True])
def test_torch_checkpoint(weights, tmp_path, wrapped):
    from safetensors.torch import load_file

    state = load_file(weights)
    torch.save({"epoch": 3, "state_dict": state} if wrapped else state, tmp_path / "weights.pt")
    model, _, _ = load_clip(tiny_clip.NAME, checkpoint=str(tmp_path / "weights.pt"), device="cpu")
    assert same_weights(model, weights)


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("by_torch", [False, True])
def test_unsafe_pickle_is_refused_and_not_run(clip_folder, tmp_path, by_torch):
    path, marker = tmp_path / "weights.pt", str(tmp_path / "was-run")
    payload = {"visual": Malicious(marker)}
    torch.save(payload, path) if by_torch else path.write_bytes(pickle.dumps(payload))
    with pytest.raises(CoresetError, match=r"could run code.*safetensors"):
        load_clip(tiny_clip.NAME, checkpoint=path, device="cpu")
    assert not os.path.exists(marker)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("weights.pt", b"", "does not load as tiny-test-clip"),
        ("weights.pt", b"not weights at all", "refused"),
        ("weights.safetensors", b"", "does not load as tiny-test-clip"),
        ("weights.safetensors", b"not weights at all", "does not load as tiny-test-clip"),
    ],
)
def test_file_that_holds_no_weights(clip_folder, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CoresetError, match=message) as raised:
        load_clip(tiny_clip.NAME, checkpoint=tmp_path / name, device="cpu")
    assert str(tmp_path / name) in str(raised.value)


def test_weights_of_another_model(weights, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(weights)
    state["visual.proj"] = torch.zeros(3, 3)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(CoresetError, match=r"other\.safetensors does not load as"):
        load_clip(tiny_clip.NAME, checkpoint=tmp_path / "other.safetensors", device="cpu")


def test_absent_checkpoint(clip_folder, tmp_path):
    with pytest.raises(CoresetError, match="no checkpoint file"):
        load_clip(tiny_clip.NAME, checkpoint=tmp_path / "none.safetensors")


def test_unknown_names():
    with pytest.raises(CoresetError, match=r"no model 'ViT-B32'; did you mean ViT-B-32"):
        resolve_clip("ViT-B32")
    with pytest.raises(CoresetError, match=r"'ViT-B-32' has no weights 'opnai'; choose from openai"):
        resolve_clip("ViT-B-32", "opnai")
    with pytest.raises(CoresetError, match="not both"):
        resolve_clip("ViT-B-32", "openai", "weights.safetensors")
    with pytest.raises(CoresetError, match="leave pretrained out"):
        resolve_clip("coreset-mini", "openai")
    with pytest.raises(CoresetError, match="leave checkpoint out"):
        resolve_clip("hf-hub:timm/vit", checkpoint="weights.pt")


def test_usual_tags():
    assert resolve_clip("ViT-B-32").pretrained == "openai"
    assert resolve_clip("ViT-B-16-SigLIP").pretrained == "webli"
    assert resolve_clip("ViT-B-32", "laion2b_s34b_b79k").pretrained == "laion2b_s34b_b79k"


@pytest.mark.parametrize("name", ["ViT-B-32", "hf-hub:organisation/model"])
@pytest.mark.parametrize("offline", [True, False])
def test_hub_out_of_reach(monkeypatch, tmp_path, name, offline):
    """One error at once, that names the model and both ways out; the hub's own client retries for a minute."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    waited, sleep, this_thread = [], time.sleep, threading.get_ident()
    monkeypatch.setattr(
        time, "sleep", lambda s: waited.append(s) if threading.get_ident() == this_thread else sleep(s)
    )  # other threads, such as the database client's, may sleep

    with pytest.raises(CoresetError) as raised:
        load_clip(name, device="cpu")

    message = str(raised.value)
    assert name in message
    assert "checkpoint=" in message
    assert "model='coreset-mini'" in message
    assert "\n" not in message
    assert sum(waited) < 1
    assert offline == constants.HF_HUB_OFFLINE


def test_tag_brings_its_activation(monkeypatch, weights):
    """OpenAI's weights need QuickGELU, which open_clip's plain ViT-B-32 does not have."""
    import open_clip.pretrained as registry

    tags = {"plain": {"file": str(weights)}, "quick": {"file": str(weights), "quick_gelu": True}}
    monkeypatch.setitem(registry._PRETRAINED, tiny_clip.NAME, tags)
    activations = {}
    for tag in tags:
        model, _, _ = load_clip(tiny_clip.NAME, tag, device="cpu")
        activations[tag] = type(model.visual.transformer.resblocks[0].mlp.gelu).__name__
    assert activations == {"plain": "GELU", "quick": "QuickGELU"}


def test_bundled_model():
    model, preprocess, tokenizer = load_clip("coreset-mini", device="cpu")
    image = torch.stack([preprocess(Image.fromarray(np.zeros((30, 40, 3), np.uint8)))])
    assert model.encode_image(image).shape[1] == model.encode_text(tokenizer(["a cat"])).shape[1]


def test_device_that_does_not_exist():
    assert choose_device("cpu").type == "cpu"
    for device in ("cuda:99", "abacus"):
        with pytest.raises(CoresetError, match=f"torch cannot use device '{device}'"):
            choose_device(device)
