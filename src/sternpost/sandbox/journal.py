"""What makes the sandbox survive `kill -9`: a snapshot, and beside it a journal of the requests since.

`FILE` holds the snapshot (one JSON document), `FILE.journal` one line for each request that changed something, written
with write(2) before the request is answered. There is no fsync: the kernel keeps what was written when a process dies;
a power cut may lose the last seconds. A start reads the snapshot and handles the journalled requests again, which
gives the same state because handling is pure.

Every start folds the journal into a new snapshot, so that a journal is always read under the switches and the region it was
written under. A snapshot and its journal carry the same generation; a journal of an earlier generation is already in the snapshot
(the process died between the two steps of folding it in) and is ignored. A last line without its end was never
answered: it is cut off, and said. A damaged line before the last one is not the work of a crash, and refused.
"""

from __future__ import annotations

import base64
import fcntl
import os
from pathlib import Path
from typing import Any

import msgspec

from sternpost.sandbox.limits import JOURNAL_BYTES_MAX
from sternpost.sandbox.model import Diagnostic, Event, Request
from sternpost.sandbox.state import Kept, State

#: Headers that handling looks at; no others need to be kept.
_HEADERS = (
    b"host",
    b"user-agent",
    b"content-type",
    b"x-pendo-integration-key",
    b"x-pendo-track-event-secret",
    b"x-pendo-base64-encoded-params",
)
VERSION = 1


class Snapshot(msgspec.Struct):
    """The content of the state file."""

    version: int
    generation: int
    region: str
    base_switches: dict[str, Any]  #: those given at the start; a reset in the journal goes back to them
    kept: Kept
    events: list[Event]
    diagnostics: list[Diagnostic]


class Entry(msgspec.Struct, array_like=True):
    """One line of the journal: a request, with the machine's time (the sandbox's own follows from the state)."""

    wall_ms: int
    id: int
    method: str
    path: str
    raw_path: str
    query: str
    headers: dict[str, str]
    body: str
    body_base64: bool


_encode = msgspec.json.Encoder().encode
_decode_entry = msgspec.json.Decoder(Entry).decode


class Journal:
    """The open state file of one sandbox. Only one process may have it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self.size = 0
        #: What was cut off at the last start, as a sentence; empty when nothing was.
        self.torn = ""
        if path.is_dir():
            raise ValueError(f"The state file {path} cannot be opened: it is a directory.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(
                path.with_name(path.name + ".journal"), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600
            )
        except OSError as error:
            raise ValueError(f"The state file {path} cannot be opened: {error.strerror}.") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise ValueError(f"The state file {path} is in use by another sandbox.") from None

    def read(self, region: str) -> tuple[Snapshot | None, list[Entry]]:
        """The snapshot and the requests since; raises ValueError when they cannot be used."""
        snapshot = self._read_snapshot(region)
        self.generation = snapshot.generation if snapshot else 0
        raw = self._read_journal()
        if not raw:
            self._restart()
            return snapshot, []
        header, *lines = raw.split(b"\n")
        try:
            generation = msgspec.json.decode(header, type=int)
        except msgspec.MsgspecError:
            raise ValueError(
                f"The journal of {self.path} does not begin with its generation; move it away to start anew."
            ) from None
        if generation < self.generation:
            self._restart()
            return snapshot, []
        if generation > self.generation:
            raise ValueError(
                f"The journal of {self.path} is newer than the state file; the two do not belong together."
            )
        return snapshot, self._entries(lines)

    def _read_snapshot(self, region: str) -> Snapshot | None:
        try:
            snapshot = msgspec.json.decode(self.path.read_bytes(), type=Snapshot)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(f"The state file {self.path} cannot be read: {error}.") from None
        if snapshot.version != VERSION:
            raise ValueError(f"The state file {self.path} was written by another version of Sternpost.")
        if snapshot.region != region:
            raise ValueError(
                f"The state file {self.path} is of region {snapshot.region}, and the sandbox was started for {region}."
            )
        return snapshot

    def _read_journal(self) -> bytes:
        """The whole journal with complete lines only; a torn last line is cut off in the file, too."""
        self.size = os.fstat(self._file).st_size
        raw = os.pread(self._file, self.size, 0) if self.size else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) != len(raw):
            self.torn = f"The last line of the journal was torn ({len(raw) - len(whole)} bytes) and was cut off; its request had not been answered."
            os.ftruncate(self._file, len(whole))
            self.size = len(whole)
        return whole

    def _entries(self, lines: list[bytes]) -> list[Entry]:
        entries = []
        for number, line in enumerate(lines, 2):
            if line:
                try:
                    entries.append(_decode_entry(line))
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    raise ValueError(
                        f"Line {number} of the journal of {self.path} is damaged; move the files away to start anew."
                    ) from None
        return entries

    def append(self, request: Request, wall_ms: int) -> None:
        """Write a request; when this returns, a crash of the process loses nothing of it."""
        encoded = False
        try:
            body = request.body.decode()
        except UnicodeDecodeError:
            body, encoded = base64.b64encode(request.body).decode(), True
        headers = {
            name.decode(): value.decode("latin-1")
            for name in _HEADERS
            if (value := request.headers.get(name)) is not None
        }
        entry = Entry(
            wall_ms,
            request.id,
            request.method,
            request.path,
            request.raw_path,
            request.query,
            headers,
            body,
            encoded,
        )
        line = _encode(entry) + b"\n"
        written = os.write(self._file, line)
        while written < len(line):
            written += os.write(self._file, line[written:])
        self.size += len(line)

    def fold_if_large(self, state: State) -> None:
        """Fold the journal into a snapshot once it is larger than its bound."""
        if self.size > JOURNAL_BYTES_MAX:
            self.fold(state)

    def fold(self, state: State) -> None:
        """Write a snapshot and begin a new journal. The rename is the one moment at which the snapshot becomes true."""
        self.generation += 1
        snapshot = Snapshot(
            VERSION,
            self.generation,
            state.region,
            state.base_switches,
            state.kept,
            list(state.events),
            list(state.diagnostics),
        )
        temporary = self.path.with_name(self.path.name + ".new")
        temporary.write_bytes(_encode(snapshot))
        temporary.chmod(0o600)
        temporary.replace(self.path)
        self._restart()

    def _restart(self) -> None:
        os.ftruncate(self._file, 0)
        header = b"%d\n" % self.generation
        os.write(self._file, header)
        self.size = len(header)

    def close(self) -> None:
        """Let another process have the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def request_of(entry: Entry, at_ms: int) -> Request:
    """The request of a journal line, to be handled again."""
    body = base64.b64decode(entry.body) if entry.body_base64 else entry.body.encode()
    headers: dict[bytes, Any] = {
        name.encode(): value.encode("latin-1") for name, value in entry.headers.items()
    }
    return Request(entry.id, at_ms, entry.method, entry.path, entry.raw_path, entry.query, headers, body)
