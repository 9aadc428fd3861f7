"""Fixtures for tests that click through the real App in headless Chromium.

``app`` gives an :class:`App`: ``app.open(dataset)`` loads a dataset in a fresh page, ``app.page`` is Playwright's page.
One server and one browser serve the whole session; every test gets a page of its own, and a failing test leaves a
screenshot in ``test-artifacts/``.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import app_server  # in tests/support, which tests/conftest.py puts on the path
import pytest
from fiftyone_coreset.demo.plugin_link import link_plugin

if TYPE_CHECKING:
    import fiftyone as fo
    from playwright.sync_api import Browser, Locator, Page

_ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = _ROOT / "test-artifacts"
_ENSURE_CHROMIUM = _ROOT / "scripts" / "ensure_chromium.sh"

#: Milliseconds a page may take for one thing, so that a busy machine fails no test.
_PATIENCE = 60_000

#: Console errors that are the App's own, with or without this plugin. "ef" is its session, which a page that loads
#: slowly reads before it is set.
_APP_NOISE = re.compile(
    r"entry is loading|Dataset \S+ not found|fonts|preload|react-spring|favicon|sample not attached"
    r"|ERR_INTERNET_DISCONNECTED|ERR_NAME_NOT_RESOLVED|ERR_CONNECTION|ERR_FAILED|ERR_ABORTED|analytics|segment"
    r"|^TypeError: ef is not a function|^ef is not a function"
)

#: Nothing turns or pulses: without a GPU, the App's spinners alone keep a core busy for as long as an operator works.
_STILL = """document.addEventListener("DOMContentLoaded", () => {
    const style = document.createElement("style");
    style.textContent = "*, *::before, *::after { animation: none !important }";
    document.head.append(style);
})"""


class App:
    """A page of the App and the few gestures that every test needs."""

    def __init__(self, page: Page, url: str):
        self.page = page
        self.url = url
        #: Console errors and uncaught exceptions of the page so far, without the App's own noise.
        self.errors: list[str] = []
        page.on("console", lambda message: self._record(message.text) if message.type == "error" else None)
        # The App's own switch for browser tests: no announcements, which come when they like and cover what lies under
        # them, and whose dismissal closes an open menu.
        page.add_init_script("window.IS_PLAYWRIGHT = true")
        page.add_init_script(_STILL)
        page.on("pageerror", lambda error: self._record(f"{error}\n{error.stack}"))

    def _record(self, text: str) -> None:
        if not _APP_NOISE.search(text):
            self.errors.append(text)

    def open(self, dataset: fo.Dataset) -> None:
        """Loads the dataset and waits for its grid."""
        self.page.goto(f"{self.url}/datasets/{dataset.name}")
        self.page.wait_for_selector('[data-cy="fo-grid"]', timeout=_PATIENCE)

    def grid_count(self) -> int:
        """The number of samples (or objects) that the grid says it shows."""
        text = self.page.locator('[data-cy="entry-counts"]').first.inner_text()
        return int(re.search(r"[\d,]+", text).group().replace(",", ""))

    def wait_for_grid_count(self, count: int, timeout: float = _PATIENCE) -> None:
        """Waits until the grid shows exactly so many samples."""
        self.page.wait_for_function(
            """n => {
                const text = document.querySelector('[data-cy="entry-counts"]')?.innerText ?? "";
                return Number((text.match(/[\\d,]+/) ?? ["-1"])[0].replaceAll(",", "")) === n;
            }""",
            arg=count,
            timeout=timeout,
        )

    def clear_view(self) -> None:
        """Shows the whole dataset with nothing selected; the server remembers both for the next page."""
        for operator in ("clear_view", "clear_selected_samples"):
            self.page.evaluate("uri => window.__foo__.executeOperator(uri)", f"@voxel51/operators/{operator}")

    def open_operator(self, label: str) -> Locator:
        """Opens an operator's form from the operator browser and returns the form."""
        from playwright.sync_api import TimeoutError as PlaywrightTimeout

        search = self.page.locator(
            '[data-cy="operators-browser-search"] input, input[data-cy="operators-browser-search"]'
        )
        for _ in range(4):
            self.page.keyboard.press("Backquote")
            with suppress(PlaywrightTimeout):  # a page that is still at work may miss the key
                search.first.wait_for(timeout=_PATIENCE / 4)
                break
        search.first.fill(label)
        self.page.wait_for_timeout(300)
        self.page.keyboard.press("Enter")
        form = self.page.locator('[data-cy="operators-prompt-modal"]')
        form.wait_for()
        return form

    def open_panel(self, name: str) -> Locator:
        """Shows a panel, from the "+" menu unless the App opens it by itself, and returns its content.

        The App opens again what was open on the dataset before, seconds after the grid on a busy machine, and its menu
        leaves out what is open. So one look in the page sees both, and no moment lies between the look and the click.
        """
        plus = self.page.locator('[data-cy="new-panel-btn"]').first
        plus.click()
        self.page.wait_for_function(
            """name => {
                if (document.querySelector(`[data-cy="panel-content-${name}"]`)) return true;
                document.querySelector(`[data-cy="new-panel-option-${name}"]`)?.click();
                return false;
            }""",
            arg=name,
        )
        if self.page.locator('[data-cy^="new-panel-option-"]').count():
            plus.click()  # closes the menu that nothing was chosen from
        return self.page.locator(f'[data-cy="panel-content-{name}"]')

    def screenshot(self, name: str) -> Path:
        """Saves what the page shows as ``test-artifacts/<name>.png``."""
        path = ARTIFACTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def screenshot_if_failed(self, request: pytest.FixtureRequest) -> None:
        """Saves what the page shows if the test has failed; to be called after it."""
        report = request.node.stash.get(_CALL_REPORT, None)
        if report is None or report.failed:
            self.screenshot(f"failed-{re.sub(r'[^A-Za-z0-9_.-]+', '-', request.node.name)}")


@pytest.fixture(scope="session")
def app_url(mongod: str, pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a running App server that has this checkout as its only plugin."""
    ARTIFACTS.mkdir(exist_ok=True)
    link_plugin(Path(os.environ["FIFTYONE_PLUGINS_DIR"]))
    with app_server.running_server(ARTIFACTS / f"server{os.environ.get('PYTEST_XDIST_WORKER', '')}.log") as url:
        yield url


def _system_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium: the system's, else Playwright's own, else Debian's if it can be installed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        executable = _system_chromium()
        if executable is None and not Path(playwright.chromium.executable_path).exists():
            with open(Path(tempfile.gettempdir()) / "coreset-tests-chromium.lock", "w") as turn:
                fcntl.flock(turn, fcntl.LOCK_EX)  # tests run in several processes, and one installs for all
                installing = subprocess.run([_ENSURE_CHROMIUM], capture_output=True, text=True, check=False)
            if installing.returncode != 0:
                pytest.fail(installing.stderr.strip(), pytrace=False)
            executable = _system_chromium()
        browser = playwright.chromium.launch(executable_path=executable, args=app_server.CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def new_app(app_url: str, browser: Browser) -> Callable[[], AbstractContextManager[App]]:
    """A factory of fresh pages of the App, 1366 x 768, for tests that share one."""

    @contextmanager
    def make() -> Iterator[App]:
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        page = context.new_page()
        page.set_default_timeout(_PATIENCE)
        yield App(page, app_url)
        context.close()

    return make


@pytest.fixture
def app(new_app: Callable[[], AbstractContextManager[App]], request: pytest.FixtureRequest) -> Iterator[App]:
    """A fresh page of the App."""
    with new_app() as app:
        yield app
        app.screenshot_if_failed(request)


_CALL_REPORT = pytest.StashKey[pytest.TestReport]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[_CALL_REPORT] = report
    return report
