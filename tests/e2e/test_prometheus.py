"""What `deploy/` ships for Prometheus and Grafana, tried with Debian's Prometheus against a running server."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from sternpost.metrics import METRICS
from tests.e2e.running import Sandbox, Server, connected, pendo, request, source
from tests.waiting import until

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "sternpost.json").read_text())
PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "monitoring.md"
QUERIES = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
#: What a healthy server with delivered events has nothing to say about.
SILENT = {"Turned away by reason", "Skipped and rejected by reason", "Duplicates and bots by source"}

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None and os.environ.get("CI") != "true",
    reason="prometheus is not installed",
)


def known(expression: str) -> set[str]:
    """Names in an expression that are no metrics of ours."""
    suffixes = re.compile(r"_(bucket|sum|count)$")
    names = {metric.name for metric in METRICS}
    return {
        name
        for name in re.findall(r"\bsternpost_[a-z_]+", expression)
        if name not in names and suffixes.sub("", name) not in names
    }


def test_only_metrics_that_exist() -> None:
    """Alerts and dashboard ask for metrics of the list; the dashboard shows every one of them."""
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    for text in (*(rule["expr"] for rule in rules), *(expression for _, expression in QUERIES)):
        assert not known(text), text
    shown = " ".join(expression for _, expression in QUERIES)
    assert [metric.name for metric in METRICS if metric.name not in shown] == []


def test_dashboard_is_whole() -> None:
    """Panels have ids and places of their own, and ask the chosen Prometheus."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {
        "datasource",
        "instance",
        "destination",
    }


def test_page_explains_each_alert() -> None:
    text = PAGE.read_text()
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            assert f"`{rule['alert']}`" in text, rule["alert"]


@needs_prometheus
def test_promtool() -> None:
    """The rules are valid, and each fires when it should and not before."""
    for arguments in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")):
        done = subprocess.run(
            ["promtool", *arguments], cwd=ALERTS.parent, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


class Prometheus:
    def __init__(self, folder: Path, target: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [{"job_name": "sternpost", "static_configs": [{"targets": [target]}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.log = (folder / "prometheus.log").open("w")
        self.process = subprocess.Popen(
            [
                "prometheus", "--config.file", str(folder / "prometheus.yml"), "--storage.tsdb.path", str(folder / "tsdb"),
                "--web.listen-address", f"127.0.0.1:{self.port}", "--log.level", "warn",
            ],
            stdout=self.log, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def api(self, path: str) -> Any:
        answer = request(f"http://127.0.0.1:{self.port}", "GET", f"/api/v1/{path}")
        found = answer.json()
        assert found["status"] == "success", found
        return found["data"]

    def query(self, expression: str) -> list[Any]:
        result: list[Any] = self.api(f"query?query={quote(expression)}")["result"]
        return result

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[[Server], Prometheus]]:
    running: list[Prometheus] = []

    def start(server: Server) -> Prometheus:
        running.append(Prometheus(tmp_path, server.url.removeprefix("http://")))
        return running[-1]

    yield start
    for one in running:
        one.end()


@needs_prometheus
def test_queries(
    sandbox: Sandbox, serve: Callable[..., Server], prometheus: Callable[[Server], Prometheus]
) -> None:
    """Prometheus scrapes a server, loads the rules, and answers every query of the dashboard, with data where there is some."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    person = f"prometheus-{time.time_ns()}"
    watcher = prometheus(server)

    def scraped() -> bool:
        try:
            return bool(watcher.query("sternpost_accepting == 1"))
        except (ConnectionError, ValueError):
            return False  # it is starting

    until(scraped, within_s=30, what="the first scrape")
    # Rates need two values: what counts starts after the first scrape, and goes on.
    sent = 0

    def counted() -> bool:
        nonlocal sent
        server.accept(
            "wk-backend",
            {"type": "track", "event": "seen", "userId": person, "messageId": f"{person}-{sent}"},
        )
        sent += 1
        return bool(watcher.query("rate(sternpost_delivery_seconds_count[5m]) > 0"))

    until(counted, within_s=30, every_s=0.5, what="two scrapes with deliveries")
    for title, expression in QUERIES:
        asked = expression.replace("$instance", ".*").replace("$destination", ".*")
        found = watcher.query(asked)
        assert found or title in SILENT, (title, asked)
    rules = [rule for group in watcher.api("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == 10
    until(
        lambda: all(
            rule["health"] == "ok" for group in watcher.api("rules")["groups"] for rule in group["rules"]
        ),
        what="each rule is evaluated",
    )
