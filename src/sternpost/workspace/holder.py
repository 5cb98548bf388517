"""The workspace in force: one frozen snapshot, from a file that is the truth or from the store, replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from sternpost.destinations.base import Destination
from sternpost.errors import Problem, WorkspaceError
from sternpost.model import Workspace
from sternpost.workspace import file as workspace_file
from sternpost.workspace import stored
from sternpost.workspace.document import parse
from sternpost.workspace.secrets import SecretKey, unseal

WRITE_KEY_PREFIX = "write-key:"  #: where generated write keys are kept, by source id
LAST_SET_PREFIX = "secret-set:"  #: since when a secret is what it is and who set it, by `SecretState.name`


class Keeper(Protocol):
    """Where revisions and generated write keys are kept (the store)."""

    async def save_workspace(
        self, document: bytes, *, now: float, author: str = "", note: str = "", changes: Sequence[str] = ()
    ) -> int: ...
    async def load_workspace(self) -> tuple[int, bytes] | None: ...
    async def workspace_revision(self, number: int) -> tuple[Any, bytes] | None: ...
    async def remember(self, values: Mapping[str, str]) -> None: ...
    async def remembered(self, prefix: str) -> dict[str, str]: ...


class WorkspaceHolder:
    """Holds the snapshot and brings new ones into force."""

    def __init__(
        self,
        *,
        destinations: Mapping[str, Destination],
        keeper: Keeper,
        key: SecretKey,
        env: Mapping[str, str],
        clock: Callable[[], float],
        path: Path | None,
    ) -> None:
        """`path`: the workspace file that is the truth; None = the store is."""
        self._destinations = destinations
        self._keeper = keeper
        self._key = key
        self._env = env
        self._clock = clock
        self.path = path
        self.current = Workspace()
        self.document: dict[str, Any] = {}  #: as it was written; secrets are references or sealed
        self.problem: WorkspaceError | None = None  #: why the newest version of the file is not in force
        self.on_change: Callable[[], Awaitable[None]] | None = None
        self._generated: dict[str, str] = {}

    async def start(self, first: Mapping[str, Any]) -> bool:
        """Load the workspace; `first` becomes the stored one when there is none. True when that was so. Raises WorkspaceError."""
        remembered = await self._keeper.remembered(WRITE_KEY_PREFIX)
        self._generated = {name.removeprefix(WRITE_KEY_PREFIX): value for name, value in remembered.items()}
        if self.path is not None:
            workspace = self.read_file()
            await self._use(workspace, workspace_file.load_document(self.path).data)
            return False
        kept = await self._keeper.load_workspace()
        if kept is None:
            await self._save(first)
            return True
        revision, content = kept
        document = json.loads(content)
        await self._use(self._parse(document, revision=revision, required=False), document)
        return False

    def read_file(self) -> Workspace:
        """The workspace file as it is now. Raises WorkspaceError."""
        assert self.path is not None
        return workspace_file.load(
            self.path,
            destinations=self._destinations,
            env=self._env,
            generated=self._generated,
            new_write_key=workspace_file.new_write_key,
            revision=self.current.revision + 1,
        )

    async def file_changed(self, found: Workspace | WorkspaceError) -> None:
        """Bring a new version of the file into force; an invalid one changes nothing and is kept as `problem`."""
        if isinstance(found, WorkspaceError):
            self.problem = found
            return
        assert self.path is not None
        await self._use(found, workspace_file.load_document(self.path).data)

    async def apply(
        self, document: Mapping[str, Any], *, author: str = "", note: str = "", secrets_required: bool = False
    ) -> Workspace:
        """Save a document as the new revision and bring it into force. Raises WorkspaceError; then nothing changed.

        `author` is who did it, `note` how, when a reader of the revisions would ask. `secrets_required`: every secret of it must be
        there, as for a workspace file; else a destination without its secret is blocked and says why.
        """
        self._writable()
        await self._save(document, author=author, note=note, secrets_required=secrets_required)
        return self.current

    async def restore(self, number: int, *, author: str = "") -> Workspace | None:
        """Bring an earlier revision into force again, as a new one. None when it is not kept. Raises WorkspaceError."""
        self._writable()
        document = await self.revision(number)
        if document is None:
            return None
        await self._keep(document, author=author, note=f"Back to revision {number}")
        return self.current

    async def revision(self, number: int) -> dict[str, Any] | None:
        """The document of a revision, secrets sealed; None when it is not kept."""
        kept = await self._keeper.workspace_revision(number)
        return json.loads(kept[1]) if kept is not None else None

    def diff(self, document: Mapping[str, Any]) -> list[str]:
        """What applying the document would change, without secrets. Raises WorkspaceError for an invalid one."""
        return self.preview(document)[0]

    def preview(
        self, document: Mapping[str, Any], *, secrets_required: bool = False
    ) -> tuple[list[str], Workspace]:
        """What applying the document would change, and what it would be. Raises WorkspaceError for an invalid one, as `apply`."""
        sealed = stored.seal_document(document, self._destinations, self._key, previous=self.document)
        workspace = self._parse(sealed, revision=0, required=secrets_required, forget=True)
        return stored.diff(self.document, sealed, self._destinations, key=self._key), workspace

    def difference(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
        """What changes from one stored document to another, a line each, without secrets."""
        return stored.diff(old, new, self._destinations, key=self._key)

    def redirected(self, document: Mapping[str, Any]) -> list[str]:
        """Destinations that the document would have send secrets they keep to another address."""
        return stored.redirected(self.document, document, self._destinations)

    def elsewhere(self, document: Mapping[str, Any]) -> list[str]:
        """Destinations by which the document would have events sent where they are not sent now."""
        return stored.elsewhere(self.document, document, self._destinations, self._key)

    def masked(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A stored document with secrets masked."""
        return stored.masked(document, self._destinations)

    async def secrets(self, destination_id: str) -> list[dict[str, Any]]:
        """What may be said about the secrets of a destination: path, reference, endsIn, since (unix seconds), by."""
        known = await self._keeper.remembered(f"{LAST_SET_PREFIX}{destination_id}/")
        found = []
        for state in stored.secret_states(self.document, destination_id, self._destinations, self._key):
            set_at = json.loads(known.get(LAST_SET_PREFIX + state.name, "{}"))
            found.append(
                {
                    "path": state.path,
                    "reference": state.reference,
                    "endsIn": state.ends_in,
                    "since": set_at.get("at"),
                    "by": set_at.get("by", ""),
                }
            )
        return found

    def changes_since(self, document: Mapping[str, Any]) -> list[str]:
        """What differs between an earlier document and the one in force, without secrets."""
        return stored.diff(document, self.document, self._destinations, key=self._key)

    def shown(self) -> dict[str, Any]:
        """The document with secrets masked."""
        return stored.masked(self.document, self._destinations)

    def _writable(self) -> None:
        if self.path is not None:
            raise WorkspaceError(
                [
                    Problem(
                        "",
                        f"The workspace comes from {self.path}.",
                        "Change that file; the server applies it by itself.",
                    )
                ]
            )

    async def _save(
        self, document: Mapping[str, Any], *, author: str = "", note: str = "", secrets_required: bool = False
    ) -> None:
        sealed = stored.seal_document(document, self._destinations, self._key, previous=self.document)
        await self._keep(sealed, author=author, note=note, secrets_required=secrets_required)

    async def _keep(
        self, sealed: dict[str, Any], *, author: str, note: str, secrets_required: bool = False
    ) -> None:
        # Checked before it is kept: a workspace that is not valid changes nothing.
        self._parse(sealed, revision=0, required=secrets_required)
        now = self._clock()
        changes = stored.diff(self.document, sealed, self._destinations, key=self._key)
        revision = await self._keeper.save_workspace(
            json.dumps(sealed).encode(), now=now, author=author, note=note, changes=changes
        )
        said = json.dumps({"at": now, "by": author})
        names = stored.changed_secrets(self.document, sealed, self._destinations)
        await self._keeper.remember({LAST_SET_PREFIX + name: said for name in names})
        await self._use(self._parse(sealed, revision=revision, required=False), sealed)

    def _parse(
        self, document: Mapping[str, Any], *, revision: int, required: bool, forget: bool = False
    ) -> Workspace:
        # A document that is only looked at leaves no write key behind.
        generated: MutableMapping[str, str] = dict(self._generated) if forget else self._generated
        return parse(
            document,
            destinations=self._destinations,
            env=self._env,
            read_file=workspace_file.secret_files(
                workspace_file.SECRET_FOLDER, only=(workspace_file.SECRET_FOLDER,)
            ),
            unseal=lambda text: unseal(text, self._key),
            generated=generated,
            new_write_key=workspace_file.new_write_key,
            secrets_required=required,
            by_server=True,
            revision=revision,
        )

    async def _use(self, workspace: Workspace, document: dict[str, Any]) -> None:
        await self._keeper.remember(
            {WRITE_KEY_PREFIX + source: key for source, key in self._generated.items()}
        )
        self.problem = None
        unchanged = replace(workspace, revision=self.current.revision) == self.current
        self.document = document
        if unchanged:
            return
        self.current = workspace
        if self.on_change is not None:
            await self.on_change()
