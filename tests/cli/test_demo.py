"""`sternpost demo` and `sternpost sandbox` as processes: an event from the command line to a Pendo visitor and back to its fate."""

from __future__ import annotations

import base64
import json
import re
import shlex
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.programs import Done, Program, fetch, free_port, running, sternpost
from tests.waiting import until

START = Path(__file__).parent.parent.parent / "docs/start.md"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass
class Demo:
    place: Path
    program: Program
    url: str
    sandbox: str

    def run(self, *arguments: str, stdin: str | None = None) -> Done:
        return sternpost(*arguments, cwd=self.place, stdin=stdin)

    def send(self, *arguments: str) -> str:
        found = self.run("send", *arguments)
        assert found.status == 0, found.err
        return str(re.search(UUID, found.out)[0])  # type: ignore[index]

    def fate(self, message_id: str) -> Any:
        found = self.run("events", "get", message_id, "--json")
        assert found.status == 0, found.err
        return json.loads(found.out)["events"][0]

    def settled(self, message_id: str) -> Any:
        def destination() -> Any:
            entry = self.fate(message_id)["destinations"][0]
            return entry if entry["state"] in {"delivered", "skipped", "rejected"} else None

        return until(destination)

    def state(self) -> Any:
        return fetch(f"{self.sandbox}/__sandbox/state")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    place = tmp_path_factory.mktemp("demo")
    with running("demo", "--port", "0", "--sandbox-port", "0", cwd=place) as program:
        program.line(r"Stop with Ctrl\+C")
        url = program.line(r"Shop +(\S+)/demo/")[1]
        sandbox = program.line(r"Sandbox +(\S+)/__sandbox/")[1]
        yield Demo(place, program, url, sandbox)
        assert program.stop() == 0


def test_banner(demo: Demo) -> None:
    """Addresses, keys, lines to copy, and where to go on; twelve lines."""
    text = "\n".join(demo.program.seen)
    assert len(demo.program.seen) <= 12
    assert max(map(len, demo.program.seen)) <= 100
    assert "Nothing leaves this computer." in text
    for key in ("wk-web", "wk-backend", "wk-ios"):
        assert key in text
    assert f"curl -u wk-web: {demo.url}/v1/track -d " in text
    assert fetch(f"{demo.url}/health")["status"] == "ok"
    assert (demo.place / "sternpost-demo").is_dir()


def test_to_a_visitor(demo: Demo) -> None:
    """The three calls become a visitor with metadata, an account, and a track event; their fate tells the way."""
    demo.settled(
        demo.send("identify", "--user-id", "u1", "--trait", "email=u1@example.com", "--trait", "seats=3")
    )
    demo.settled(demo.send("group", "--user-id", "u1", "--group-id", "acme", "--trait", "name=Acme Inc."))
    message_id = demo.send("track", "--event", "Checkout", "--user-id", "u1", "--property", "total=42")
    assert demo.settled(message_id)["state"] == "delivered"
    state = demo.state()
    assert state["visitors"]["u1"]["metadata"]["agent"]["email"] == "u1@example.com"
    assert state["visitors"]["u1"]["metadata"]["agent"]["seats"] == 3
    assert state["accounts"]["acme"]["metadata"]["agent"]["name"] == "Acme Inc."
    [event] = [event for event in state["events"] if event["event"] == "Checkout"]
    assert (event["visitorId"], event["accountId"], event["properties"]["total"]) == ("u1", "acme", 42)

    told = demo.run("events", "get", message_id).out
    assert told.startswith("Delivered to Pendo sandbox ")
    for text in ("received", f"POST {demo.sandbox}/data/track", "reply", "200", "delivered"):
        assert text in told


def test_other_types(demo: Demo) -> None:
    for arguments in (
        ("page", "--anonymous-id", "a1", "--name", "Home", "--property", "path=/"),
        ("screen", "--user-id", "u2", "--name", "Start"),
        ("alias", "--previous-id", "a1", "--user-id", "u2"),
    ):
        assert demo.settled(demo.send(*arguments))["state"] in {"delivered", "skipped"}


def test_send_refused(demo: Demo) -> None:
    """What the door answers is said with its reason and remedy."""
    found = demo.run("send", "track", "--event", "x", "--user-id", "u", "--write-key", "wk-wrong")
    assert found.status == 1
    assert "Not accepted (401, write_key_unknown): No source has this write key." in found.err


def test_send_elsewhere(demo: Demo, tmp_path: Path) -> None:
    """With an address and a key nothing else is needed; --json is for programs."""
    found = sternpost(
        "send",
        "identify",
        "--user-id",
        "u9",
        "--url",
        demo.url,
        "--write-key",
        "wk-ios",
        "--json",
        cwd=tmp_path,
    )
    assert found.status == 0, found.err
    assert demo.fate(json.loads(found.out)["messageId"])["source"] == "ios"
    nobody = sternpost("events", "get", "x", "--url", demo.url, cwd=tmp_path)
    assert nobody.status == 1
    assert "no API token" in nobody.err


def test_a_hint_leads_to_the_same_server(demo: Demo, tmp_path: Path) -> None:
    """What a command advises next works where it was given: with the directory that it was told, and an id as one word."""
    there = tmp_path / "the demo"
    there.symlink_to(demo.place / "sternpost-demo")
    place = ("--data-dir", str(there))
    stopped = sternpost("people", "stop", "a b", "--note", "test", *place, cwd=tmp_path)
    assert stopped.status == 0, stopped.err
    advice = shlex.split(stopped.err.partition("Lift it: sternpost ")[2])
    allowed = sternpost(*advice, cwd=tmp_path)
    assert "a b is allowed again." in allowed.out, allowed.err
    assert "replay --user 'a b' --filter" in allowed.err
    for words in (("failures", "retry", "pendo", "bad_id"), ("replay", "--yes")):
        said = sternpost(*words, *place, cwd=tmp_path)
        assert f"--data-dir {shlex.quote(str(there))}" in said.err, said.err


def test_unknown_event(demo: Demo) -> None:
    found = demo.run("events", "get", "surely-not-there")
    assert (found.status, found.out) == (1, "")
    assert "No event with this messageId" in found.err


def test_tail(demo: Demo) -> None:
    """Each event once when it is received and again when its state changes; filters; `--json` is the API's own message."""
    with running("tail", "--json", "--type", "track", cwd=demo.place) as tail:
        seen: list[Any] = []

        def told() -> bool:
            demo.send("identify", "--user-id", "u3")
            demo.send("track", "--event", "Seen", "--user-id", "u3")
            while not tail.lines.empty():
                seen.append(json.loads(tail.next()))
            states = {entry["destinations"][0]["state"] for entry in seen}
            return {"pending", "delivered"} <= states

        until(told)
        assert {entry["type"] for entry in seen} == {"track"}
        assert all("attempts" not in entry["destinations"][0] for entry in seen)
        assert tail.stop(signal.SIGINT) == 130
    with running("tail", "--state", "delivered", cwd=demo.place) as tail:
        until(lambda: demo.send("track", "--event", "Seen", "--user-id", "u3") and not tail.lines.empty())
        assert "✓ pendo delivered" in tail.next()


def test_tail_wrong_filter(demo: Demo) -> None:
    found = demo.run("tail", "--state", "deliverd")
    assert found.status == 1
    assert 'Did you mean "delivered"?' in found.err
    found = demo.run("tail", "--destination", "pendoo")
    assert (found.status, found.err) == (1, 'No destination "pendoo". Did you mean "pendo"?\n')


def test_try(demo: Demo) -> None:
    """The request as it would go out, with secrets masked; nothing arrives until --send."""
    (demo.place / "event.json").write_text(
        json.dumps({"type": "track", "event": "Tried", "userId": "u4", "properties": {"cart": {"id": 1}}})
    )
    found = demo.run("try", "pendo", "event.json")
    assert found.status == 0, found.err
    assert "Nothing was sent." in found.out
    assert f"POST {demo.sandbox}/data/track" in found.out
    assert "55555555-5555-4555-8555-555555555555" not in found.out
    assert "nested_property (properties.cart)" in found.out
    assert not [event for event in demo.state()["events"] if event["event"] == "Tried"]
    sent = demo.run("try", "pendo", "-", "--send", stdin=(demo.place / "event.json").read_text())
    assert sent.status == 0, sent.err
    assert "Reply 200" in sent.out
    assert [event for event in demo.state()["events"] if event["event"] == "Tried"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "event.json line 1, column 2: this is not JSON"),
        ("[]", "event.json holds no event."),
        ('{"event": "x"}', 'event.json: the event has no "type".'),
    ],
)
def test_try_what_is_no_event(demo: Demo, content: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text(content)
    found = sternpost("try", "pendo", "event.json", cwd=tmp_path)
    assert found.status in {1, 2}
    assert sentence in found.err


def test_near_miss(demo: Demo) -> None:
    (demo.place / "any.json").write_text('{"type": "track", "event": "x", "userId": "u"}')
    found = demo.run("try", "pend", "any.json")
    assert found.err == 'No destination "pend". Did you mean "pendo"?\n'


def test_doctor(demo: Demo) -> None:
    """All is well in the demo; the report says what was looked at."""
    found = demo.run("doctor")
    assert found.status == 0, found.out
    for text in ("disk", "clock", "store", "workspace", "integration key", "track event secret"):
        assert text in found.out
    reports = [json.loads(line) for line in demo.run("doctor", "--json").out.splitlines()]
    assert {report["result"] for report in reports} <= {"ok", "info", "warning"}
    assert {"name", "destination", "result", "message", "remedy"} == set(reports[0])


def test_failures(demo: Demo) -> None:
    """Rejected events are listed by reason, shown, retried and discarded."""
    fetch(
        f"{demo.sandbox}/__sandbox/faults",
        content={"match": {"path": "/data/track"}, "status": 400, "body": '{"error":"no"}', "times": 2},
        headers={"Content-Type": "application/json"},
    )
    first = demo.send("track", "--event", "Bad", "--user-id", "u5")
    second = demo.send("track", "--event", "Bad", "--user-id", "u6")
    reason = demo.settled(first)["reason"]
    assert demo.settled(second)["state"] == "rejected"
    listed = demo.run("failures", "list")
    assert reason in listed.out
    shown = demo.run("failures", "show", "pendo", reason)
    assert first in shown.out
    assert "Do this: " in shown.out
    assert "Would retry 2 events." in demo.run("failures", "retry", "pendo", reason, "--dry-run").out
    retried = demo.run("failures", "retry", "pendo", reason, "--id", first)
    assert retried.out.startswith("1 event put back"), retried.err
    until(lambda: demo.fate(first)["destinations"][0]["state"] == "delivered")
    asked = demo.run("failures", "discard", "pendo", reason, "--note", "test")
    assert asked.status == 2
    assert "Add --yes if that is meant." in asked.err
    assert (
        demo.run("failures", "discard", "pendo", reason, "--note", "test", "--yes").out
        == "1 event discarded.\n"
    )
    assert demo.fate(second)["destinations"][0]["reason"] == "discarded_by_operator"
    assert "No failures." in demo.run("failures", "list").out
    assert "Nothing of pendo" in demo.run("failures", "retry", "pendo").err


def test_blocked(tmp_path: Path) -> None:
    """Of a destination that waits for a person it is said what is wrong, what to do, and that nothing is lost."""
    with running("demo", "--port", "0", "--sandbox-port", "0", cwd=tmp_path) as program:
        program.line(r"Stop with Ctrl\+C")
        sandbox = program.line(r"Sandbox +(\S+)/__sandbox/")[1]
        fetch(
            f"{sandbox}/__sandbox/faults",
            content={"match": {"path": "/data/track"}, "status": 403, "times": 1000},
            headers={"Content-Type": "application/json"},
        )
        sent = sternpost("send", "track", "--event", "x", "--user-id", "u", cwd=tmp_path)
        message_id = sent.out.split()[1]
        told = until(
            lambda: "blocked" in (out := sternpost("events", "get", message_id, cwd=tmp_path).out) and out
        )
        assert "which waits for a person" in told
        assert re.search(r"reply +403", told)
        assert "1 event waits for pendo, the oldest for " in told
        assert "Do this: " in told
        report = sternpost("doctor", cwd=tmp_path)
        assert report.status == 1
        assert re.search(r"FAIL +pendo +channel track: Blocked", report.out)


def test_first_five_minutes(demo: Demo) -> None:
    """What docs/start.md shows, done as printed, against servers on other ports."""
    page = START.read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    sends = [line for line in lines if line.startswith("sternpost send ")]
    assert len(sends) == 2
    for line in sends:
        message_id = demo.send(*shlex.split(line)[2:])
        assert demo.settled(message_id)["state"] == "delivered"
    [curl] = [line for line in lines if line.startswith("curl ")]
    words = shlex.split(curl)
    assert words[:4] == ["curl", "-u", "wk-backend:", "http://127.0.0.1:8080/v1/track"]
    basic = base64.b64encode(words[2].encode()).decode()
    request = urllib.request.Request(
        f"{demo.url}/v1/track", data=words[5].encode(), headers={"Authorization": f"Basic {basic}"}
    )
    with urllib.request.urlopen(request, timeout=20) as reply:
        assert reply.status == 200
    [document] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (demo.place / "start.yaml").write_text(document)
    env = {"PENDO_INTEGRATION_KEY": "33333333-3333-4333-8333-333333333333.us", "PENDO_TRACK_SECRET": "5" * 36}
    checked = sternpost("workspace", "check", "start.yaml", cwd=demo.place, env=env)
    assert checked.status == 0, checked.err
    missing = sternpost("workspace", "check", "start.yaml", cwd=demo.place)
    assert "PENDO_INTEGRATION_KEY" in missing.err


def test_workspace(demo: Demo) -> None:
    """Exported, checked, compared, applied; without secrets in it, and refused as a whole when it is not valid."""
    shown = demo.run("workspace", "show")
    assert "wk-backend" in shown.out
    assert "33333333-3333" not in shown.out
    exported = demo.run("workspace", "export")
    assert "${PENDO_INTEGRATION_KEY}" in exported.out
    assert "PENDO_TRACK_EVENT_SECRET" in exported.err
    path = demo.place / "exported.yaml"
    path.write_text(exported.out)
    assert demo.run("workspace", "check", "exported.yaml").status == 1
    checked = demo.run("workspace", "check", "exported.yaml", "--without-secrets")
    assert checked.status == 0, checked.err
    assert "5 sources, 1 destination, 5 connections" in checked.out

    document = json.loads(demo.run("workspace", "show", "--json").out)["document"]
    same = json.dumps(document)
    assert demo.run("workspace", "diff", "-", stdin=same).out == "No difference.\n"
    document["sources"][2]["name"] = "Phone"
    changed = json.dumps(document)
    assert "~ source ios: name" in demo.run("workspace", "diff", "-", stdin=changed).out
    assert demo.run("workspace", "diff", "-", "--exit-code", stdin=changed).status == 1
    assert "Nothing was applied." in demo.run("workspace", "apply", "-", "--dry-run", stdin=changed).err
    assert demo.run("workspace", "diff", "-", "--exit-code", stdin=changed).status == 1
    applied = demo.run("workspace", "apply", "-", stdin=changed)
    assert applied.status == 0, applied.err
    assert "In force as revision 2." in applied.err
    path.write_text("version: 1\nsources:\n  - {id: web, name: Web, type: wep}\n")
    refused = demo.run("workspace", "apply", "exported.yaml")
    assert refused.status == 1
    assert re.match(r"exported.yaml line 3, sources\[0\].type: ", refused.err)
    assert (
        demo.settled(demo.send("identify", "--user-id", "u7", "--trait", "plan=pro"))["state"] == "delivered"
    )


def test_killed(tmp_path: Path) -> None:
    """kill -9 in the middle: the next start has what was accepted, and delivers it."""
    ports = ("--port", str(free_port()), "--sandbox-port", str(free_port()))
    with running("demo", *ports, cwd=tmp_path) as first:
        first.line(r"Stop with Ctrl\+C")
        url, sandbox = first.line(r"Shop +(\S+)/demo/")[1], first.line(r"Sandbox +(\S+)/__sandbox/")[1]
        fetch(
            f"{sandbox}/__sandbox/faults",
            content={"match": {"path": "/data/track"}, "status": 503, "times": 1},
            headers={"Content-Type": "application/json"},
        )
        arguments = ("send", "track", "--event", "Survivor", "--user-id", "u1")
        message_id = re.search(UUID, sternpost(*arguments, cwd=tmp_path).out)[0]  # type: ignore[index]
        first.stop(signal.SIGKILL)
    with running("demo", *ports, cwd=tmp_path) as again:
        again.line(r"Stop with Ctrl\+C")
        assert again.line(r"Shop +(\S+)/demo/")[1] == url
        survivors = until(
            lambda: [
                event
                for event in fetch(f"{sandbox}/__sandbox/state")["events"]
                if event["event"] == "Survivor"
            ]
        )
        assert len(survivors) == 1
        told = until(
            lambda: (
                "Delivered to" in (found := sternpost("events", "get", message_id, cwd=tmp_path).out)
                and found
            )
        )
        assert "Pendo sandbox" in told


def test_sandbox_alone(tmp_path: Path) -> None:
    """The sandbox by itself, with a switch, a state file, and a second one refused on the same file."""
    arguments = (
        "sandbox",
        "--port",
        "0",
        "--state-file",
        "state.json",
        "--region",
        "eu",
        "--set",
        "rate.perSecond=100",
    )
    with running(*arguments, cwd=tmp_path) as sandbox:
        url = sandbox.line(r"Hosts +(\S+)")[1]
        sandbox.line(r"Stop with Ctrl\+C")
        assert "region eu · kept in ./state.json" in sandbox.seen[0]
        assert fetch(f"{url}/__sandbox/switches")["rate.perSecond"] == 100
        second = sternpost(*arguments, cwd=tmp_path)
        assert second.status == 1
        assert "in use by another sandbox" in second.err
        assert sandbox.stop() == 0
    port = free_port()
    with running("sandbox", "--port", str(port), cwd=tmp_path) as sandbox:
        sandbox.line(r"Stop with Ctrl\+C")
        taken = sternpost("sandbox", "--port", str(port), cwd=tmp_path)
        assert taken.status == 1
        assert f"Port {port} is in use" in taken.err
        assert sandbox.stop(signal.SIGINT) == 0


def test_demo_stays_apart(tmp_path: Path) -> None:
    """A workspace file or store of a real server that is set here is not the demo's."""
    env = {"STERNPOST_WORKSPACE": "missing.yaml"}
    with running("demo", "--port", "0", "--sandbox-port", "0", cwd=tmp_path, env=env) as demo:
        demo.line(r"Stop with Ctrl\+C")
        assert any("wk-backend" in line for line in demo.seen)


def test_doctor_without_a_server(tmp_path: Path) -> None:
    """It looks itself: at what there is, and at a workspace file and its destinations. Something wrong is status 1."""
    found = sternpost("doctor", cwd=tmp_path)
    assert found.status == 0, found.out
    assert "No server runs on" in found.err
    assert "disk" in found.out
    with running("sandbox", "--port", "0", cwd=tmp_path) as sandbox:
        url = sandbox.line(r"Hosts +(\S+)")[1]
        text = (
            "version: 1\n"
            "destinations:\n"
            "  - id: pendo\n"
            "    name: Pendo\n"
            "    type: pendo\n"
            "    settings:\n"
            "      region: custom\n"
            "      integrationKey: KEY\n"
            "      trackEventSecret: 55555555-5555-4555-8555-555555555555\n"
            f"      hosts: {{api: '{url}', data: '{url}', content: '{url}'}}\n"
        )
        path = tmp_path / "workspace.yaml"
        path.write_text(text.replace("KEY", "33333333-3333-4333-8333-333333333333.us"))
        found = sternpost("doctor", "--workspace", "workspace.yaml", cwd=tmp_path)
        assert found.status == 0, found.out
        assert "integration key: Pendo accepts the integration key" in found.out
        assert re.search(r"ok +clock", found.out)
        path.write_text(text.replace("KEY", "44444444-4444-4444-8444-444444444444.us"))
        found = sternpost("doctor", "--workspace", "workspace.yaml", cwd=tmp_path)
        assert found.status == 1
        assert re.search(r"FAIL +pendo +integration key: ", found.out)
    path.write_text("version: 2\n")
    found = sternpost("doctor", "--workspace", "workspace.yaml", cwd=tmp_path)
    assert found.status == 1
    assert "FAIL" in found.out
    assert "workspace.yaml" in found.out
