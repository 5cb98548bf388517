"""A crash can come at any moment: no change is on the disk without its line in the audit log.

After every commit the files are copied as they are, which is what a crash would leave, and looked at: whatever differs from before the request
has a line.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.console.house import PASSWORD, house

from .bench import TOKEN, Bench, call, make
from .test_document import requests_of
from .test_paging import filled

#: What a request may change without a line: when a token was used last, what a check said, and the log itself.
UNTOLD = {"audit", "settings", "sqlite_sequence"}
#: Operations that change nothing in the store.
READS = {
    "diff_workspace", "estimate_replay", "verify_destination", "verify_settings", "try_event", "resume_destination",
}  # fmt: skip
#: When their turn comes, what they would change is as they want it.
NOTHING_LEFT = {"end_previous_keys", "change_connection", "roll_back", "allow_person", "retry_failures"}


class Crashes:
    """Copies of the store's files, one after each commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bench: Bench | None = None
        self.copies: list[Path] = []

    def observe(self, name: str, seconds: float) -> None:
        if self.bench is None or name != "commit":
            return
        copy = self.folder / f"crash-{len(self.copies)}"
        copy.mkdir()
        for file in self.bench.store.files[:2]:
            if file.exists():
                shutil.copy(file, copy / file.name)
        self.copies.append(copy)


def told(folder: Path) -> tuple[dict[str, Any], list[tuple[str, str, dict[str, Any]]]]:
    """What a store holds, but for the log; and the lines of the log: action, subject, detail."""
    with closing(sqlite3.connect(folder / "store.db")) as cx:
        tables = [name for (name,) in cx.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        held = {
            name: sorted(map(repr, cx.execute(f"SELECT * FROM {name}")))
            for name in tables
            if name not in UNTOLD
        }
        if "tokens" in held:
            held["tokens"] = sorted(map(repr, cx.execute("SELECT id, name, role FROM tokens")))
        lines = cx.execute("SELECT action, subject, detail FROM audit ORDER BY no").fetchall()
        return held, [(action, subject, json.loads(detail)) for action, subject, detail in lines]


async def test_no_change_without_its_line(tmp_path: Path) -> None:
    """Every operation that is no GET, as it succeeds; the copy after its change has the line, and the end has the whole of it."""
    crashes = Crashes(tmp_path)
    bench = await make(tmp_path, observe=crashes.observe)
    await filled(bench)
    changing = [one for one in await requests_of(bench) if one[1] != "GET" and one[0] not in READS]
    seen = set()
    for name, method, path, body in changing:
        crashes.copies.clear()
        for left in tmp_path.glob("crash-*"):
            shutil.rmtree(left)
        crashes.bench = bench
        await bench.store.transaction(lambda cx: cx.execute("UPDATE settings SET value = value"))
        headers = [(b"authorization", f"Bearer {TOKEN}".encode()), (b"if-match", b"*")]
        content = json.dumps(body).encode() if body is not None else b""
        answer = await call(bench.app, method, f"/api/v1{path}", headers=headers, body=content)
        crashes.bench = None
        assert answer.status in {200, 201}, (name, answer.body)
        before, old = told(crashes.copies[0])
        for copy in crashes.copies[1:]:
            held, lines = told(copy)
            new = lines[len(old) :]
            if held != before:
                seen.add(name)
                assert [action for action, _, _ in new] == [name], f"{name}: a crash would lose who did it"
                if name not in {"add_user", "fresh_address", "invite_user", "begin_replay"}:
                    assert new[0][1] or name == "allow_person", name
            # A person's id has no place in the log, at no moment.
            assert "u1" not in json.dumps(new), name
    assert seen == {one[0] for one in changing} - NOTHING_LEFT
    bench.close()


@pytest.mark.parametrize("how", ["api", "console"])
async def test_the_line_has_what_was_changed(tmp_path: Path, how: str) -> None:
    """One transaction of a change of the workspace, and of a sign-in: the copy after it has the whole line."""
    crashes = Crashes(tmp_path)
    bench = await make(tmp_path, observe=crashes.observe)
    if how == "api":
        crashes.bench = bench
        assert (await bench.ask("POST", "/sources", {"name": "Shop", "type": "web"})).status == 201
        wanted: tuple[str, str, dict[str, Any]] = (
            "create_source",
            "source shop",
            {"changes": ['+ source shop: name "Shop", type "web"']},
        )
    else:
        home = await house(tmp_path, bench=bench, on_loopback=False)
        await home.owner()
        browser = home.browser()
        await browser.get("/console/sign-in")
        crashes.bench = bench
        answer = await browser.post("/console/sign-in", username="owner", password=PASSWORD)
        assert answer.status == 303
        wanted = ("sign_in", "owner", {"address": "127.0.0.1"})
    crashes.bench = None
    lines = [told(copy)[1] for copy in crashes.copies]
    first = next(found for found in lines if found and found[-1][0] == wanted[0])
    assert first[-1][:2] == wanted[:2]
    if how == "api":
        assert first[-1][2]["changes"][0].startswith("+ source shop")
    else:
        assert first[-1][2] == wanted[2]
    # It is there once, whatever came after.
    assert [line[0] for line in lines[-1]].count(wanted[0]) == 1
    assert lines[-1][-1] == first[-1]
    bench.close()
