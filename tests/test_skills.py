"""Skills for agents: FiftyOne lists them, and what they tell an agent to call exists."""

import importlib
import json
import re
from pathlib import Path

import pytest
import yaml
from fiftyone.plugins.skills import _parse_skill_frontmatter

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "skills").glob("*/SKILL.md"))
MANIFEST = yaml.safe_load((ROOT / "fiftyone.yml").read_text())


def test_every_skill_is_declared_and_says_when_to_use_it():
    read = [_parse_skill_frontmatter(str(file)) for file in FILES]
    assert [skill["name"] for skill in read] == MANIFEST["skills"] == [file.parent.name for file in FILES]
    assert all("Use it " in skill["description"] for skill in read)


@pytest.mark.parametrize("file", FILES, ids=[file.parent.name for file in FILES])
def test_operators_and_parameters_exist(file):
    text = " ".join(file.read_text().split())
    calls = re.findall(r"`([a-z_]+)` with `({.*?})`", text)
    assert len(calls) >= 2
    for name, given in calls:
        assert name in MANIFEST["operators"]
        params = importlib.import_module(f"fiftyone_coreset.operators.{name}")
        operator = next(kind for kind in vars(params).values() if getattr(kind, "name", None) == name)
        parsed = operator.params.model_validate(json.loads(given))
        assert set(json.loads(given)) <= set(type(parsed).model_fields)
    for name in re.findall(r"[Rr]un `([a-z_]+)`", text):
        assert name in MANIFEST["operators"]
