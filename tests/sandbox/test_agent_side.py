"""The agent's routes: script, configuration, events, guides, flags, preflight, tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sternpost.sandbox import jzb, seed
from sternpost.sandbox.auth import sign_token
from tests.sandbox.conftest import Client, agent_event

STATIC = f"/agent/static/{seed.APP_KEY_WEB}"
PTM = f"/data/ptm.gif/{seed.APP_KEY_WEB}"


async def test_script_and_config(client: Client) -> None:
    """The stub agent is served for a known key with its key and configuration in it; nothing is left to fill in."""
    answer = await client.get(f"{STATIC}/pendo.js")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert seed.APP_KEY_WEB in answer.text
    assert "__APP_KEY__" not in answer.text
    assert "__CONFIG__" not in answer.text
    assert (await client.get(f"{STATIC}/config.json")).json() == {}


@pytest.mark.parametrize("status", [404, 403])
async def test_switch_static_unknown_key(client: Client, status: int) -> None:
    """static.unknownKeyStatus."""
    await client.set(static__unknownKeyStatus=status)
    for file in ("pendo.js", "config.json"):
        assert (await client.get(f"/agent/static/nobody/{file}")).status == status


@pytest.mark.parametrize("status", [404, 403, 200])
async def test_switch_data_unknown_key(client: Client, status: int) -> None:
    """data.unknownKeyStatus: nothing is kept for an app key that the subscription does not have."""
    await client.set(data__unknownKeyStatus=status)
    assert (await client.agent(agent_event("load", "u"), key="nobody")).status == status
    assert (await client.get("/data/guide.json/nobody")).status == status
    assert (await client.get("/data/guide.js/nobody")).status == status
    assert (await client.get("/data/segmentflag.json/nobody")).status == status
    assert (await client.state())["visitors"] == {}
    assert set(await client.codes()) == {"secret_mixup"}


async def test_switch_app_config(client: Client) -> None:
    """app.config: further content of the configuration, in config.json and in the script."""
    await client.set(app__config={"dataHost": "</script>"})
    assert (await client.get(f"{STATIC}/config.json")).json() == {"dataHost": "</script>"}
    assert "</script>" not in (await client.get(f"{STATIC}/pendo.js")).text


async def test_ptm_get_answers_an_image(client: Client) -> None:
    """The genuine agent takes anything but an image for a failure."""
    answer = await client.agent(agent_event("load", "u"))
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/gif"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.body.startswith(b"GIF89a")
    assert answer.body.endswith(b";")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain;charset=UTF-8"])
async def test_ptm_post(client: Client, content_type: str) -> None:
    """Large batches and beacons come by POST, of any content type."""
    body = {"events": jzb.encode([agent_event("load", "u")])}
    answer = await client.post(
        f"{PTM}?v=1&ct=1&s=9",
        body,
        {"content-type": content_type, "user-agent": "Mozilla/5.0 Chrome/1 Linux"},
    )
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert (await client.events())[0]["context"] == {
        "url": "http://shop.example/",
        "userAgent": "Mozilla/5.0 Chrome/1 Linux",
    }
    auto = (await client.api("GET", "visitor/u")).json()["metadata"]["auto"]
    assert (auto["lastbrowsername"], auto["lastoperatingsystem"]) == ("Chrome", "Linux")


@pytest.mark.parametrize("status", [400, 200])
async def test_switch_bad_jzb_status(client: Client, status: int) -> None:
    """ptm.badJzbStatus: 400, or 200 with the GIF; always diagnosed."""
    await client.set(ptm__badJzbStatus=status)
    for answer in (
        await client.get(f"{PTM}?jzb=!!!!"),
        await client.get(PTM),
        await client.get(f"{PTM}?jzb={jzb.encode({'no': 'list'})}"),
        await client.post(PTM, b"{"),
        await client.post(PTM, [1]),
        await client.post(PTM, {"events": 7}),
        await client.agent(agent_event("load", "u"), extra="&jwt=x&signingKeyName=sandbox-key"),
    ):
        assert answer.status == status
        assert (answer.headers["content-type"] == "image/gif") == (status == 200)
    assert await client.codes() == ["bad_jzb"] * 6 + ["bad_jwt"]
    assert await client.events() == []


# --- tokens -----------------------------------------------------------------------------------------------------------


def token(secret: str = seed.JWT_SECRET, **payload: Any) -> str:
    return sign_token(json.dumps(payload).encode(), secret)


SIGNED: dict[str, Any] = {"visitor": {"id": "signed", "plan": "gold"}, "account": {"id": "acc"}, "nonce": "n"}


async def test_a_token_overrides_what_is_given_in_plain(client: Client) -> None:
    """The ids and metadata of the token count; a track event made before the login keeps its anonymous id."""
    events = [
        agent_event("meta", "claimed", "x", props={"visitor": {"id": "claimed", "plan": "free"}}),
        agent_event("track", "_PENDO_T_a", track_event_name="Before"),
    ]
    answer = await client.agent(*events, extra=f"&jwt={token(**SIGNED)}&signingKeyName=sandbox-key")
    assert answer.status == 200
    state = await client.state()
    assert set(state["visitors"]) == {"signed", "_PENDO_T_a"}
    assert state["visitors"]["signed"]["metadata"]["agent"] == {"plan": "gold"}
    assert state["visitors"]["signed"]["accounts"] == ["acc"]


async def test_an_empty_id_in_a_token_is_anonymous(client: Client) -> None:
    """`visitor.id` "" in the payload says that nobody is logged in: the anonymous id stays."""
    signed = token(visitor={"id": ""}, account={})
    await client.post(
        PTM,
        {
            "events": jzb.encode([agent_event("load", "_PENDO_T_a")]),
            "jwt": signed,
            "signingKeyName": "sandbox-key",
        },
    )
    assert set((await client.state())["visitors"]) == {"_PENDO_T_a"}


def tampered() -> str:
    header, _, signature = token(**SIGNED).split(".")
    return f"{header}.{token(visitor={'id': 'evil'}).split('.')[1]}.{signature}"


@pytest.mark.parametrize(
    ("jwt", "key"),
    [
        (token(**SIGNED), "other-key"),
        (token("another secret", **SIGNED), "sandbox-key"),
        (tampered(), "sandbox-key"),
        ("eyJhbGciOiJub25lIn0.e30.", "sandbox-key"),
        ("a.b", "sandbox-key"),
        ("a.b.c", "sandbox-key"),
        ("é.é.é", "sandbox-key"),
        (sign_token(b"[]"), "sandbox-key"),
        (sign_token(b"{"), "sandbox-key"),
        (7, "sandbox-key"),
        (token(**SIGNED), 7),
    ],
)
async def test_bad_tokens(client: Client, jwt: Any, key: Any) -> None:
    """A token that is wrong in any way drops its batch, with 400 and `bad_jwt`; `alg: none` is no signature."""
    body = {"events": jzb.encode([agent_event("load", "u")]), "jwt": jwt, "signingKeyName": key}
    assert (await client.post(PTM, body)).status == 400
    assert await client.codes() == ["bad_jwt"]
    assert await client.events() == []


@pytest.mark.parametrize("value", ["off", "on"])
async def test_switch_signed_metadata(client: Client, value: str) -> None:
    """app.signedMetadata: metadata without a token does not count, and the configuration says so to the agent."""
    await client.set(app__signedMetadata=value)
    await client.agent(
        agent_event("meta", "u", props={"visitor": {"id": "u", "plan": "free"}}), agent_event("load", "u")
    )
    on = value == "on"
    assert (await client.state())["visitors"]["u"]["metadata"]["agent"] == ({} if on else {"plan": "free"})
    assert ("bad_jwt" in await client.codes()) == on
    config = (await client.get(f"{STATIC}/config.json")).json()
    assert config == ({"enableSignedMetadata": True} if on else {})


# --- guides, flags, the rest ------------------------------------------------------------------------------------------


async def test_guides(client: Client) -> None:
    """guide.json is the minimal object with the id echoed; by GET and by POST; guide.js is the same as a script."""
    asked = jzb.encode({"visitorId": "u"})
    shape = {"guides": [], "lastGuideStepSeen": {}, "guideWidget": {}, "throttling": {"enabled": False}}
    base = f"/data/guide.json/{seed.APP_KEY_WEB}"
    assert (await client.get(f"{base}?id=17&jzb={asked}")).json() == shape | {"id": 17}
    assert (await client.post(f"{base}?id=x", {"events": asked})).json() == shape | {"id": "x"}
    assert (await client.get(f"{base}?jzb=!")).status == 400
    assert (await client.post(base, b"{")).status == 400
    script = await client.get(f"/data/guide.js/{seed.APP_KEY_WEB}?id=1&jzb={asked}")
    assert "guidesPayload" in script.text
    await client.set(guide__shape={"guides": [1]})
    assert (await client.get(f"{base}?jzb={asked}")).json() == {"guides": [1]}


@pytest.mark.parametrize("who", [{"visitorId": "u"}, {"visitorId": "other", "accountId": "a"}])
async def test_do_not_process_is_451(client: Client, who: Any) -> None:
    """The agent of an opted-out visitor or account is told to stop."""
    await client.track("E", "u", "a")
    kind, known_id = ("account", "a") if "accountId" in who else ("visitor", "u")
    await client.api("PUT", f"metadata/{kind}/pendo/value/{known_id}/donotprocess", b"true")
    for path in ("guide.json", "guide.js", "segmentflag.json"):
        assert (await client.get(f"/data/{path}/{seed.APP_KEY_WEB}?jzb={jzb.encode(who)}")).status == 451


async def test_segment_flags(client: Client) -> None:
    """202 while the visitor is not known; then the segments that hold it."""
    path = f"/data/segmentflag.json/{seed.APP_KEY_WEB}?jzb={jzb.encode({'visitorId': 'u'})}"
    assert (await client.get(path)).status == 202
    await client.track("E", "u")
    assert (await client.get(path)).json() == {"segmentFlags": []}
    known_id = (await client.api("POST", "segment/upload", {"name": "S", "visitors": ["u"]})).json()[
        "segmentId"
    ]
    assert (await client.get(path)).json() == {"segmentFlags": [known_id]}
    assert (
        await client.post(
            f"/data/segmentflag.json/{seed.APP_KEY_WEB}", {"jzb": jzb.encode({"visitorId": "u"})}
        )
    ).status == 200
    assert (await client.get(f"/data/segmentflag.json/{seed.APP_KEY_WEB}?jzb=!")).status == 400


async def test_probes_and_logs(client: Client) -> None:
    """guide.gif and log.gif are images; errorlog is 200; all are recorded."""
    for path in ("guide.gif", "log.gif"):
        assert (await client.get(f"/data/{path}/{seed.APP_KEY_WEB}?jzb={jzb.encode([])}")).headers[
            "content-type"
        ] == "image/gif"
    assert (await client.post(f"/data/errorlog?apiKey={seed.APP_KEY_WEB}", {"error": "x"})).status == 200
    requests = (await client.get("/__sandbox/requests")).json()
    assert [request["decoded"] for request in requests] == [[], [], None]
    assert requests[2]["body"] == '{"error": "x"}'


@pytest.mark.parametrize("status", [200, 404])
async def test_switch_misc_accept(client: Client, status: int) -> None:
    """misc.accept: routes that are recorded and not interpreted."""
    await client.set(misc__accept=status)
    for path in ("rec/k", "recordingconf/k", "devlog", "agentic.gif"):
        assert (await client.get(f"/data/{path}")).status == status
        assert (await client.post(f"/data/{path}", b"x")).status == status


@pytest.mark.parametrize("value", ["allowed", "off"])
async def test_switch_cors(client: Client, value: str) -> None:
    """cors.data: a preflight echoes the requested headers, or nothing is allowed."""
    await client.set(cors__data=value)
    asked = {
        "origin": "http://shop.example",
        "access-control-request-headers": "content-type,x-a",
        "access-control-request-private-network": "true",
    }
    answer = await client.request("OPTIONS", "/data/track", headers=asked)
    assert answer.status == 204
    simple = await client.get(f"{STATIC}/config.json")
    if value == "allowed":
        assert answer.headers["access-control-allow-headers"] == "content-type,x-a"
        assert answer.headers["access-control-allow-private-network"] == "true"
        assert simple.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-headers" not in (await client.request("OPTIONS", "/data/track")).headers
    else:
        assert not any(name.startswith("access-control") for name in {**answer.headers, **simple.headers})
