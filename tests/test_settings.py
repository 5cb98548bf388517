"""Process settings: precedence, forms, and errors that name where the mistake is."""

from __future__ import annotations

import dataclasses
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.errors import UsageError
from sternpost.settings import SETTINGS, Settings, read_bytes, resolve

NOWHERE = Path("/nonexistent/sternpost.toml")
PAGE = Path(__file__).parent.parent / "docs/reference/settings.md"


def test_defaults() -> None:
    """Nothing needs to be set."""
    found = resolve({}, {}, NOWHERE)
    assert found == Settings(
        host="127.0.0.1",
        port=8080,
        data_dir=Path("sternpost-data"),
        workspace=None,
        store="",
        roles=("gateway", "worker", "console"),
        retention_days=7.0,
        bytes_max=10_000_000_000,
        give_up_hours=72.0,
        allow_private_hosts=(),
        trusted_proxies=(),
        alert_webhook="",
        otlp_endpoint="",
        trace_share=0.01,
        no_open=False,
        sandbox_port=8090,
        log_level="info",
        log_format="auto",
    )


def test_precedence(tmp_path: Path) -> None:
    """A flag wins over the environment, that over the file, that over the default."""
    toml = tmp_path / "sternpost.toml"
    toml.write_text(
        'port = 1\nhost = "a"\nbytes-max = "2GB"\nroles = ["worker", "gateway"]\nno-open = true\n'
    )
    env = {"STERNPOST_PORT": "2", "STERNPOST_HOST": "b", "STERNPOST_LOG_LEVEL": "", "OTHER": "x"}
    found = resolve({"port": 3, "data_dir": None, "no_open": False}, env, toml)
    assert (found.port, found.host, found.bytes_max) == (3, "b", 2_000_000_000)
    assert found.roles == ("gateway", "worker")
    assert found.no_open is True
    assert found.log_level == "info"


def test_other_defaults(tmp_path: Path) -> None:
    """A command may have defaults of its own; whatever is set still wins over them."""
    demo = {"data_dir": "./sternpost-demo"}
    assert resolve({}, {}, NOWHERE, defaults=demo).data_dir == Path("sternpost-demo")
    assert resolve({"data-dir": tmp_path}, {}, NOWHERE, defaults=demo).data_dir == tmp_path


def test_networks() -> None:
    """A network, or a single address, with host bits or without."""
    found = resolve({"allow_private_hosts": "10.1.2.3/8, 192.168.7.20,fd00::/8"}, {}, NOWHERE)
    assert found.allow_private_hosts == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("192.168.7.20/32"),
        ipaddress.ip_network("fd00::/8"),
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [("10GB", 10**10), ("500MB", 5 * 10**8), ("1.5 tb", 1_500_000_000_000), ("2GiB", 2**31), (5_000_000, 5_000_000), ("5000000", 5_000_000), ("3M", 3_000_000)],
)  # fmt: skip
def test_sizes(text: Any, count: int) -> None:
    """Sizes as people write them."""
    assert read_bytes(text) == count


@pytest.mark.parametrize(
    "text", ["", "GB", "10XB", "ten", "-1GB", "1e9", "10iB", True, None, 1.5, [], "9" * 40]
)
def test_no_sizes(text: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError):
        read_bytes(text)


@pytest.mark.parametrize(
    ("flags", "env", "toml", "expected"),
    [
        ({"port": "99999"}, {}, "", '--port: "99999" is not a port. Give a number from 0 to 65535.'),
        ({}, {"STERNPOST_PORT": "x"}, "", 'STERNPOST_PORT: "x" is not a port. Give a number from 0 to 65535.'),
        ({}, {}, "port = true", 'sternpost.toml, port: "True" is not a port. Give a number from 0 to 65535.'),
        ({}, {}, "data-dirr = 1", 'sternpost.toml: no setting "data-dirr". Did you mean "data-dir"?'),
        ({}, {}, "data_dir = 1", 'sternpost.toml: no setting "data_dir". Did you mean "data-dir"?'),
        ({}, {}, "zzzzzzzz = 1", 'sternpost.toml: no setting "zzzzzzzz". There are host, port,'),
        ({}, {}, "port = ", "sternpost.toml is not valid TOML:"),
        ({"bytes_max": "10"}, {}, "", '--bytes-max: "10" is too small. Give at least 1MB.'),
        ({"roles": "gateway,wroker"}, {}, "", "is not a list of roles. Use one or more of gateway, worker, console."),
        ({"roles": ","}, {}, "", "is not a list of roles."),
        ({"retention_days": 0}, {}, "", '--retention-days: "0" is not a number of days. Give one above 0, at most 3650.'),
        ({"give_up_hours": "nan"}, {}, "", "is not a number of hours."),
        ({"trusted_proxies": "proxy"}, {}, "", '--trusted-proxies: "proxy" is not a list of networks.'),
        ({"log_level": "loud"}, {}, "", '--log-level: "loud" is not known. Use debug, info, warning or error.'),
        ({}, {"STERNPOST_NO_OPEN": "maybe"}, "", "is neither true nor false."),
        ({}, {}, "host = 1", 'sternpost.toml, host: "1" is not text. Put it in quotes.'),
        ({}, {}, 'store = ["postgresql://u:hush@h/d"]', "sternpost.toml, store: the address is not text."),
    ],
)  # fmt: skip
def test_mistakes(flags: Any, env: Any, toml: str, expected: str, tmp_path: Path) -> None:
    """A mistake is one sentence that begins with its place."""
    path = tmp_path / "sternpost.toml"
    path.write_text(toml)
    with pytest.raises(UsageError) as caught:
        resolve(flags, env, path)
    assert expected in str(caught.value)
    assert "hush" not in str(caught.value)


def test_unreadable_toml(tmp_path: Path) -> None:
    """A directory, or no text, in the file's place is an error and not an absent file."""
    with pytest.raises(UsageError, match="cannot be read: is a directory"):
        resolve({}, {}, tmp_path)
    (tmp_path / "sternpost.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        resolve({}, {}, tmp_path / "sternpost.toml")


@given(name=st.sampled_from([setting.name for setting in SETTINGS]), value=st.text(max_size=12))
def test_any_text(name: str, value: str) -> None:
    """Any text for any setting gives settings or a UsageError."""
    try:
        resolve({name: value}, {}, NOWHERE)
    except UsageError as error:
        assert f"--{name}" in str(error)


def test_the_list_is_the_type() -> None:
    """Every setting has its field and the other way round."""
    assert [setting.field for setting in SETTINGS] == [field.name for field in dataclasses.fields(Settings)]


def test_store_password_is_not_shown() -> None:
    """The store's address may hold a password; settings are logged."""
    assert "hush" not in repr(resolve({"store": "postgresql://u:hush@h/d"}, {}, NOWHERE))


def test_every_setting_is_documented() -> None:
    """The reference page has one row for each setting: flag, variable, default, help."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `--")]
    assert rows == [
        f"| `{setting.flag}` | `{setting.variable}` | {_default(setting.default)} | {setting.help} |"
        for setting in SETTINGS
    ]


def _default(value: Any) -> str:
    if value is False:
        return "off"
    return "–" if value == "" else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def test_alert_webhook(tmp_path: Path) -> None:
    """An address, or a file that holds one; what is wrong is named without the address, and it never shows."""
    (tmp_path / "hook").write_text("https://chat.example/hooks/s3cr3t\n")
    found = resolve({"alert-webhook": f"file:{tmp_path}/hook"}, {}, NOWHERE)
    assert found.alert_webhook == "https://chat.example/hooks/s3cr3t"
    assert "s3cr3t" not in repr(found)
    for wrong in ("ftp://chat.example/s3cr3t", "s3cr3t", f"file:{tmp_path}/s3cr3t"):
        with pytest.raises(UsageError, match="--alert-webhook: the address") as error:
            resolve({"alert-webhook": wrong}, {}, NOWHERE)
        assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize("wrong", ["-0.1", "1.5", "half", "nan", True])
def test_trace_share(wrong: Any) -> None:
    assert resolve({"trace-share": "1"}, {}, NOWHERE).trace_share == 1.0
    with pytest.raises(UsageError, match="is not a share"):
        resolve({"trace-share": wrong}, {}, NOWHERE)
