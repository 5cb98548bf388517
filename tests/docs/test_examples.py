"""Examples of the how-to pages in other languages, run or checked with the tools of their language."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.programs import fetch, running, until
from tests.demo import browser
from tests.docs.pages import ROOT, blocks, page
from tests.docs.test_how_to import EXAMPLE, needs_browser, site

NODE = shutil.which("node")
PACKAGES = ROOT / "tests/clients/node_modules/@rudderstack/rudder-sdk-node"
TSC = ROOT / "browser/node_modules/.bin/tsc"


@dataclass
class Server:
    url: str
    key: str
    token: str

    def filled(self, example: str) -> str:
        return example.replace("WRITE_KEY", self.key).replace(EXAMPLE, self.url)

    def events(self) -> list[Any]:
        answer = fetch(f"{self.url}/api/v1/events", headers={"Authorization": f"Bearer {self.token}"})
        return [(event["type"], event["name"], event["userId"]) for event in answer["events"]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running("serve", "--port", "0", "--no-open", cwd=tmp_path) as program:
        url, key = program.line(r"Send to +(\S+) +write key +(\S+)").groups()
        yield Server(url, key, (tmp_path / "sternpost-data/api-token").read_text().strip())


def example(language: str, containing: str) -> str:
    found = [
        block for block in blocks(page("how-to/mobile-and-server-sdks.md"), language) if containing in block
    ]
    assert len(found) == 1
    return found[0]


def test_python(server: Server) -> None:
    script = server.filled(example("python", "rudderstack"))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    until(lambda: server.events() == [("track", "Invoice Paid", "u1")])


@pytest.mark.skipif(
    NODE is None or not PACKAGES.is_dir(),
    reason="Node.js or its packages are not installed; make test does it",
)
def test_node(server: Server) -> None:
    script = server.filled(example("js", "rudder-sdk-node"))
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-"],
        input=script,
        cwd=ROOT / "tests/clients",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    until(lambda: server.events() == [("track", "Invoice Paid", "u1")])


@needs_browser
async def test_module(server: Server) -> None:
    """The package's example, with the module under the name that a bundler would give it."""
    script = next(block for block in blocks(page("how-to/add-the-snippet.md"), "js") if "import" in block)
    names = json.dumps({"imports": {"@sternpost/browser": "/module.js"}})
    html = f'<!doctype html><link rel="icon" href="data:,"><script type="importmap">{names}</script><script type="module" src="/app.js"></script>'
    runner, origin = await site(
        {
            "/": (html, {}),
            "/module.js": ((ROOT / "browser/module/module.js").read_text(), {}),
            "/app.js": (server.filled(script), {}),
        }
    )
    try:
        async with browser.page() as opened:
            await opened.open(f"{origin}/")
            await opened.until("window.rudderanalytics && rudderanalytics.getAnonymousId()")
            for _ in range(400):
                if server.events():
                    break
                await opened.run("new Promise((done) => setTimeout(done, 25))")
            assert opened.complaints == []
        assert server.events() == [("page", "", "")]
    finally:
        await runner.cleanup()


@pytest.mark.skipif(not TSC.exists(), reason="the packages of browser/ are not installed; make test does it")
def test_typescript(tmp_path: Path) -> None:
    """The TypeScript examples are right for the compiler, and an option of the wrong type is wrong for it."""
    [text] = blocks(page("how-to/add-the-snippet.md"), "ts")
    modules = [block for block in blocks(page("how-to/add-the-snippet.md"), "js") if "import" in block]
    settings = {
        "compilerOptions": {
            "strict": True, "noEmit": True, "target": "es2022", "module": "esnext", "moduleResolution": "bundler", "types": [],
            "paths": {"@sternpost/browser": [str(ROOT / "browser/module/module.d.ts")]},
        },
        "files": ["page.ts", "app.ts"],
    }  # fmt: skip
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings))
    (tmp_path / "app.ts").write_text(modules[0])

    def check(content: str) -> str:
        (tmp_path / "page.ts").write_text(content)
        done = subprocess.run(
            [str(TSC), "-p", str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
        )
        return done.stdout + done.stderr

    assert check(text) == ""
    assert "is not assignable" in check(re.sub(r"timeout: \d+", 'timeout: "long"', text))
