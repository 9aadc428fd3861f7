"""Fixtures that every test shares: a private FiftyOne with a mongod of its own, datasets, and small images.

The environment is set before anything imports FiftyOne, so no test can reach the user's database or plugins.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

import images
from fiftyone_coreset.demo.database import running_mongod
from fiftyone_coreset.demo.environment import use_private_fiftyone

if TYPE_CHECKING:
    import fiftyone as fo


def pytest_configure(config: pytest.Config) -> None:
    config.fiftyone_home = Path(tempfile.mkdtemp(prefix="coreset-tests-"))
    use_private_fiftyone(config.fiftyone_home)
    os.environ |= {
        "FIFTYONE_DATABASE_NAME": "coreset_tests",
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
        "HF_HUB_OFFLINE": "1",
    }


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.fiftyone_home, ignore_errors=True)


@pytest.fixture(scope="session")
def mongod(pytestconfig: pytest.Config) -> Iterator[str]:
    """The URI of a real mongod on loopback, empty at the start of the session and stopped at its end."""
    with running_mongod(pytestconfig.fiftyone_home) as uri:
        yield uri


@pytest.fixture
def dataset(mongod: str) -> Iterator[Callable[..., fo.Dataset]]:
    """A factory ``dataset(filepaths=(), name=None)``; the datasets it makes are deleted after the test."""
    import fiftyone as fo

    before = set(fo.list_datasets())

    def create(filepaths=(), name: str | None = None) -> fo.Dataset:
        made = fo.Dataset(name)
        made.add_samples([fo.Sample(filepath=str(path)) for path in filepaths], progress=False)
        return made

    yield create
    for name in set(fo.list_datasets()) - before:
        fo.delete_dataset(name)


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., list[Path]]:
    """A factory ``image_folder(n=6, size=(48, 36), seed=0)``: n small images, PNG and JPEG in turn."""

    def write(n: int = 6, size: tuple[int, int] = (48, 36), seed: int = 0) -> list[Path]:
        return images.write_images(tmp_path / f"images{seed}", n, size, seed)

    return write
