"""How our commands are started from here, for lines that people copy: after `make demo` plain `sternpost` is not on the search path."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What stands before and behind the words of a command that is to find this server."""

    program: str = "sternpost"
    option: str = ""  #: "" or ` --data-dir DIR`

    def __call__(self, words: str) -> str:
        return f"{self.program} {words}{self.option}"


def program_of(started_as: str, env: Mapping[str, str]) -> str:
    """How a shell in this directory starts `sternpost`: by the path that it was started with, where it is not on the search path."""
    if shutil.which("sternpost", path=env.get("PATH", "")) or Path(started_as).name != "sternpost":
        return "sternpost"
    return shlex.quote(started_as)


INSTALLED = CommandLine()  #: as an installed package has them


@cache
def program_here() -> str:
    """`program_of` for this process."""
    return program_of(sys.argv[0], os.environ)
