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
from urllib.parse import urlsplit

import pytest

from tests.cli.programs import fetch, running
from tests.demo import browser
from tests.docs.pages import ROOT, blocks, page
from tests.docs.test_how_to import EXAMPLE, needs_browser, site
from tests.waiting import until

NODE = shutil.which("node")
PACKAGES = ROOT / "tests/clients/node_modules/@rudderstack/rudder-sdk-node"
ESBUILD = ROOT / "browser/node_modules/esbuild/lib/main.js"
REACT = ROOT / "tests/clients/node_modules/react"
TSC = ROOT / "browser/node_modules/.bin/tsc"

needs_esbuild = pytest.mark.skipif(
    NODE is None or not ESBUILD.is_file() or not REACT.is_dir(),
    reason="Node.js or its packages are not installed; make test does it",
)
#: What the examples for servers send.
SENT = [("identify", "", "u1"), ("group", "", "u1"), ("track", "Invoice Paid", "u1")]


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

    def in_order(self) -> list[Any]:
        return self.events()[::-1]


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
    until(lambda: server.in_order() == SENT)


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
    until(lambda: server.in_order() == SENT)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(server: Server) -> None:
    done = subprocess.run(
        server.filled(example("sh", "/v1/track")), shell=True, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert server.in_order() == SENT[-1:]


@needs_browser
@needs_esbuild
@pytest.mark.parametrize("what", ["bundled", "react"])
async def test_in_an_app(what: str, server: Server, tmp_path: Path) -> None:
    """RudderStack's package and the React component, bundled as an app bundles them: the page call arrives, and no other host is asked."""
    text = page("how-to/add-the-snippet.md")
    if what == "bundled":
        [script] = [block for block in blocks(text, "js") if "/bundled" in block]
    else:
        [component] = blocks(text, "jsx")
        mount = 'import { createRoot } from "react-dom/client";\ncreateRoot(document.getElementById("app")).render(<Analytics />);\n'
        script = component + mount
    built = bundle(server.filled(script), tmp_path)
    html = '<!doctype html><link rel="icon" href="data:,"><div id="app"></div><script type="module" src="/app.js"></script>'
    runner, origin = await site({"/": (html, {}), "/app.js": (built, {})})
    try:
        async with browser.page() as opened:
            await opened.open(f"{origin}/")
            for _ in range(400):
                if server.events():
                    break
                await opened.run("new Promise((done) => setTimeout(done, 25))")
            assert server.events() == [("page", "", "")]
            asked = {urlsplit(url).netloc for url in opened.requested if not url.startswith("data:")}
            assert asked == {urlsplit(origin).netloc, urlsplit(server.url).netloc}
            assert opened.complaints == []
    finally:
        await runner.cleanup()


def bundle(script: str, folder: Path) -> str:
    """A script with all that it imports, as esbuild makes it for browsers."""
    (folder / "app.jsx").write_text(script)
    paths = [str(path) for path in (REACT.parent, ROOT / "browser/node_modules")]
    order = {
        "entryPoints": [str(folder / "app.jsx")], "bundle": True, "write": False, "format": "esm", "jsx": "automatic",
        "nodePaths": paths, "alias": {"@sternpost/browser": str(ROOT / "browser/module/module.js")},
        "define": {"process.env.NODE_ENV": '"production"'}, "logLevel": "error",
    }  # fmt: skip
    run = f"const {{ buildSync }} = require({json.dumps(str(ESBUILD))}); console.log(buildSync({json.dumps(order)}).outputFiles[0].text);"
    done = subprocess.run([str(NODE), "-e", run], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
