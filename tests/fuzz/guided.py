"""One target under atheris: `python -m tests.fuzz.guided TARGET CORPUS [libFuzzer's options]`. See `__main__`."""

from __future__ import annotations

import importlib
import sys

import atheris

with atheris.instrument_imports(include=["sternpost"]):
    targets = importlib.import_module("tests.fuzz.targets")


def main() -> None:
    name = sys.argv[1]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], targets.TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
