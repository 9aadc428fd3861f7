"""A CVAT server on loopback: as much of its REST API as FiftyOne's own client calls, and a person who labels there."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Task:
    """Images that wait for labels: file names in order, what may be said of them, and what was said, as tags."""

    labels: list[dict[str, Any]]
    files: list[str] = field(default_factory=list)
    tags: list[dict[str, Any]] = field(default_factory=list)


class FakeCvat:
    """What the server holds.

    Attributes:
        url: its address
        account: what FiftyOne is told of it
        tasks: task id -> task; the job of a task has its id
    """

    def __init__(self, url: str):
        self.url = url
        self.account = {"url": url, "username": "curator", "password": "secret"}
        self.tasks: dict[int, Task] = {}
        self._ids = itertools.count(100)

    def label(self, task_id: int, name_of: Callable[[str], str]) -> None:
        """What a person does in the browser: gives every image of a task the label of its file name."""
        task = self.tasks[task_id]
        label_ids = {label["name"]: label["id"] for label in task.labels}
        for frame, name in enumerate(task.files):
            tag = {"id": next(self._ids), "frame": frame, "label_id": label_ids[name_of(name)], "attributes": []}
            task.tags.append(tag | {"group": 0, "source": "manual"})

    def answer(self, method: str, path: str, query: dict[str, str], content: bytes, key: str) -> tuple[int, Any]:
        """The status and the JSON of a request."""
        if (method, path) == ("POST", "/api/auth/login"):
            said = json.loads(content)
            known = all(said[name] == self.account[name] for name in ("username", "password"))
            return (200, {"key": "token"}) if known else (400, {"non_field_errors": ["wrong password"]})
        if (method, path) == ("GET", "/api/server/about"):
            return 200, {"version": "2.31.0"}
        if (method, path) == ("POST", "/api/tasks"):
            return 201, self._new_task(json.loads(content)["labels"])
        asked = re.fullmatch(r"/api/(tasks|jobs|labels)(?:/(\d+))?(?:/(.*))?", path)
        task_id = int((asked and asked[2]) or query.get("task_id", 0))
        if not asked or task_id not in self.tasks:
            return 404, {"detail": f"{method} {path}: not found"}
        return self._of_task(task_id, method, asked[1], asked[3] or "", content)

    def _new_task(self, labels: list[dict[str, Any]]) -> dict[str, Any]:
        task_id = len(self.tasks) + 1
        for each in itertools.chain(labels, *(label["attributes"] for label in labels)):
            each["id"] = next(self._ids)
        self.tasks[task_id] = Task(labels)
        return self._about(task_id)

    def _about(self, task_id: int) -> dict[str, Any]:
        return {"id": task_id, "labels": {"url": f"{self.url}/api/labels?task_id={task_id}"}}

    def _of_task(self, task_id: int, method: str, kind: str, part: str, content: bytes) -> tuple[int, Any]:
        task = self.tasks[task_id]
        if method == "POST" and part == "data":
            task.files = [name.decode() for name in re.findall(rb'; filename="(.*?)"', content)]
            return 202, {}
        if part == "data/meta":
            frames = [{"name": name, "width": 64, "height": 48} for name in task.files]
            n = len(frames)
            return 200, {"size": n, "frames": frames, "start_frame": 0, "stop_frame": n - 1, "frame_filter": ""}
        if part == "annotations":
            return 200, {"version": 0, "tags": task.tags, "shapes": [], "tracks": []}
        if kind == "tasks":
            return 200, self._about(task_id)
        return 200, {"results": task.labels if kind == "labels" else [{"id": task_id}], "next": None}
