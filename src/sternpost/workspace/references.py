"""What `${NAME}`, `file:PATH` and `sealed:…` in a document stand for. The environment, files and the key come in as arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sternpost.workspace.hints import either
from sternpost.workspace.secrets import SEALED_PREFIX, SecretUnreadable

CONTROL = re.compile(r"[\x00-\x1f\x7f]")  #: characters that stand in no name, address or header
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Unresolved(Exception):
    """A reference to a secret leads nowhere. Its message names the reference, never a value."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    @property
    def sentence(self) -> str:
        return f"{self.message} {self.remedy}"


class References:
    """Follows references to what they stand for."""

    def __init__(
        self,
        env: Mapping[str, str],
        read_file: Callable[[str], str] | None,
        unseal: Callable[[str], str] | None,
        *,
        by_server: bool,
    ) -> None:
        self._env = env
        self._read_file = read_file
        self._unseal = unseal
        self._by_server = by_server

    def refers(self, text: str) -> bool:
        return "${" in text or text.startswith(("file:", SEALED_PREFIX))

    def resolve(self, text: str) -> str:
        """The text that is meant, without white space around it. A text that refers to nothing is meant itself."""
        if text.startswith(SEALED_PREFIX):
            return self._sealed(text)
        if text.startswith("file:"):
            path = text.removeprefix("file:").strip()
            return _usable(self._file(path), path)
        if "${" not in text:
            return _usable(text, "The secret")
        names = _REFERENCE.findall(text)
        if not names or not all(_VARIABLE.fullmatch(name) for name in names):
            raise Unresolved(
                "What stands in ${…} is not the name of a variable.",
                "Write ${NAME} with letters, digits and _.",
            )
        return _usable(_REFERENCE.sub(self._variable, text), either(names))

    def _variable(self, found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("STERNPOST_"):
            # Otherwise whoever may edit a destination could send the server's own token to it.
            raise Unresolved(
                f"{name} belongs to the server itself.", "Use a variable whose name begins differently."
            )
        value = self._env.get(name, "")
        if not value and self._by_server:
            raise Unresolved(
                f"{name} is not set in the server's environment.",
                "Set it there and restart, or write the secret itself.",
            )
        if not value:
            raise Unresolved(f"{name} is not set.", "Set it, or use file:PATH.")
        return value

    def _file(self, path: str) -> str:
        if self._read_file is None:
            raise Unresolved("Files are not read here.", "Use ${NAME}.")
        try:
            return self._read_file(path)
        except OSError as error:
            reason = (error.strerror or "it cannot be read").lower()
        except ValueError:
            reason = "it is not a short text"
        raise Unresolved(f"Cannot read {path}: {reason}.", "Correct the path, or use ${NAME}.")

    def _sealed(self, text: str) -> str:
        if self._unseal is None:
            raise Unresolved(
                "An encrypted secret is of use only in the store that made it.",
                "Write ${NAME} or file:PATH.",
            )
        try:
            return self._unseal(text)
        except SecretUnreadable as error:
            raise Unresolved(str(error), "Enter the secret again, or bring the old key back.") from None


def _usable(value: str, name: str) -> str:
    value = value.strip()
    if not value:
        raise Unresolved(f"{name} is empty.", "Put the secret there.")
    if CONTROL.search(value):
        # It would end up in a header of HTTP.
        raise Unresolved(f"{name} has more than one line.", "Keep the secret alone there.")
    return value
