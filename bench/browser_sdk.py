"""What the browser SDK costs a page, beside what it replaces: sizes, requests, time to the first event and to `ready`, script time.

    make bench ARGS="--only browser"          or: .venv/bin/python bench/browser_sdk.py [--quick]

Each run is a fresh headless Chromium with an empty profile. The three SDKs take turns; page, calls, server, destination and agent (the
sandbox's) are the same for all, and so is the way in which the script comes into the page.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from processes import HERE, BenchError, Program
from report import REPOSITORY, Figure, Report
from shared import Bench

from sternpost.sandbox import seed

sys.path.insert(0, str(REPOSITORY))
from tests.demo import browser as chromium

#: As RudderStack serves them; they are not on npm. Counted on 2026-11-23 from version 3.34.1: min, gzip -9, brotli.
RUDDERSTACK_PENDO_BUNDLE = {"min": 3_038, "gzip": 1_429, "brotli": 1_200}
RUDDERSTACK_SCRIPT_TAG = {"gzip": 54_500, "requests": 14}

SDKS = ("sternpost", "v3", "v2")
VIEWS = (
    *SDKS,
    "plain",
)  #: plain: the agent alone, as a page without any SDK starts it; what it costs is no SDK's
NAMES = {"v3": "RudderStack v3", "v2": "RudderStack v2"}
WRITE_KEY = "wk-bench-web"
API_KEY = next(iter(seed.APPS))
CALLS = 4  #: of the page: identify, group, track, page
READY_S_MAX = 40.0  #: v2 gives a destination up after 20 s
SETTLE_S = 1.5  #: after ready and the last event: what the SDK still does belongs to its costs
#: 1.6 Mbit/s down, 750 kbit/s up, 150 ms: a phone in a poor mobile network, as page speed tools define it.
SLOW = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
}
NETWORKS: dict[str, dict[str, Any] | None] = {"local": None, "slow": SLOW}

WORKSPACE = """\
version: 1
sources:
  - {{id: web, name: Web, type: web, writeKey: {key}}}
destinations:
  - id: pendo
    name: Pendo
    type: pendo
    settings:
      region: custom
      apiKey: {api_key}
      hosts: {{api: {url}, data: {url}, content: {url}}}
connections:
  - {{source: web, destination: pendo, mode: device}}
"""

PAGE = """\
<!doctype html><html><head><meta charset="utf-8"><title>bench</title><link rel="icon" href="data:,"><script>
window.times = {};
const isReady = new Promise((done) => { times.isReady = () => { times.ready = performance.now(); done(); }; });
const isSent = new Promise((done) => {
  new PerformanceObserver((list) => {
    if (list.getEntries().some((one) => new URL(one.name).pathname.startsWith("/v1/"))) done();
  }).observe({ type: "resource", buffered: true });
});
window.done = Promise.all(["%(sdk)s" === "plain" || isSent, isReady]).then(() => true);
const server = "%(server)s";
const script = document.createElement("script");
script.async = true;
script.src = "/%(sdk)s.js";
script.onload = () => {
  if ("%(sdk)s" === "v3") new window.rudderanalytics.RudderAnalytics();
  const sdk = window.rudderanalytics;
  sdk.ready(times.isReady);
  sdk.load("%(key)s", server, { configUrl: server, destSDKBaseURL: server + "/lib/js-integrations", logLevel: "ERROR" });
  sdk.identify("%(user)s", { name: "Name Surname", email: "name@surname.com" });
  sdk.group("bench", { name: "Company", employees: 123 });
  sdk.track("test track event", { revenue: 30, currency: "USD" });
  sdk.page();
};
times.start = performance.now();
document.head.append(script);
</script></head><body><p>bench</p></body></html>
"""

PLAIN = """\
window.rudderanalytics = {
  load() {
    window.pendo = { _q: [["initialize", { visitor: { id: "plain" }, account: { id: "bench" } }]] };
    const script = document.createElement("script");
    script.src = "%(agent)s";
    document.head.append(script);
  },
  ready(done) {
    const timer = setInterval(() => {
      if (!window.pendo?.isReady?.()) return;
      clearInterval(timer);
      done();
    }, 50);
  },
  identify() {}, group() {}, track() {}, page() {},
};
"""

#: Resource timing: when requests with events began and were answered.
LOOK = """(() => {
  const posts = performance.getEntriesByType("resource").filter((one) => new URL(one.name).pathname.startsWith("/v1/"));
  return { start: times.start, ready: times.ready, sent: Math.min(...posts.map((one) => one.startTime)), accepted: Math.min(...posts.map((one) => one.responseEnd)), posts: posts.length };
})()"""


@dataclass
class Run:
    """One page view."""

    first_event_ms: float  #: from the moment at which the script was put into the page until the first request with events began
    accepted_ms: float  #: until it was answered
    ready_ms: float
    requests: int  #: of the SDK: script, configuration, bundle, events, health; without preflights, and without the agent's
    preflights: int
    bytes: int  #: received for scripts and configuration, compressed as they came
    script_ms: float  #: CPU time of JavaScript on the main thread, the sandbox's agent included
    task_ms: float  #: CPU time of the main thread, which also parses, compiles and lays out


def measure(bench: Bench) -> None:
    """The phase `browser`."""
    report = bench.report
    node = shutil.which("node")
    if node is None or not (REPOSITORY / "browser/node_modules/rudder-sdk-js").is_dir():
        report.left_out.append("the browser SDK: Node.js or the packages of browser/ are not installed.")
        return
    folder = bench.folder / "browser"
    folder.mkdir()
    done = subprocess.run(
        [node, str(HERE / "minify.mjs"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        raise BenchError(f"minify.mjs failed: {done.stderr[-500:]}")
    told = json.loads(done.stdout)
    sizes(report, told)
    if chromium.PROGRAM is None:
        report.left_out.append("pages with the browser SDK: Chromium is not installed.")
        return
    with bench.sandbox() as sandbox, bench.data_dir() as data_dir:
        workspace = data_dir / "workspace.yaml"
        workspace.write_text(WORKSPACE.format(key=WRITE_KEY, url=sandbox.url, api_key=API_KEY))
        server = bench.prepared(data_dir, workspace)
        try:
            server.start()
            server.wait_listening()
            runs = asyncio.run(_rounds(bench, folder, server, sandbox, data_dir))
        finally:
            server.kill()
    for network in runs:
        times(report, network, runs[network], told["versions"])


def sizes(report: Report, told: dict[str, Any]) -> None:
    """Figures of the files."""
    own = told["sizes"]["sternpost"]
    for kind, name in (("min", "minified"), ("gzip", "gzip -9"), ("brotli", "brotli")):
        for sdk in ("v3", "v2"):
            base = told["sizes"][sdk][kind]
            report.add(
                Figure(
                    f"browser.size.{kind}.{sdk}",
                    f"browser SDK with Pendo, {name}",
                    own[kind],
                    "bytes",
                    base + RUDDERSTACK_PENDO_BUNDLE[kind],
                    f"{NAMES[sdk]} {told['versions'][sdk]}, and its Pendo bundle ({RUDDERSTACK_PENDO_BUNDLE[kind]:,}, documented)",
                    {"sdk": base, "bundle": RUDDERSTACK_PENDO_BUNDLE[kind]},
                )
            )
    report.add(
        Figure(
            "browser.size.gzip.script_tag",
            "browser SDK with Pendo, gzip -9",
            own["gzip"],
            "bytes",
            RUDDERSTACK_SCRIPT_TAG["gzip"],
            f"RudderStack v3 by its script tag, {RUDDERSTACK_SCRIPT_TAG['requests']} requests (documented)",
        )
    )
    bundle = told["sizes"]["bundle"]
    report.add(
        Figure(
            "browser.size.gzip.bundle",
            "our Pendo bundle for RudderStack's SDKs, gzip -9",
            bundle["gzip"],
            "bytes",
            RUDDERSTACK_PENDO_BUNDLE["gzip"],
            "theirs (documented)",
            bundle,
        )
    )


def times(report: Report, network: str, runs: dict[str, list[Run]], versions: dict[str, str]) -> None:
    """Figures of the page views: medians."""
    where = "" if network == "local" else ", slow network"
    alone = {
        key: statistics.median(getattr(run, key) for run in runs["plain"]) for key in ("script_ms", "task_ms")
    }
    for key, title, unit in (
        ("first_event_ms", "script start to first event sent", "ms"),
        ("accepted_ms", "script start to first event accepted", "ms"),
        ("ready_ms", "script start to ready", "ms"),
        ("script_ms", "CPU of JavaScript, without the agent's", "ms"),
        ("task_ms", "CPU of the page's main thread, without the agent's", "ms"),
        ("requests", "requests of the SDK", "requests"),
        ("preflights", "preflights", "requests"),
        ("bytes", "scripts and configuration received", "bytes"),
    ):
        median = {
            sdk: statistics.median(getattr(run, key) for run in runs[sdk]) - alone.get(key, 0) for sdk in SDKS
        }
        for sdk in ("v3", "v2"):
            report.add(
                Figure(
                    f"browser.{network}.{key}.{sdk}",
                    f"{title}{where}",
                    median["sternpost"],
                    unit,
                    median[sdk],
                    f"{NAMES[sdk]} {versions[sdk]}",
                    {
                        "runs": [getattr(run, key) for run in runs["sternpost"]],
                        "baseline_runs": [getattr(run, key) for run in runs[sdk]],
                        "agent_alone": alone.get(key),
                    },
                )
            )


async def _rounds(
    bench: Bench, folder: Path, server: Program, sandbox: Program, data_dir: Path
) -> dict[str, dict[str, list[Run]]]:
    found: dict[str, dict[str, list[Run]]] = {}
    async with _site(folder, server.url, sandbox.url) as site, aiohttp.ClientSession() as session:
        await _ready(session, server)
        token = (data_dir / "api-token").read_text().strip()
        for network in NETWORKS if bench.plan.browser_rounds >= 10 else ["local"]:
            runs: dict[str, list[Run]] = {sdk: [] for sdk in VIEWS}
            for number in range(bench.plan.browser_rounds):
                bench.say(f"browser, {network}: round {number + 1} of {bench.plan.browser_rounds}")
                # In turn, and each as often first: what disturbs the machine disturbs all.
                first = number % len(VIEWS)
                for sdk in (*VIEWS[first:], *VIEWS[:first]):
                    user = f"{network}-{sdk}-{number}"
                    runs[sdk].append(await _view(f"{site}/{sdk}/{user}", site, server, sandbox, network))
                    if sdk == "plain":
                        continue
                    kept = await _kept(session, server.url, token, user)
                    if kept != CALLS:
                        bench.report.fail(f"browser: of {user} the server has {kept} of {CALLS} events.")
            found[network] = runs
    return found


async def _ready(session: aiohttp.ClientSession, server: Program) -> None:
    for _ in range(400):
        server.check()
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(f"{server.url}/health") as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.05)
    raise BenchError(f"{server.name} did not become ready. Its output: {server.tail()}")


async def _view(address: str, site: str, server: Program, sandbox: Program, network: str) -> Run:
    """Open the page with one SDK in a browser that has seen nothing yet."""
    async with chromium.page() as page:
        # CPU time, not time: another program on this machine must not count.
        await page.call("Performance.enable", timeDomain="threadTicks")
        await page.open(f"{site}/empty")
        if NETWORKS[network] is not None:
            await page.call("Network.emulateNetworkConditions", **NETWORKS[network])
        before = await _metrics(page)
        page.requests.clear()
        await page.call("Page.navigate", url=address)
        try:
            await page.until(f"location.href === {json.dumps(address)} && Boolean(window.done)")
            # One question, so that asking costs the page nothing.
            await page.run("done", READY_S_MAX)
        except (AssertionError, TimeoutError) as error:
            raise BenchError(f"{address} did not become ready: {error}") from None
        await asyncio.sleep(SETTLE_S)
        seen = await page.run(LOOK)
        after = await _metrics(page)
        own = [
            one
            for one in page.requests
            if urlsplit(one.url).netloc in {urlsplit(site).netloc, urlsplit(server.url).netloc}
            and one.url != address
        ]
        foreign = [one.url for one in page.requests if urlsplit(one.url).hostname not in {"127.0.0.1", None}]
        if foreign:
            raise BenchError(f"{address} asked another host: {foreign[0]}")
        return Run(
            first_event_ms=(seen["sent"] or 0) - seen["start"],
            accepted_ms=(seen["accepted"] or 0) - seen["start"],
            ready_ms=seen["ready"] - seen["start"],
            requests=sum(1 for one in own if not one.is_preflight),
            preflights=sum(1 for one in own if one.is_preflight),
            bytes=sum(one.bytes for one in own if not one.is_preflight and one.method == "GET"),
            script_ms=(after["ScriptDuration"] - before["ScriptDuration"]) * 1000,
            task_ms=(after["TaskDuration"] - before["TaskDuration"]) * 1000,
        )


async def _metrics(page: chromium.Page) -> dict[str, float]:
    found = await page.call("Performance.getMetrics")
    return {one["name"]: one["value"] for one in found["metrics"]}


async def _kept(session: aiohttp.ClientSession, url: str, token: str, user: str) -> int:
    """How many events of a visitor the server has; a short while is given to the last of them."""
    count = 0
    for _ in range(40):
        async with session.get(
            f"{url}/api/v1/events?q=user:{user}", headers={"Authorization": f"Bearer {token}"}
        ) as answer:
            count = len((await answer.json())["events"])
        if count >= CALLS:
            break
        await asyncio.sleep(0.05)
    return count


@contextlib.asynccontextmanager
async def _site(folder: Path, server: str, sandbox: str) -> AsyncIterator[str]:
    """The site with the page: another origin than the server, as is usual. Scripts are compressed, as CDNs serve them."""
    scripts = {f"/{sdk}.js": gzip.compress((folder / f"{sdk}.js").read_bytes(), 9) for sdk in SDKS}
    agent = f"{sandbox}/agent/static/{API_KEY}/pendo.js"
    scripts["/plain.js"] = gzip.compress((PLAIN % {"agent": agent}).encode(), 9)

    async def answer(request: web.Request) -> web.Response:
        if request.path in scripts:
            return web.Response(
                body=scripts[request.path],
                content_type="text/javascript",
                headers={"Content-Encoding": "gzip", "Cache-Control": "public, max-age=300"},
            )
        if request.path == "/lib/health":
            return web.Response(status=204)
        if request.path == "/empty":
            text = '<!doctype html><title>empty</title><link rel="icon" href="data:,">'
            return web.Response(text=text, content_type="text/html")
        _, sdk, user = request.path.split("/")
        text = PAGE % {"server": server, "sdk": sdk, "key": WRITE_KEY, "user": user}
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    from run import main

    sys.exit(main(["--only", "browser", *sys.argv[1:]]))
