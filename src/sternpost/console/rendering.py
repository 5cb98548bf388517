"""How data becomes a page: the templates and what they may call, the files beside them, and the same data as JSON."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from sternpost.console import words
from sternpost.console.guard import MOUNT
from sternpost.console.inside import part
from sternpost.console.pages.common import SPANS
from sternpost.notes import NOTES
from sternpost.reasons import REASONS

_HERE = Path(__file__).parent
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_CODE = re.compile(r"`([^`]+)`")


class StaticFile:
    """A file that pages refer to; its version stands in its address."""

    def __init__(self, path: Path) -> None:
        self.body = path.read_bytes()
        self.kind = _KINDS[path.suffix]
        self.version = hashlib.sha256(self.body).hexdigest()[:12]


def static_files() -> dict[str, StaticFile]:
    """All of them by name."""
    return {path.name: StaticFile(path) for path in sorted((_HERE / "static").iterdir())}


def environment(files: Mapping[str, StaticFile]) -> jinja2.Environment:
    """The one environment of all templates: escaping always on, a name that does not exist is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=words.number,
        size=words.size,
        duration=words.seconds,
        part=part,
        shell=shlex.quote,
        filter_value=words.filter_value,
        pretty=words.pretty,
        pretty_text=words.pretty_text,
        as_curl=words.curl,
        variables=words.variables,
        prose=prose,
        sentences=words.sentences,
    )
    made.globals.update(
        MARKS=words.MARKS,
        WHO=words.WHO,
        SPANS=SPANS,
        REASONS=REASONS,
        NOTES=NOTES,
        person=words.person,
        asset=lambda name: f"{MOUNT}/static/{name}?v={files[name].version}",
        row_key=row_key,
    )
    return made


def prose(text: str) -> Markup:
    """A sentence of ours: its moments are shown in the reader's zone, and what stands between backticks as code."""
    told = _MOMENT.sub(r'<time datetime="\g<0>">\g<0></time>', str(escape(text)))
    return Markup(_CODE.sub(r"<code>\1</code>", told))  # noqa: S704 - escaped just before


def row_key(entry: Mapping[str, Any]) -> str:
    """The same for all rows of one event."""
    return hashlib.sha256(f"{entry['source']}\n{entry['messageId']}".encode("utf-8", "replace")).hexdigest()[
        :20
    ]


def plain(value: Any) -> Any:
    """Data as JSON can say it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(member) for member in value]
    return value
