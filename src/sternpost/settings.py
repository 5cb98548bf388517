"""The settings of the process: one list, three places to set them.

A flag (`--data-dir`) wins over the environment (`STERNPOST_DATA_DIR`), that over `sternpost.toml` in the working directory
(`data-dir = "…"`), that over the default. What is set wrongly is named with the place it came from, and nothing starts.

Secrets are no settings: the API token and the key of stored secrets have places of their own (`access.py`), so that no file or
command line has to hold them.
"""

from __future__ import annotations

import ipaddress
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args
from urllib.parse import urlsplit

from sternpost import limits
from sternpost.errors import UsageError
from sternpost.proxies import Network
from sternpost.workspace.hints import either, near_miss

Kind: TypeAlias = Literal[
    "text",
    "port",
    "path",
    "days",
    "hours",
    "bytes",
    "networks",
    "roles",
    "switch",
    "level",
    "format",
    "address",
    "share",
]
Role: TypeAlias = Literal["gateway", "worker", "console"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
LogFormat: TypeAlias = Literal["auto", "text", "json"]

ROLES: tuple[Role, ...] = get_args(Role)
TOML_BYTES_MAX = 64 * 1024  #: some thirty lines are expected
DAYS_MAX = 3_650  #: ten years; more is a typing mistake
ADDRESS_CHARS_MAX = 2_000  #: of an address; chat tools need some hundred
BYTES_MIN = 1_000_000  #: less would not hold one batch of the largest size and its index


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: the only source for flags, environment names, the file's keys and the reference page."""

    name: str  #: as in the file and, with two dashes before it, as flag
    default: Any  #: in the form in which people write it
    help: str
    kind: Kind
    example: str = ""

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        return f"STERNPOST_{self.field.upper()}"

    @property
    def field(self) -> str:
        """Its name in `Settings`."""
        return self.name.replace("-", "_")


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "host",
        "127.0.0.1",
        "Address to listen on. 127.0.0.1 is reached from this machine only; 0.0.0.0 from everywhere.",
        "text",
    ),
    Setting("port", 8080, "Port to listen on; 0 takes a free one.", "port"),
    Setting(
        "data-dir",
        "./sternpost-data",
        "Directory of the store, the keys and the lock. Created with mode 0700.",
        "path",
    ),
    Setting(
        "workspace",
        "",
        "Workspace file (YAML). Without one, the workspace lives in the store and is edited in the console or by the API.",
        "path",
        "workspace.yaml",
    ),
    Setting(
        "store",
        "",
        "Address of the store. Empty: SQLite in the data directory.",
        "text",
        "postgresql://sternpost@db/sternpost",
    ),
    Setting("roles", "gateway,worker,console", "What this process does, separated by commas.", "roles"),
    Setting(
        "retention-days",
        limits.RETENTION_DAYS,
        "Events that are done are kept so long, for replay, dedup and audit. What still waits is always kept.",
        "days",
    ),
    Setting(
        "bytes-max",
        "10GB",
        "Space for kept events: 10GB, 500MB, 2GiB or a number of bytes. Above it the oldest that are done go first.",
        "bytes",
    ),
    Setting(
        "give-up-hours",
        limits.RETRY_MAX_AGE_H,
        "An event that is retried becomes a dead letter so long after its first try.",
        "hours",
    ),
    Setting(
        "allow-private-hosts",
        "",
        "Private networks that destinations may point to, separated by commas.",
        "networks",
        "10.0.0.0/8,192.168.7.20",
    ),
    Setting(
        "trusted-proxies",
        "",
        "Networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
        "networks",
        "127.0.0.1,10.0.0.0/24",
    ),
    Setting(
        "alert-webhook",
        "",
        "Where to tell of what needs a person, as JSON with a text. An address that holds a secret is better given as file:PATH.",
        "address",
        "file:/run/secrets/alert-webhook",
    ),
    Setting(
        "otlp-endpoint",
        "",
        'OpenTelemetry collector that takes traces over HTTP. Needs pip install "sternpost[otel]".',
        "address",
        "http://127.0.0.1:4318",
    ),
    Setting("trace-share", 0.01, "Share of the events that are traced, from 0 to 1.", "share"),
    Setting("no-open", False, "Do not open the browser at the first start.", "switch"),
    Setting("sandbox-port", 8090, "Port of the Pendo sandbox (sternpost demo, sternpost sandbox).", "port"),
    Setting("log-level", "info", "How much is logged: debug, info, warning or error.", "level"),
    Setting(
        "log-format",
        "auto",
        "text, json, or auto: text on a terminal and JSON otherwise.",
        "format",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force."""

    host: str
    port: int
    data_dir: Path
    workspace: Path | None
    store: str = field(repr=False)  #: "" = SQLite in data_dir; may hold a password, hence not in repr
    roles: tuple[Role, ...]
    retention_days: float
    bytes_max: int
    give_up_hours: float
    allow_private_hosts: tuple[Network, ...]
    trusted_proxies: tuple[Network, ...]
    alert_webhook: str = field(repr=False)  #: "" = nobody is told; chat tools put a secret into the address
    otlp_endpoint: str = field(repr=False)  #: "" = no traces
    trace_share: float  #: 0 to 1
    no_open: bool
    sandbox_port: int
    log_level: LogLevel
    log_format: LogFormat


def resolve(
    flags: Mapping[str, Any],
    env: Mapping[str, str],
    toml_path: Path,
    *,
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings in force. Raises UsageError with one sentence that names the place of the mistake.

    `flags` are by name, with dashes or underscores; None, and False for a switch, mean that a flag was not given. Empty variables count
    as not set. `defaults` replace those of the list, for commands with other ones (`sternpost demo` and its data directory).
    """
    given = {name.replace("_", "-"): value for name, value in flags.items()}
    file = _read_toml(toml_path)
    other = {name.replace("_", "-"): value for name, value in (defaults or {}).items()}
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        flag = given.get(setting.name)
        if flag is not None and not (setting.kind == "switch" and flag is False):
            place, value = setting.flag, flag
        elif env.get(setting.variable):
            place, value = setting.variable, env[setting.variable]
        elif setting.name in file:
            place, value = f"{toml_path.name}, {setting.name}", file[setting.name]
        else:
            place, value = setting.name, other.get(setting.name, setting.default)
        try:
            values[setting.field] = _READ[setting.kind](value)
        except ValueError as error:
            shown = "the address" if setting.name == "store" or setting.kind == "address" else f'"{value}"'
            raise UsageError(f"{place}: {shown} {error}") from None
    return Settings(**values)


def read_bytes(value: Any) -> int:
    """A number of bytes: 10GB, 1.5 TB, 2GiB, or digits alone. Raises ValueError with the rest of a sentence."""
    if isinstance(value, int) and not isinstance(value, bool):
        count = value
    else:
        found = re.fullmatch(
            r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([kmgt]?)(i?)b?\s*", str(value), re.IGNORECASE
        )
        if not found or (found[3] and not found[2]):
            raise ValueError("is not a size. Write 10GB, 500MB or a number of bytes.")
        base = 1024 if found[3] else 1000
        count = int(float(found[1]) * base ** " kmgt".index(found[2].lower() or " "))
    if count < BYTES_MIN:
        raise ValueError("is too small. Give at least 1MB.")
    return count


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(TOML_BYTES_MAX + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(
            f"{path.name} cannot be read: {(error.strerror or 'unknown error').lower()}."
        ) from None
    if len(content) > TOML_BYTES_MAX:
        raise UsageError(f"{path.name} is larger than 64 kB. It holds settings only.")
    try:
        values = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        what = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8 text"
        raise UsageError(f"{path.name} is not valid TOML: {what}.") from None
    names = [setting.name for setting in SETTINGS]
    for name in values:
        if name not in names:
            meant = near_miss(name, names)
            hint = f'Did you mean "{meant}"?' if meant else f"There are {', '.join(names)}."
            raise UsageError(f'{path.name}: no setting "{name}". {hint}')
    return values


# --- kinds: each reads a value as a flag, the environment or the file gives it, and raises ValueError("is not …") --------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is not text. Put it in quotes.")  # noqa: TRY004 - one kind of error for all kinds of values
    return value.strip()


def _port(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65_535:
        raise ValueError("is not a port. Give a number from 0 to 65535.")
    return int(text)


def _path(value: Any) -> Path | None:
    text = str(value) if isinstance(value, Path) else _text(value)
    return Path(text) if text else None


def _amount(value: Any, unit: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    highest = DAYS_MAX * (24 if unit == "hours" else 1)
    if not 0 < number <= highest:
        raise ValueError(f"is not a number of {unit}. Give one above 0, at most {highest}.")
    return number


def _words(value: Any) -> list[str]:
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        words = list(value)
    elif isinstance(value, str):
        words = value.split(",")
    else:
        raise ValueError("is not a list. Separate the words by commas.")
    return [word.strip() for word in words if word.strip()]


def _roles(value: Any) -> tuple[Role, ...]:
    words = _words(value)
    if not words or not set(words) <= set(ROLES):
        raise ValueError(f"is not a list of roles. Use one or more of {', '.join(ROLES)}.")
    return tuple(role for role in ROLES if role in words)


def _networks(value: Any) -> tuple[Network, ...]:
    try:
        # 10.0.0.1/8 says clearly enough what is meant.
        return tuple(ipaddress.ip_network(word, strict=False) for word in _words(value))
    except ValueError:
        raise ValueError("is not a list of networks. Write them as 10.0.0.0/8,192.168.7.20.") from None


def _address(value: Any) -> str:
    text = _text(value)
    if text.startswith("file:"):
        try:
            text = Path(text.removeprefix("file:")).read_text()[: ADDRESS_CHARS_MAX + 1].strip()
        except (OSError, UnicodeDecodeError):
            raise ValueError("names a file that cannot be read.") from None
    parts = urlsplit(text)
    if text and (
        parts.scheme not in ("http", "https") or not parts.hostname or len(text) > ADDRESS_CHARS_MAX
    ):
        raise ValueError("is not an address. Give one that begins with https:// or http://, or file:PATH.")
    return text


def _share(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= 1:
        raise ValueError("is not a share. Give a number from 0 to 1, such as 0.01.")
    return number


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    text = str(value).strip().lower()
    if text not in known:
        raise ValueError("is neither true nor false.")
    return known[text]


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        text = str(value).strip().lower()
        if text not in choices:
            raise ValueError(f"is not known. Use {either(choices)}.")
        return text

    return read


_READ: Mapping[Kind, Callable[[Any], Any]] = {
    "text": _text,
    "port": _port,
    "path": _path,
    "days": lambda value: _amount(value, "days"),
    "hours": lambda value: _amount(value, "hours"),
    "bytes": read_bytes,
    "networks": _networks,
    "roles": _roles,
    "switch": _switch,
    "address": _address,
    "share": _share,
    "level": _one_of(cast("tuple[str, ...]", get_args(LogLevel))),
    "format": _one_of(cast("tuple[str, ...]", get_args(LogFormat))),
}
