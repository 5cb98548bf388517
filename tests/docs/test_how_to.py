"""The how-to pages: what can be run is run, and what they name is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sternpost.demo import page as demo
from sternpost.destinations.pendo.regions import REGIONS
from tests.cli.programs import fetch, running, sternpost
from tests.demo import browser
from tests.docs.pages import DOCS, ROOT, blocks, body, codes, interface, own_keys, page, tables

HOW_TOS = sorted(path.name for path in (DOCS / "how-to").glob("*.md"))
EXAMPLE = "https://events.example.com"
KEYS = {"PENDO_INTEGRATION_KEY": "33333333-3333-4333-8333-333333333333.us", "PENDO_TRACK_SECRET": "5" * 36}
needs_browser = pytest.mark.skipif(
    browser.PROGRAM is None and not os.environ.get("CI"), reason="no Chromium here; apt-get install chromium"
)


@pytest.mark.parametrize("name", HOW_TOS)
def test_workspaces(name: str, tmp_path: Path) -> None:
    """Every workspace of the pages is accepted by `workspace check`."""
    (tmp_path / "pendo-track-secret").write_text("5" * 36)
    documents = [
        block for block in blocks(page(f"how-to/{name}"), "yaml") if block.startswith("version: 1\n")
    ]
    for number, document in enumerate(documents):
        (tmp_path / f"{number}.yaml").write_text(document)
        checked = sternpost("workspace", "check", f"{number}.yaml", cwd=tmp_path, env=KEYS)
        assert checked.status == 0, f"{checked.err}\n{document}"


@pytest.mark.parametrize("name", [f"how-to/{name}" for name in HOW_TOS])
def test_calls_and_options(name: str) -> None:
    """Every call of an example exists, and so does every option that one hands to `load` or `consent`."""
    calls, options, consent = (
        interface("RudderAnalyticsApi"),
        interface("LoadOptions"),
        interface("ConsentOptions"),
    )
    # For the genuine SDK, which needs to be told.
    genuine = {"destSDKBaseURL"}
    for example in (block for language in ("js", "jsx", "html") for block in blocks(page(name), language)):
        for call in re.findall(r"\b(?:rudderanalytics|analytics)\.(\w+)\(", example):
            assert call in {*calls, "push"}, call
        for found in re.finditer(r"\.(load|consent)\((?:\"[^\"]*\", ){0,2}(?=\{)", example):
            known = {*options, *genuine} if found[1] == "load" else set(consent)
            named = own_keys(body(example, found.end()))
            assert named, example
            assert set(named) <= known, set(named) - known


def test_parser() -> None:
    """The reader of interfaces and objects sees what is there."""
    assert {"load", "reset", "getAnalyticsInstance"} <= set(interface("RudderAnalyticsApi"))
    assert {"configUrl", "preConsent", "onLoaded"} <= set(interface("LoadOptions"))
    assert "maxItems" not in interface("LoadOptions")
    assert own_keys('a: {b: 1}, c: "d: e", f: () => 1 // g: 2') == ["a", "c", "f"]


# --- the snippet --------------------------------------------------------------------------------------------------------


def test_demo_has_the_snippet() -> None:
    """What the demo's page runs is the snippet of the page, but for the address, which the demo does not know beforehand."""
    [first, _] = re.findall(
        r"<script>\n(.*?)</script>|<script (async)",
        blocks(page("how-to/add-the-snippet.md"), "html")[0],
        re.DOTALL,
    )
    lines = [line.removeprefix("  ") for line in first[0].splitlines()]
    script = (Path(demo.__file__).parent / "static/snippet.js").read_text()
    assert script.splitlines() == [line.replace(f'"{EXAMPLE}"', "location.origin") for line in lines]


def test_snippet_takes_every_call() -> None:
    """The snippet has a stub for each call of RudderStack's snippet, all of which exist in ours."""
    names = re.findall(r'"(\w+)"', blocks(page("how-to/add-the-snippet.md"), "html")[0].split(".forEach")[0])
    assert set(names) <= set(interface("RudderAnalyticsApi"))
    assert {"load", "ready", "page", "track", "identify", "alias", "group", "reset", "consent"} <= set(names)


async def site(pages: dict[str, tuple[str, dict[str, str]]]) -> tuple[web.AppRunner, str]:
    """A site of its own origin."""

    async def answer(request: web.Request) -> web.Response:
        content, headers = pages.get(request.path, ("", {}))
        kind = "text/javascript" if request.path.endswith(".js") else "text/html"
        return web.Response(text=content, content_type=kind, headers=headers, status=200 if content else 404)

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@needs_browser
@pytest.mark.parametrize("is_strict", [False, True])
async def test_snippet(is_strict: bool, tmp_path: Path) -> None:
    """Pasted into a page of another origin with two values filled in, the snippet sends its page call and the calls of the page; also
    with the snippet in a file, under the policy that docs/how-to/csp.md gives.
    """
    text = page("how-to/add-the-snippet.md")
    [snippet, in_a_file] = blocks(text, "html")
    calls = blocks(text, "js")[0]
    with running("serve", "--port", "0", "--no-open", cwd=tmp_path) as server:
        url, key = server.line(r"Send to +(\S+) +write key +(\S+)").groups()
        token = (tmp_path / "sternpost-data/api-token").read_text().strip()

        def filled(example: str) -> str:
            return example.replace("WRITE_KEY", key).replace(EXAMPLE, url)

        headers: dict[str, str] = {}
        pages: dict[str, tuple[str, dict[str, str]]] = {"/calls.js": (calls, {})}
        head = filled(snippet)
        if is_strict:
            policy = blocks(page("how-to/csp.md"), "")[0].strip()
            headers = {
                "Content-Security-Policy": "default-src 'none'; "
                + filled(policy).replace("script-src ", "script-src 'self' ")
            }
            [(inline, _)] = re.findall(r"<script>\n(.*?)</script>()", snippet, re.DOTALL)
            pages["/analytics.js"] = (filled(inline), {})
            head = filled(in_a_file)
        pages["/"] = (
            f'<!doctype html><html><head><link rel="icon" href="data:,">{head}</head><body><script src="/calls.js"></script></body></html>',
            headers,
        )
        runner, origin = await site(pages)
        try:
            async with browser.page() as opened:
                await opened.open(f"{origin}/")
                await opened.until("typeof rudderanalytics.getUserId === 'function'")

                def arrived() -> list[Any]:
                    answer = fetch(f"{url}/api/v1/events", headers={"Authorization": f"Bearer {token}"})
                    return [
                        (event["type"], event["name"], event["userId"])
                        for event in reversed(answer["events"])
                    ]

                for _ in range(400):
                    if len(arrived()) >= 4:
                        break
                    await opened.run("new Promise((done) => setTimeout(done, 25))")
                complaints = [
                    one for one in opened.complaints if "'img-src'" not in one and "data:," not in one
                ]
                assert complaints == []
            assert arrived() == [
                ("page", "", ""),
                ("identify", "", "u1"),
                ("group", "", "u1"),
                ("track", "Report Exported", "u1"),
            ]
        finally:
            await runner.cleanup()


# --- Pendo's hosts ------------------------------------------------------------------------------------------------------


def test_policy_table() -> None:
    """The entries by region are the hosts of the destination."""
    rows = {codes(row[0])[0]: row[1:] for row in tables(page("how-to/csp.md"))[0]}
    assert list(rows) == [*REGIONS, "custom"]
    for region, hosts in REGIONS.items():
        assert rows[region] == [f"`{hosts.content}`", f"`{hosts.data}`"]
    assert REGIONS["eu"].content in blocks(page("how-to/csp.md"), "")[1]
    assert REGIONS["eu"].data in blocks(page("how-to/csp.md"), "")[1]


def test_region_by_address() -> None:
    """Which address bar means which region."""
    table = next(rows for rows in tables(page("how-to/pendo-keys.md")) if len(rows[0]) == 2)
    told = {codes(region)[0]: codes(address) for address, region in table}
    assert {region: [hosts.api] for region, hosts in REGIONS.items()} | {"custom": []} == told


def test_hosts_of_the_page() -> None:
    """The integration in the page knows the same hosts as the destination on the server."""
    node = shutil.which("node")
    esbuild = ROOT / "browser/node_modules/esbuild/lib/main.js"
    if node is None or not esbuild.is_file():
        pytest.skip("Node.js or the packages of browser/ are not installed; make test does it")
    script = f"""
      import {{ buildSync }} from {json.dumps(str(esbuild))};
      const built = buildSync({{ entryPoints: ["browser/src/pendo/hosts.ts"], bundle: true, write: false, format: "esm" }});
      const {{ pendoHost }} = await import("data:text/javascript," + encodeURIComponent(built.outputFiles[0].text));
      const of = (config) => [pendoHost(config, "content", "cdn"), pendoHost(config, "data", "data")];
      const regions = {json.dumps(list(REGIONS))};
      const own = {{ content: "https://c.example", data: "https://d.example" }};
      console.log(JSON.stringify([Object.fromEntries(regions.map((region) => [region, of({{ region }})])), of({{ region: "custom", hosts: own }})]));
    """
    done = subprocess.run(
        [node, "--input-type=module", "-"],
        input=script,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    regions, own = json.loads(done.stdout)
    assert regions == {region: [hosts.content, hosts.data] for region, hosts in REGIONS.items()}
    assert own == ["https://c.example", "https://d.example"]


# --- what is read of RudderStack's cookies -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["how-to/move-from-rudderstack.md", "reference/browser.md"])
def test_entries(name: str) -> None:
    """The keys that the pages list are those of the SDK."""
    text = (ROOT / "browser/src/storage.ts").read_text() + (
        ROOT / "src/sternpost/static/lib/sp.js"
    ).read_text()
    listed = {code for code in codes(page(name)) if code.startswith("rl_")}
    assert len(listed) == 9
    for key in listed:
        assert re.search(rf"\b{key}\b", text) or f'"{key.removeprefix("rl_")}"' in text, key
