"""What `serve`, `doctor` and the console say about the settings."""

import pytest

from sternpost.destinations.pendo import PENDO
from sternpost.model import Reply, Secret
from tests.destinations.pendo.events import APP, INTEGRATION, SETTINGS, TRACK, reply, settings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"trackEventSecret": None}, "trackEventSecret is not set: track events are skipped"),
        ({"integrationKey": None}, "integrationKey is not set: identify and group are skipped"),
        ({"region": "eu"}, "ends in .us, which is region us, and region is eu"),
        ({"trackEventSecret": Secret(f"{TRACK}.us")}, "trackEventSecret looks like an integration key"),
        ({"integrationKey": Secret(TRACK), "trackEventSecret": Secret(INTEGRATION)}, "integrationKey looks like a track event secret"),
        ({"trackEventSecret": Secret(INTEGRATION)}, "are the same"),
        ({"trackEventSecret": Secret(APP)}, "is the public apiKey"),
        ({"integrationKey": Secret(APP)}, "integrationKey is the public apiKey"),
        ({"anonymousVisitors": "prefix"}, "may count for MAU"),
        ({"anonymousVisitors": "prefix"}, "only Pendo's browser agent can merge"),
        ({"anonymousVisitors": "hold"}, "within 6 days are skipped"),
        ({"region": "jpn"}, "jpn was understood as jp"),
    ],
)  # fmt: skip
def test_facts(values, words):
    facts = PENDO.facts(settings(**values))
    assert any(words in fact for fact in facts), facts
    assert not any(secret in fact for fact in facts for secret in (INTEGRATION, TRACK, APP))


def test_good_settings_need_no_warning():
    assert PENDO.facts(SETTINGS) == ()


def test_checks_ask_only_harmless_questions():
    asked = {name: (call.method, call.url, call.body) for name, call, _ in PENDO.checks(SETTINGS) if call}
    assert asked == {
        "integration key": ("GET", "https://app.pendo.io/api/v1/token/verify", b""),
        "track event secret": ("POST", "https://data.pendo.io/data/track", b"{}"),
        "browser agent": ("GET", f"https://cdn.pendo.io/agent/static/{APP}/pendo.js", b""),
    }


def test_checks_say_what_needs_no_question():
    bare = PENDO.checks(settings(integrationKey=None, trackEventSecret=None, apiKey=None))
    assert [call for _, call, _ in bare] == [None] * len(bare)
    findings = {name: finding for name, _, finding in bare}
    assert "app.pendo.io" in findings["region"]
    assert "not set" in findings["integration key"]
    assert "not set" in findings["track event secret"]
    assert "mobile source needs a destination of its own" in findings["mobile apps"]
    assert (
        "Set region: us"
        in {name: finding for name, _, finding in PENDO.checks(settings(region="eu"))}["region"]
    )


@pytest.mark.parametrize(
    ("name", "answer", "fine", "words"),
    [
        ("integration key", reply(200, {"valid": True, "writeAccess": True}), True, "may write"),
        ("integration key", reply(200, {"valid": True, "writeAccess": False}), False, "write access"),
        ("integration key", reply(403), False, "exchanged"),
        ("track event secret", reply(400), True, "does not refuse the secret"),
        ("track event secret", reply(200), True, "does not refuse the secret"),
        ("track event secret", reply(403), False, "exchanged"),
        ("track event secret", reply(404), False, "404"),
        ("browser agent", reply(200), True, "can be loaded"),
        ("browser agent", reply(404), False, "Check apiKey"),
        ("track event secret", Reply(None, {}, b"", 1, "name_not_found", "no such host"), False, "https://data.pendo.io cannot be reached (no such host)"),
        ("integration key", Reply(None, {}, b"", 1, "timeout", ""), False, "https://app.pendo.io cannot be reached (timeout)"),
        ("browser agent", Reply(None, {}, b"", 1, "timeout", ""), False, "https://cdn.pendo.io"),
    ],
)  # fmt: skip
def test_what_the_answers_mean(name, answer, fine, words):
    result, sentence = PENDO.read_check(name, answer, SETTINGS)
    assert result == fine
    assert words in sentence
