"""Media on other machines: read through FiftyOne's storage where that knows them, here a web server on loopback.

Open-source FiftyOne takes every path for a local one; Enterprise answers for cloud storage. The tests answer for http.
"""

import functools
import http.server
import threading
import urllib.request

import fiftyone.core.storage as fos
import images
import numpy as np
import pytest
from fiftyone_coreset.plugin.embeddings.decode import decode
from fiftyone_coreset.plugin.embeddings.framing import Framing

FRAMING = Framing(16, 16)


@pytest.fixture
def server(tmp_path):
    images.write_images(tmp_path, 3)
    (tmp_path / "torn.png").write_bytes(b"no image")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def http_storage(monkeypatch):
    def read(path, binary=False):
        with urllib.request.urlopen(path) as answer:
            return answer.read()

    monkeypatch.setattr(fos, "is_local", lambda path: not path.startswith("http"))
    monkeypatch.setattr(fos, "read_file", read)


def test_pixels_and_fingerprints_are_those_of_the_file(server, http_storage, tmp_path):
    for path in sorted(tmp_path.glob("*[0-9].*")):
        (far,), (near,) = decode(f"{server}/{path.name}", FRAMING), decode(str(path), FRAMING)
        assert np.array_equal(far.pixels, near.pixels)
        assert np.array_equal(far.fingerprint, near.fingerprint)


def test_what_cannot_be_read_costs_itself(server, http_storage):
    (absent,), (torn,) = decode(f"{server}/absent.png", FRAMING), decode(f"{server}/torn.png", FRAMING)
    assert (absent.outcome.value, torn.outcome.value) == ("missing", "undecodable")
    assert "cannot be read from storage (HTTP Error 404" in absent.reason


def test_a_dataset(dataset, embed, server, http_storage, tmp_path):
    names = sorted(path.name for path in tmp_path.glob("*[0-9].*"))
    samples = dataset([tmp_path / name for name in names])
    embed(samples, embeddings_field="near")
    samples.set_values("filepath", [f"{server}/{name}" for name in names])
    embed(samples, embeddings_field="far", num_workers=1)
    assert np.array_equal(np.stack(samples.values("far")), np.stack(samples.values("near")))


def test_open_source_fiftyone_says_what_to_do(server):
    (refused,) = decode(f"{server}/0.png", FRAMING)
    assert refused.reason == "not a local file; download the media first"
