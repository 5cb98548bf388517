"""What a fresh clone relies on: locks, scripts, the reasons for dependencies, and a wheel that has everything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(text: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", text)
    assert found
    return canonical(found[0])


def locked(name: str) -> set[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return {canonical(found) for found in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


CORE = {requirement(text) for text in PROJECT["project"]["dependencies"]}


def test_every_core_dependency_has_its_reason() -> None:
    """docs/why.md has a row for each dependency and for nothing else."""
    rows = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/why.md").read_text(), re.MULTILINE)
    assert {canonical(row) for row in rows} == CORE


def test_the_core_does_not_grow_unnoticed() -> None:
    """A user installs these and no more; a higher number needs an argument in docs/why.md."""
    assert len(CORE) <= 12
    assert len(locked("runtime")) <= 27


def test_locks_cover_the_project() -> None:
    """The locks are of this pyproject.toml, and the tests run with what users get."""
    groups = PROJECT["dependency-groups"]
    assert locked("runtime") >= CORE
    assert locked("dev") >= locked("runtime") | locked("build")
    assert locked("dev") >= {requirement(text) for group in groups.values() for text in group}

    def versions(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ]+)", text, re.MULTILINE))

    assert versions("runtime").items() <= versions("dev").items()


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_locks_have_hashes_and_no_addresses(path: Path) -> None:
    """They install the same from any mirror."""
    text = path.read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    pinned = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert pinned
    assert all("--hash=sha256:" in block for block in pinned)


def test_npm_locks_have_no_addresses() -> None:
    """Those of npm likewise."""
    for path in [ROOT / "tests/clients/package-lock.json", ROOT / "browser/package-lock.json"]:
        if path.exists():
            assert '"resolved": "http' not in path.read_text(), path


@pytest.mark.parametrize("name", ["scripts/bootstrap.sh", "scripts/lock.sh", ".ci/run"])
def test_scripts(name: str) -> None:
    """They can be run and are bash without mistakes of syntax."""
    assert os.access(ROOT / name, os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / name)], check=True)


def test_bootstrap_knows_its_steps() -> None:
    """A wrong step is one sentence."""
    done = subprocess.run(
        ["bash", str(ROOT / "scripts/bootstrap.sh"), "everything"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "Unknown step everything. Use runtime, dev, clients or bench.\n"


def test_make_help() -> None:
    """`make` alone lists what there is."""
    done = subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory"], capture_output=True, text=True, check=True
    )
    assert {line.split()[1] for line in done.stdout.splitlines()} == {
        "help", "demo", "test", "check", "format", "bench", "bench-compare", "soak", "fuzz", "screenshots", "lock", "clean",
    }  # fmt: skip


def test_wheel_has_every_file_of_the_package(tmp_path: Path) -> None:
    """Templates, scripts and SQL are part of what users install."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    present = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src/sternpost").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == present


@pytest.mark.parametrize(("ci", "counted"), [("true", "2 failed, 1 skipped, 2 errors"), ("", "5 skipped")])
def test_nothing_is_skipped_in_silence_under_ci(ci: str, counted: str, tmp_path: Path) -> None:
    """What is skipped because something is missing fails under CI=true, by whatever means it was skipped; what no installation changes does not."""
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "@pytest.mark.skipif(True, reason='Node.js is not installed')\ndef test_mark(): ...\n"
        "def test_call(): pytest.skip('no Chromium here')\n"
        "def test_import(): pytest.importorskip('no_such_module')\n"
        "@pytest.mark.skipif(True, reason='minutes: make soak')\ndef test_allowed(): ...\n"
    )
    (tmp_path / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-q", "--continue-on-collection-errors", "."],
        cwd=tmp_path, env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].startswith(counted), done.stdout
