"""Who could not come in: told in the audit log, by account and address, and bounded."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from sternpost.console.patience import FAILURES_MAX
from sternpost.control.api import create_api
from sternpost.control.attempts import ACTION, LINES_MAX, WINDOW_S
from sternpost.control.auth import Principal
from tests.console.house import PASSWORD, House, text_of
from tests.control.bench import Bench, call


async def failures(bench: Bench) -> list[dict[str, Any]]:
    return list((await bench.get(f"/audit?what={ACTION}&limit=500"))["audit"])


async def test_a_wrong_token(bench: Bench) -> None:
    """The first has a line at once; those that follow are counted in it; another address has one of its own."""
    assert (await bench.ask("GET", "/stats", token="sp_wrong")).status == 401
    [line] = await failures(bench)
    assert line == {
        "at": "2027-01-15T08:00:00.000Z", "who": "unknown", "via": "api", "action": ACTION, "subject": "",
        "detail": {"address": "127.0.0.1", "count": 1},
    }  # fmt: skip
    for _ in range(99):
        assert (await bench.ask("GET", "/stats", token="sp_wrong")).status == 401
    [line] = await failures(bench)
    assert line["detail"]["count"] == 64, "written when the number has doubled"
    assert (await bench.ask("GET", "/stats", token=None)).status == 401
    assert len(await failures(bench)) == 1, "who gave no token guessed nothing"
    bench.now += WINDOW_S + 1
    assert (await bench.ask("GET", "/stats", token="sp_wrong")).status == 401
    assert [one["detail"]["count"] for one in await failures(bench)] == [1, 64]


async def test_an_expired_token_is_named(bench: Bench) -> None:
    text, _ = await bench.people.add_token(
        "deploy", "viewer", personal_data=None, days=1, by=Principal("ann", "owner")
    )
    bench.now += 2 * 86_400
    assert (await bench.ask("GET", "/stats", token=text)).status == 401
    [line] = await failures(bench)
    assert (line["who"], line["subject"]) == ("token:deploy", "token:deploy")
    assert text not in str(line)


async def test_many_addresses_push_nothing_out(bench: Bench) -> None:
    """Beyond so many lines in ten minutes all others share one for each door."""
    for number in range(3 * LINES_MAX):
        await bench.context.attempts.failed("api", f"token:t{number % 3}", f"203.0.113.{number}")
    found = await failures(bench)
    assert len(found) == LINES_MAX + 1
    # It says what it is, and accuses nobody by name.
    assert found[0]["detail"] == {"address": "several, beyond the 50 that have a line", "count": 64}
    assert (found[0]["who"], found[0]["subject"]) == ("unknown", "")


async def test_the_address_behind_a_proxy(bench: Bench) -> None:
    """What a trusted proxy says of whom it serves counts; what anybody else says does not."""
    headers = [(b"authorization", b"Bearer sp_wrong"), (b"x-forwarded-for", b"6.6.6.6, 203.0.113.7")]
    for trusted in ((), (ip_network("127.0.0.0/8"),)):
        app = create_api(replace(bench.context, trusted_proxies=trusted))
        assert (await call(app, "GET", "/api/v1/stats", headers=headers)).status == 401
    assert [line["detail"]["address"] for line in await failures(bench)] == ["203.0.113.7", "127.0.0.1"]


async def test_wrong_passwords(remote: House) -> None:
    """A known name is told, a text that is none is not: it may be a password. Tries that are turned away are counted."""
    await remote.owner()
    bench = remote.bench
    browser = remote.browser()
    await browser.get("/console/sign-in")
    answer = await browser.post("/console/sign-in", username="owner", password="wrong")
    assert answer.status == 403
    await browser.post("/console/sign-in", username=PASSWORD, password="owner")
    unknown, known = await failures(bench)
    assert (known["who"], known["subject"], known["via"]) == ("owner", "owner", "console")
    assert (unknown["who"], unknown["subject"]) == ("unknown", "")
    for _ in range(2 * FAILURES_MAX):
        answer = await browser.post("/console/sign-in", username="owner", password="wrong")
    assert answer.status == 429
    unknown, known = await failures(bench)
    assert known["detail"]["count"] == 16
    assert PASSWORD not in str(await failures(bench))
    bench.now += WINDOW_S + 1
    owner = remote.browser()
    await owner.get("/console/sign-in")
    assert (await owner.post("/console/sign-in", username="owner", password=PASSWORD)).status == 303
    page = text_of(await owner.get("/console/settings/audit"))
    assert f"owner console {ACTION}" in page
    assert "count: 16" in page
