"""A Label Studio server on loopback: as much of its REST API as FiftyOne calls, and a person who labels there."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Project:
    """What may be said, in Label Studio's XML, the files that were sent, by id, and the tasks made of them."""

    params: dict[str, Any]
    files: dict[int, str] = field(default_factory=dict)
    tasks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """The labels that a person can choose."""
        return re.findall(r'<Choice value="(.*?)"', self.params["label_config"])


class FakeLabelStudio:
    """What the server holds.

    Attributes:
        url: its address
        account: what FiftyOne is told of it
        projects: project id -> project
    """

    def __init__(self, url: str):
        self.url = url
        self.account = {"url": url, "api_key": "secret"}
        self.projects: dict[int, Project] = {}
        self._ids = itertools.count(100)

    def label(self, project_id: int, name_of: Callable[[str], str]) -> None:
        """What a person does in the browser: gives every image of a project the label of its file name."""
        project = self.projects[project_id]
        (name,) = re.findall(r'<Choices name="(.*?)"', project.params["label_config"])
        for task in project.tasks:
            label = name_of(project.files[task["file_upload"]])
            assert label in project.classes
            chosen = {"id": f"r{next(self._ids)}", "type": "choices", "from_name": name, "to_name": "image"}
            made = {"updated_at": "2026-01-01T00:00:00Z", "result": [chosen | {"value": {"choices": [label]}}]}
            task |= {"is_labeled": True, "annotations": [made]}

    def answer(self, method: str, path: str, query: dict[str, str], content: bytes, key: str) -> tuple[int, Any]:
        """The status and the JSON of a request."""
        if path == "/health":
            return 200, {"status": "UP"}
        if key != f"Token {self.account['api_key']}":
            return 401, {"detail": "Invalid token."}
        if path == "/api/version":
            return 200, {"release": "1.13.1"}
        if path == "/api/tasks":
            return self._page(query)
        asked = re.fullmatch(r"/api/projects(?:/(\d+)(?:/(.+))?)?", path)
        if asked and asked[1] is None:
            return self._all(method, content)
        project_id = int(asked[1]) if asked else 0
        if project_id not in self.projects:
            return 404, {"detail": f"{method} {path}: not found"}
        return self._of_project(project_id, asked[2] or "", content)

    def _all(self, method: str, content: bytes) -> tuple[int, Any]:
        if method == "GET":
            return 200, {"results": [project.params for project in self.projects.values()]}
        project_id = len(self.projects) + 1
        self.projects[project_id] = Project(json.loads(content) | {"id": project_id})
        return 201, self.projects[project_id].params

    def _of_project(self, project_id: int, part: str, content: bytes) -> tuple[int, Any]:
        project = self.projects[project_id]
        if part == "import":
            names = [name.decode() for name in re.findall(rb'; filename="(.*?)"', content)]
            sent = {next(self._ids): name for name in names}
            project.files |= sent
            return 201, {"file_upload_ids": list(sent)}
        if part == "reimport":
            chosen = json.loads(content)["file_upload_ids"]
            tasks = [{"id": next(self._ids), "file_upload": file, "is_labeled": False} for file in chosen]
            project.tasks += tasks
            return 201, {"task_count": len(tasks)}
        if part == "import/predictions":  # labels that were there; people may change them
            return 201, {"created": len(json.loads(content))}
        return 200, project.params

    def _page(self, query: dict[str, str]) -> tuple[int, Any]:
        tasks = self.projects[int(query["project"])].tasks
        selected = json.loads(query["query"])["selectedItems"]
        if not selected["all"]:
            tasks = [task for task in tasks if task["id"] in selected["included"]]
        size, page = int(query["page_size"]), int(query["page"])
        part = tasks[(page - 1) * size : page * size]
        return (200, {"tasks": part, "total": len(tasks)}) if part else (404, {"detail": "Invalid page."})
