"""Machines that are not like the developer's: caches and media that cannot be written to, and files of other users."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.embeddings.decode import decode
from fiftyone_coreset.plugin.embeddings.framing import Framing
from fiftyone_coreset.plugin.embeddings.report import Outcome
from fiftyone_coreset.plugin.vectors import numba_cache

X = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)

#: Imports a package whose kernels are to be cached, and uses kernels of ours, where numba can write nowhere.
KERNELS = """
import sys

import numba
from fiftyone_coreset.plugin.vectors.jit import jit
from fiftyone_coreset.plugin.vectors.numba_cache import import_kernels

sys.path.insert(0, sys.argv[1])
try:
    import kernels
except RuntimeError as error:
    assert "cannot cache function" in str(error)
else:
    raise AssertionError("there is a cache after all")
print(import_kernels("kernels").twice(21), jit(lambda x: x + 1)(41))
print(numba.config.CACHE_DIR)
"""

is_root = hasattr(os, "geteuid") and os.geteuid() == 0


def test_kernels_without_a_cache(tmp_path):
    (tmp_path / "kernels.py").write_text("import numba\n\n@numba.njit(cache=True)\ndef twice(x):\n    return 2 * x\n")
    (tmp_path / "__pycache__").touch()  # a file, where numba makes a folder beside the code, as root as well
    nowhere = {"NUMBA_CACHE_DIR": f"{os.devnull}/cache", "XDG_CACHE_HOME": f"{os.devnull}/cache"}
    command = [sys.executable, "-c", KERNELS, str(tmp_path)]
    done = subprocess.run(command, env=os.environ | nowhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results, folder = done.stdout.strip().split("\n")
    assert results == "42 42"
    assert not os.path.exists(folder), "it is deleted when the process ends"


def test_no_folder_for_kernels_at_all(monkeypatch):
    def fails(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def refuses(name):
        raise RuntimeError(f"cannot cache function 'seed': no locator available for file '{name}'")

    monkeypatch.setattr(numba_cache, "importlib", SimpleNamespace(import_module=refuses))
    monkeypatch.setattr(numba_cache, "tempfile", SimpleNamespace(TemporaryDirectory=fails))
    with pytest.raises(
        fc.CoresetError, match=r"^pynndescent needs a folder to write its code to .* set NUMBA_CACHE_DIR"
    ):
        numba_cache.import_kernels("pynndescent")


@pytest.fixture
def small_disk(tmp_path):
    """A factory ``small_disk(size, *options)`` of file systems, as a folder; unmounted after the test."""
    if not is_root or sys.platform != "linux":
        pytest.skip("mounting needs root on Linux")
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size="1m"):
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this container may not mount")
        return folder

    yield mount
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def test_images_and_vectors_on_read_only_media(small_disk, image_folder):
    """They are read where nothing can be written beside them."""
    disk = small_disk()
    paths = [shutil.copy(path, disk) for path in image_folder(n=2)]
    np.save(disk / "vectors.npy", X)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(OSError, match="Read-only"):
        (disk / "new").touch()
    assert [decode(str(path), Framing(8, 8))[0].outcome for path in paths] == [Outcome.OK, Outcome.OK]
    selected = fc.get_method("kcenter").select(str(disk / "vectors.npy"), 9)
    np.testing.assert_array_equal(selected.indices, fc.get_method("kcenter").select(X, 9).indices)


def test_files_of_another_user(tmp_path, image_folder):
    """A user who may read nothing of them is told so, image by image and file by file."""
    if not is_root or shutil.which("setpriv") is None:
        pytest.skip("becoming another user needs root")
    for path in image_folder(n=1):
        shutil.copy(path, tmp_path / "secret.png")
    np.save(tmp_path / "secret.npy", X)
    for name in ("secret.png", "secret.npy"):
        (tmp_path / name).chmod(0o600)
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)
    program = f"""
from fiftyone_coreset.plugin.embeddings.decode import decode
from fiftyone_coreset.plugin.embeddings.framing import Framing
from fiftyone_coreset.plugin.vectors.matrix import as_matrix
import fiftyone_coreset as fc, os

os.setgroups([]), os.setgid(65534), os.setuid(65534)
print(decode({str(tmp_path / "secret.png")!r}, Framing(32, 32))[0].reason)
try:
    as_matrix({str(tmp_path / "secret.npy")!r})
except fc.CoresetError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    image, vectors = done.stdout.strip().split("\n")
    assert image == "Permission denied"
    assert vectors.startswith(f"cannot read embeddings from {tmp_path}/secret.npy: [Errno 13] Permission denied")
