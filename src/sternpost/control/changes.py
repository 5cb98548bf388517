"""Changes of one source, destination or connection, through the whole workspace: validated, numbered, and never over another's change.

A resource is an entry of the document. Its tag is `"REVISION-HASH"`: the hash is of the entry alone, so that two people may change
different things at the same time; the revision says what they had read, so that the second can be told what the first changed.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from starlette.requests import Request

from sternpost.control import audit, fate
from sternpost.control.answers import Answered, ApiError
from sternpost.control.auth import PRINCIPAL, Principal, allows
from sternpost.control.context import Context
from sternpost.control.routes.common import flag_of, no_such, warnings, warnings_of
from sternpost.errors import WorkspaceError
from sternpost.limits import PAGE_ROWS_MAX
from sternpost.model import Workspace
from sternpost.workspace.stored import refers

Kind: TypeAlias = Literal["source", "destination", "connection"]
Document: TypeAlias = dict[str, Any]
Entry: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[str, ...]  #: kind and key of an entry, then the names of members

LISTS: Mapping[Kind, str] = {
    "source": "sources",
    "destination": "destinations",
    "connection": "connections",
}
ENTRIES_MAX = 1_000  #: of each list: the document stays below the 1 MB of a request
ID_TRIES_MAX = 1_000

_TAG = re.compile(r'(?:W/)?"(\d{1,18})-([0-9a-f]{16})"')


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was made, or, dry, would be."""

    lines: list[str]  #: what changes, a line each
    workspace: Workspace  #: in force afterwards
    dry: bool


def key_of(kind: Kind, entry: Mapping[str, Any]) -> str:
    """What an entry is called in addresses and in lines of a difference."""
    if kind == "connection":
        return f"{entry.get('source')} → {entry.get('destination')}"
    return str(entry.get("id"))


def find(document: Mapping[str, Any], kind: Kind, key: str) -> Entry | None:
    """The entry of that key."""
    for entry in document.get(LISTS[kind]) or []:
        if key_of(kind, entry) == key:
            found: Entry = entry
            return found
    return None


def known(context: Context, kind: Kind, key: str) -> Entry:
    """The entry in force. Raises ApiError (404)."""
    document = context.workspaces.document
    entry = find(document, kind, key)
    if entry is None:
        keys = {key_of(kind, one): one for one in document.get(LISTS[kind]) or []}
        raise no_such(kind, key, keys)
    return entry


def tag(context: Context, entry: Mapping[str, Any]) -> str:
    """The ETag of an entry in force."""
    return f'"{context.workspaces.current.revision}-{_hash(entry)}"'


def tags(context: Context, kind: Kind) -> dict[str, str]:
    """The ETags of all entries of a kind, by key."""
    return {
        key_of(kind, entry): tag(context, entry)
        for entry in context.workspaces.document.get(LISTS[kind]) or []
    }


def merged(entry: Mapping[str, Any], patch: Mapping[str, Any]) -> Entry:
    """An entry with the members of a patch (RFC 7396): objects are merged, null removes, everything else replaces."""
    result = dict(entry)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            before = result.get(name)
            result[name] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[name] = value
    return result


def free_id(document: Mapping[str, Any], kind: Kind, name: str) -> str:
    """An id made of a name that no other entry has."""
    taken = {key_of(kind, entry) for entry in document.get(LISTS[kind]) or []}
    taken.add("new")  # the console has its forms there
    slug = re.sub(r"[^a-z0-9_-]+", "-", name.lower())[:48].strip("-_") or kind
    tries = (slug, *(f"{slug}-{number}" for number in range(2, ID_TRIES_MAX)))
    return next(one for one in tries if one not in taken)


def added(document: Mapping[str, Any], kind: Kind, entry: Entry) -> Document:
    """The document with one more entry. Raises ApiError when there is no room for it, or it is there already."""
    changed = copy.deepcopy(dict(document))
    entries = changed.setdefault(LISTS[kind], [])
    if len(entries) >= ENTRIES_MAX:
        raise ApiError(
            409, f"There are {ENTRIES_MAX} {LISTS[kind]} already.", "Remove what is no longer used."
        )
    if find(changed, kind, key_of(kind, entry)) is not None:
        raise ApiError(
            409,
            f'There is a {kind} "{key_of(kind, entry)}" already.',
            "Change that one, or choose another id.",
        )
    entries.append(entry)
    return changed


def replaced(document: Mapping[str, Any], kind: Kind, key: str, entry: Entry) -> Document:
    """The document with another entry in the place of one."""
    changed = copy.deepcopy(dict(document))
    entries = changed[LISTS[kind]]
    entries[_place(entries, kind, key)] = entry
    return changed


def removed(document: Mapping[str, Any], kind: Kind, key: str) -> Document:
    """The document without an entry and the connections that it had."""
    changed = copy.deepcopy(dict(document))
    entries = changed[LISTS[kind]]
    del entries[_place(entries, kind, key)]
    if kind != "connection":
        changed["connections"] = [one for one in changed.get("connections") or [] if one[kind] != key]
    return changed


async def change(
    context: Context,
    request: Request,
    make: Callable[[Document], Document],
    *,
    kind: Kind,
    key: str | None,
    match: Literal["needed", "if given", "none"] = "needed",
    note: str = "",
) -> Change:
    """Bring what `make` makes of the document into force; with ?dryRun=1 only say what that would change.

    Raises ApiError: 404 for an unknown key, 409 when a workspace file is the truth, 412 when If-Match names an earlier state, 428 when
    it is needed and missing, 422 with each problem's field.
    """
    writable(context)
    dry = flag_of(request, "dryRun")
    async with context.applying:
        if key is not None:
            known(context, kind, key)
            await _matches(context, request, kind, key, "if given" if dry and match == "needed" else match)
        document = make(context.workspaces.document)
        lines, workspace = previewed(context, request, document, kind, key)
        if not dry and lines:
            subject = key or key_of(kind, document[LISTS[kind]][-1])
            audit.intend(request, f"{kind} {subject}", changes=lines)
            workspace = await context.workspaces.apply(document, author=author_of(request), note=note)
            audit.note(request, f"{kind} {subject}", changes=lines)
        else:
            audit.nothing_changed(request)
    return Change(lines, workspace, dry)


def previewed(
    context: Context, request: Request, document: Document, kind: Kind, key: str | None
) -> tuple[list[str], Workspace]:
    """What a document would change, and what it would be. Raises WorkspaceError, with paths that begin at the resource."""
    _own_references(context, request, document)
    own_addresses(context, request, document)
    try:
        return context.workspaces.preview(document)
    except WorkspaceError as error:
        raise _within(error, document, kind, key) from None


def writable(context: Context) -> None:
    """Raises ApiError (409) with the name of the workspace file when that is the truth."""
    path = context.workspaces.path
    if path is not None:
        raise ApiError(
            409,
            f"The workspace comes from the file {path}.",
            "Change that file; the server applies it by itself.",
            file=str(path),
        )


def author_of(request: Request) -> str:
    """Who asks, for the revisions: a person's or a token's name."""
    who: Principal = request.scope[PRINCIPAL]
    return who.name


def made(context: Context, change: Change, name: str, value: Any, entry_tag: str, *, status: int) -> Answered:
    """The answer about a resource after a change."""
    facts = warnings_of(context, change.workspace) if change.dry else warnings(context)
    body = {
        name: value,
        "changes": change.lines,
        "warnings": facts,
        "dryRun": change.dry,
        "revision": context.workspaces.current.revision,
    }
    if change.dry:
        return Answered(body)
    return Answered(body, status, {"etag": entry_tag})


def _own_references(context: Context, request: Request, document: Document) -> None:
    """Only an owner may name a variable or file of the server where it is not named yet: sent to an address of one's own, it would be read."""
    if allows(request.scope[PRINCIPAL].role, "owner"):
        return
    new = _references(document) - _references(context.workspaces.document)
    if new:
        raise ApiError(
            403,
            f"Only an owner may refer to {min(text for _, text in new)[:100]}.",
            "Enter the secret itself, or ask an owner to set the reference.",
        )


def own_addresses(context: Context, request: Request, document: Mapping[str, Any]) -> None:
    """Only an owner may have secrets that are kept sent to another address: to one of one's own, they would be read there.

    And who may not see personal data may have no events sent where they are not sent now. Raises ApiError (403).
    """
    who: Principal = request.scope[PRINCIPAL]
    if not who.personal_data and context.workspaces.elsewhere(document):
        raise ApiError(
            403,
            "Who may not see personal data cannot decide where it is sent: no new destination, address or key.",
            "Ask an owner.",
        )
    if allows(who.role, "owner"):
        return
    for identifier in context.workspaces.redirected(document):
        raise ApiError(
            403,
            f"Only an owner may send the secrets that {identifier} keeps to another address.",
            "Enter its secrets again together with the address, or ask an owner.",
        )


def _references(document: Mapping[str, Any]) -> set[tuple[Place, str]]:
    """Each reference with the entry and the members in which it stands."""
    return {
        found
        for kind, name in LISTS.items()
        for entry in document.get(name) or []
        for found in _references_in(entry, (kind, key_of(kind, entry)))
    }


def _references_in(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str) and refers(value):
        yield place, value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _references_in(member, (*place, name))
    elif isinstance(value, list):
        for member in value:
            yield from _references_in(member, place)


def _place(entries: list[Entry], kind: Kind, key: str) -> int:
    return next(index for index, entry in enumerate(entries) if key_of(kind, entry) == key)


def _hash(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:16]


async def _matches(context: Context, request: Request, kind: Kind, key: str, match: str) -> None:
    given = request.headers.get("if-match", "").strip()
    if match == "none" or given == "*":
        return
    entry = known(context, kind, key)
    if not given:
        if match == "if given":
            return
        raise ApiError(
            428,
            "The request does not say which state it was made from.",
            "Read it first, and send the ETag of that answer as If-Match; * means whatever it is now.",
        )
    read = _TAG.fullmatch(given)
    if read is None:
        raise ApiError(
            400, "If-Match holds no ETag of ours.", "Send the ETag as it was answered, quotes included."
        )
    if read[2] == _hash(entry):
        return
    raise await _changed(context, kind, key, entry, int(read[1]))


async def _changed(context: Context, kind: Kind, key: str, entry: Entry, read: int) -> ApiError:
    """412: who changed what since the revision that was read, as far as it is kept."""
    old = await context.workspaces.revision(read)
    before = find(old, kind, key) if old is not None else None
    changes = []
    if before is not None:
        name = LISTS[kind]
        changes = context.workspaces.difference({name: [before]}, {name: [entry]})
    by, at = "", None
    for one in await context.facts.workspace_revisions(before=None, limit=PAGE_ROWS_MAX):
        if one.number <= read:
            break
        if any(re.match(rf"[-+~] {kind} {re.escape(key)}(:|$)", line) for line in one.changes):
            by, at = one.author, fate.when(one.at)
            break
    return ApiError(
        412,
        f"{by or 'Somebody'} changed this {kind} meanwhile{f', at {at}' if at else ''}; nothing was written over.",
        "Look at the difference, and apply your change to what it is now.",
        etag=tag(context, entry),
        changedBy=by,
        changedAt=at,
        changes=changes,
    )


def _within(error: WorkspaceError, document: Document, kind: Kind, key: str | None) -> WorkspaceError:
    """The problems with paths that begin at the resource; others keep the path in the document."""
    entries = document.get(LISTS[kind]) or []
    index = len(entries) - 1
    if key is not None and find(document, kind, key) is not None:
        index = _place(entries, kind, key)
    beginning = f"{LISTS[kind]}[{index}]."
    problems = [replace(one, path=one.path.removeprefix(beginning)) for one in error.problems]
    return WorkspaceError(problems, error.file)
