"""The browser SDK's own tests (browser/test), each file a process of Node.js, and the built files against their sources."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

BROWSER = Path(__file__).parent.parent.parent / "browser"
FILES = sorted((BROWSER / "test").glob("*.test.mjs"))
NODE = shutil.which("node")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: A file needs a minute or two on a busy machine; more is a hang.
FILE_S = 600.0


def needs(*, chromium: bool) -> None:
    """Skip where a tool is missing; in CI a missing tool is a failure, since nobody would notice what was left out."""
    missing = [
        what
        for what, is_there in {
            "Node.js": NODE is not None,
            "Chromium": CHROMIUM is not None or not chromium,
            "the npm packages of browser/": (BROWSER / "node_modules").is_dir(),
        }.items()
        if not is_there
    ]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"missing: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")


def node(*arguments: str) -> tuple[int, str]:
    """Exit status and all output of a run. What outlives its time is ended with everything that it started."""
    run = subprocess.Popen(
        [str(NODE), *arguments],
        cwd=BROWSER,
        # NODE_TEST_CONTEXT would make a runner believe that it is the child of another one.
        env={name: value for name, value in os.environ.items() if name != "NODE_TEST_CONTEXT"}
        | {"PYTHON": sys.executable, "CHROMIUM": CHROMIUM or ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        out, _ = run.communicate(timeout=FILE_S)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        out, _ = run.communicate()
        return 1, f"{out}\nnot done within {FILE_S:g} s"
    return run.returncode, out


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_in_the_browser(path: Path) -> None:
    """Every test of the file passes, none is skipped."""
    needs(chromium=True)
    status, out = node("--test", "--test-reporter=spec", str(path))
    assert status == 0, out
    assert "ℹ skipped 0\n" in out, out
    assert "ℹ todo 0\n" in out, out
    assert "ℹ tests 0\n" not in out, out


def test_the_built_files_are_those_of_the_sources() -> None:
    """What is committed, shipped and served was built from what is read: `npm run build` changes nothing."""
    needs(chromium=False)
    _, out = node("scripts/build.mjs", "--check")
    assert "gzip" in out, out
    assert "differs" not in out, out


def test_types() -> None:
    """The sources keep their types."""
    needs(chromium=False)
    status, out = node("node_modules/typescript/bin/tsc", "--noEmit")
    assert status == 0, out
