"""The console's forms: a source, Pendo, connections and revisions, by a browser that posts them; secrets never come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sternpost.console.drafts import DRAFT_VALID_S, Drafts
from sternpost.model import Reply
from tests.console.house import House, house, text_of
from tests.control.bench import make

KEY, SECRET = "an-integration-key-12.us", "a-track-secret-34-56"
PENDO = {
    "name": "Pendo live",
    "s.region": "us",
    "s.integrationKey": KEY,
    "s.trackEventSecret": SECRET,
    "s.createMissing": "on",
}


def pendo(destination: str, request: Any) -> Reply:
    given = request.headers.get("x-pendo-integration-key")
    if request.url == "https://app.pendo.io/api/v1/token/verify" and given == KEY:
        return Reply(200, {}, b'{"valid": true, "writeAccess": true}', 5)
    if request.url == "https://data.pendo.io/data/track" and given == SECRET:
        return Reply(400, {}, b"", 5)
    return Reply(403, {}, b"", 5)


async def test_add_a_source(home: House) -> None:
    """Named, typed, added: the next page has the lines to copy. What is wrong stands beside its field."""
    owner = await home.owner()
    await owner.get("/console/sources/new")
    assert "Give it a name" in (await owner.post("/console/sources/new", name=" ", type="web")).body.decode()
    page = await owner.follow(await owner.post("/console/sources/new", name="Web shop", type="web"))
    assert home.bench.holder.current.sources["web-shop"].write_key in page
    page = await owner.get("/console/sources/web-shop/settings")
    etag = page.split('name="etag" value="')[1].split('"')[0].replace("&#34;", '"')
    form = {
        "name": "Shop",
        "allowedOrigins": "*",
        "blockedEvents": "Debug",
        "requestsPerSecond": "5",
        "etag": etag,
    }
    answer = await owner.post("/console/sources/web-shop/settings", **form)
    assert answer.status == 400
    assert 'id="e-allowedOrigins"' in answer.body.decode()
    form["allowedOrigins"] = "https://shop.example.com"
    await owner.follow(await owner.post("/console/sources/web-shop/settings", **form))
    source = home.bench.holder.current.sources["web-shop"]
    assert (source.name, source.blocked_events, source.requests_per_second) == ("Shop", {"Debug"}, 5)
    # The same form again: somebody was faster.
    late = (await owner.post("/console/sources/web-shop/settings", **{**form, "name": "Late"})).body.decode()
    assert "changed this meanwhile" in late
    assert "Web shop → Shop" in late
    old = source.write_key
    await owner.follow(await owner.post("/console/sources/web-shop/rotate", overlap="24"))
    assert home.bench.holder.current.sources["web-shop"].previous_keys[0].write_key == old
    assert "type Shop" in text_of(
        await owner.follow(await owner.post("/console/sources/web-shop/delete", typed="x"))
    )
    await owner.follow(await owner.post("/console/sources/web-shop/delete", typed="Shop"))
    assert "web-shop" not in home.bench.holder.current.sources


async def test_add_pendo(home: House) -> None:
    """Catalogue, name and settings, check, connect. A wrong key is said, kept for correcting, and never shown."""
    home.bench.reply = pendo
    owner = await home.owner()
    assert "/console/destinations/new/pendo" in await owner.get("/console/destinations/new")
    page = await owner.get("/console/destinations/new/pendo")
    for word in (
        "Connect",
        "Identity",
        "What to send",
        "Limits",
        "Settings → Integrations → Integration Keys",
        "Modes by platform",
    ):
        assert word in page
    wrong = await owner.post(
        "/console/destinations/new/pendo", **{**PENDO, "s.integrationKey": SECRET, "s.trackEventSecret": KEY}
    )
    owner.last = wrong.body.decode()
    assert wrong.status == 400
    assert "The two keys are exchanged" in owner.last
    assert KEY not in owner.last
    assert SECRET not in owner.last
    assert "Save anyway" in owner.last
    assert len(home.bench.holder.current.destinations) == 3
    # One secret is typed again, the other is still known.
    await owner.get("/console/destinations/new/pendo")
    half = await owner.post(
        "/console/destinations/new/pendo", **{**PENDO, "s.trackEventSecret": "wrong-secret"}
    )
    owner.last = half.body.decode()
    draft = owner.last.split('name="draft" value="')[1].split('"')[0]
    fixed = {**PENDO, "s.integrationKey": "", "draft": draft}
    page = await owner.follow(await owner.post("/console/destinations/new/pendo", **fixed))
    config = home.bench.holder.current.destinations["pendo-live"]
    assert config.settings.integration_key.reveal() == KEY
    assert "Who sends, who counts" in page
    page = await owner.follow(
        await owner.post(
            "/console/destinations/pendo-live/connect", **{"mode.web": "cloud", "mode.backend": "cloud"}
        )
    )
    assert "gets the events of 2 sources" in page
    assert home.bench.holder.current.connection("web", "pendo-live") is not None
    # Device needs the app key, and the form says so.
    answer = await owner.post("/console/destinations/pendo-live/connect", **{"mode.web": "device"})
    assert answer.status == 400
    assert "apiKey" in answer.body.decode()


async def test_change_a_destination(home: House) -> None:
    """Secrets stay unless another is typed; refused settings are not saved unless a person insists."""
    home.bench.reply = pendo
    owner = await home.owner()
    page = await owner.get("/console/destinations/pendo/settings")
    assert "Leave this empty to keep it" in page
    etag = page.split('name="etag" value="')[1].split('"')[0].replace("&#34;", '"')
    before = home.bench.holder.current.destinations["pendo"].settings
    form = {"name": "Pendo", "s.region": "us", "s.createMissing": "on", "etag": etag}
    refused = await owner.post("/console/destinations/pendo/settings", **form)
    assert refused.status == 400
    assert "Nothing was saved yet" in refused.body.decode()
    assert home.bench.holder.current.destinations["pendo"].settings == before
    await owner.follow(await owner.post("/console/destinations/pendo/settings", **form, do="anyway"))
    after = home.bench.holder.current.destinations["pendo"]
    assert after.name == "Pendo"
    assert after.settings.integration_key == before.integration_key
    await owner.get("/console/destinations/pendo/settings")
    await owner.follow(await owner.post("/console/destinations/pendo/switch", to="off"))
    assert not home.bench.holder.current.destinations["pendo"].enabled


async def test_webhook_by_the_same_form(home: House) -> None:
    """The form is made from fields; headers are texts by name, and a masked one is kept."""
    owner = await home.owner()
    page = await owner.get("/console/destinations/hook/settings")
    assert 'name="s.headers.0.name" value="X-Team"' in page
    assert 'name="s.headers.0.value" value="••••"' in page
    etag = page.split('name="etag" value="')[1].split('"')[0].replace("&#34;", '"')
    headers = home.bench.holder.document["destinations"][1]["settings"]["headers"]
    form = {
        "name": "Hook",
        "s.url": "https://hooks.example.com/new",
        "s.headers.0.name": "X-Team",
        "s.headers.0.value": "••••",
        "s.headers.1.name": "X-More",
        "s.headers.1.value": "1",
        "etag": etag,
    }
    await owner.follow(await owner.post("/console/destinations/hook/settings", **form))
    settings = home.bench.holder.document["destinations"][1]["settings"]
    assert settings["url"] == "https://hooks.example.com/new"
    assert settings["headers"]["X-Team"] == headers["X-Team"]
    assert set(settings["headers"]) == {"X-Team", "X-More"}


async def test_revisions_and_back(home: House) -> None:
    owner = await home.owner()
    await owner.get("/console/destinations/hook/settings")
    await owner.follow(await owner.post("/console/destinations/hook/delete", typed="Our endpoint"))
    page = await owner.get("/console/settings/revisions")
    assert "- destination hook" in page
    back = await owner.get("/console/settings/revisions/1")
    assert "From revision 2, which is in force" in back
    assert "+ destination hook" in back
    await owner.follow(await owner.post("/console/settings/revisions/1/restore"))
    assert "hook" in home.bench.holder.current.destinations


async def test_read_only_with_a_file(tmp_path: Path) -> None:
    """The forms show what is there, and name the file and the line."""
    file = tmp_path / "workspace.yaml"
    file.write_text(
        "version: 1\nsources:\n  - {id: web, name: Web, type: web, writeKey: wk-web}\ndestinations:\n"
        "  - id: hook\n    type: webhook\n    settings: {url: 'https://x.example.com/'}\nconnections: []\n"
    )
    made = await house(tmp_path, bench=await make(tmp_path, file=file))
    owner = await made.owner()
    page = await owner.get("/console/destinations/hook/settings")
    assert f"This comes from {file} , line 5" in text_of(
        page
    ) or f"This comes from {file}, line 5" in text_of(page)
    assert "Check and save" not in page
    for path in (
        "/console/sources/new",
        "/console/destinations/hook/connect",
        "/console/sources/web/settings",
        "/console/settings/revisions",
    ):
        assert str(file) in await owner.get(path)
    made.bench.close()


def test_drafts() -> None:
    """Secrets of a form: for the one who typed them, once, for half an hour."""
    drafts = Drafts()
    token = drafts.keep("ann", {"a": "secret"}, 0.0)
    assert drafts.take("bob", token, 1.0) == {}
    token = drafts.keep("ann", {"a": "secret"}, 0.0)
    assert drafts.take("ann", token, 1.0) == {"a": "secret"}
    assert drafts.take("ann", token, 1.0) == {}
    assert drafts.take("ann", drafts.keep("ann", {"a": "s"}, 0.0), DRAFT_VALID_S) == {}
