"""A run that is killed with SIGKILL is completed by the next, as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_clip
from fiftyone_coreset import CoresetError
from fiftyone_coreset.plugin.embeddings.record import embedding_record

BATCH, N = 4, 40
SUPPORT = str(Path(tiny_clip.__file__).parent)


def start(name, clip_folder, weights, delay):
    """Embeds the dataset in a process of its own that waits a little before each batch."""
    script = f"""
import sys, time
sys.path.insert(0, {SUPPORT!r})
from pathlib import Path
import fiftyone as fo
import tiny_clip
from fiftyone_coreset import compute_embeddings

tiny_clip.register(Path({str(clip_folder)!r}))

def slowly(fraction, message):
    print(fraction, flush=True)
    time.sleep({delay})

compute_embeddings(fo.load_dataset({name!r}), "clip", model=tiny_clip.NAME, checkpoint={str(weights)!r},
                   device="cpu", batch_size={BATCH}, num_workers=1, progress=slowly)
"""
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


#: Seconds after a batch was reported: right then, and in the deep profile while the next is at work.
MOMENTS = [0.0, 0.03] if os.environ.get("CORESET_FAULTS") == "deep" else [0.0]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_run_resumes(dataset, image_folder, embed, clip_folder, weights, computed, moment):
    samples = dataset(image_folder(n=N), name="killed")
    embed(samples, embeddings_field="uninterrupted", batch_size=BATCH)

    process = start("killed", clip_folder, weights, delay=0.02)
    for line in process.stdout:
        if float(line) >= 0.3:
            break
    time.sleep(moment)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    samples.reload()
    reported = int(float(line) * N)
    written = samples.exists("clip").values("id")
    assert reported <= len(written) < N  # all that was reported is there: at most the batch at work is lost
    record = embedding_record(samples, "clip")
    assert record["state"] == "partial"

    before = computed()
    report = embed(samples, embeddings_field="clip", batch_size=BATCH)

    assert report.n_present == len(written)
    assert computed() - before == report.n_embedded == N - len(written)
    np.testing.assert_allclose(samples.values("clip"), samples.values("uninterrupted"), atol=1e-6)
    assert embedding_record(samples, "clip") == record | {"state": "complete"}


def test_a_second_writer_of_a_field_is_refused(dataset, image_folder, embed):
    samples, refusals = dataset(image_folder(n=8)), []

    def meanwhile(fraction, message):
        if fraction == 0.5:
            with pytest.raises(CoresetError, match=rf"field 'clip' .* is being written by process {os.getpid()} on "):
                embed(samples, embeddings_field="clip", overwrite=True)
            refusals.append(fraction)

    report = embed(samples, embeddings_field="clip", batch_size=4, progress=meanwhile)
    assert refusals == [0.5]
    assert report.n_embedded == samples.count("clip") == 8
    assert embedding_record(samples, "clip")["state"] == "complete"
