"""Who may import whom. The rules keep the path of an event readable, and its pure parts pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}

#: The foundation: each module and what of ours it may import.
FOUNDATION = {
    "sternpost.reasons": set[str](),
    "sternpost.notes": set[str](),
    "sternpost.limits": set[str](),
    "sternpost.errors": set[str](),
    "sternpost.model": {"sternpost.reasons", "sternpost.notes"},
    "sternpost.person": {"sternpost.model"},
    "sternpost.ids": set[str](),
}
ANY_FOUNDATION = set(FOUNDATION)

#: Each package, and what it may import besides itself; a name stands for what is below it too.
PACKAGES = {
    "sternpost.wire": ANY_FOUNDATION,
    "sternpost.rules": ANY_FOUNDATION | {"sternpost.destinations.base"},
    "sternpost.destinations": ANY_FOUNDATION,
    "sternpost.sandbox": {"sternpost.limits", "sternpost.errors", "sternpost.reasons", "sternpost.notes"},
    "sternpost.workspace": ANY_FOUNDATION - {"sternpost.person"} | {"sternpost.destinations"},
    "sternpost.gateway": ANY_FOUNDATION
    | {"sternpost.wire", "sternpost.metrics", "sternpost.keys", "sternpost.proxies"},
}
PURE = ("sternpost.wire", "sternpost.rules", "sternpost.destinations")
#: Networks, clocks, chance and files come in as arguments, or not at all.
IMPURE_MODULES = {
    "aiohttp", "asyncio", "http", "multiprocessing", "os", "pathlib", "random", "secrets", "socket", "sqlite3", "ssl",
    "subprocess", "tempfile", "threading", "time", "urllib.request",
}  # fmt: skip
NEIGHBOURS = ("sternpost.store", "sternpost.intake", "sternpost.delivery", "sternpost.control")
#: The contract, and the read side: fates, counts over time, how a destination stands, what a replay may mean, dead letters,
#: people, who may use the server.
SEAMS = {
    "sternpost.store.access",
    "sternpost.store.base",
    "sternpost.store.beside",
    "sternpost.store.views",
    "sternpost.store.kept",
    "sternpost.store.selection",
    "sternpost.store.series",
    "sternpost.store.standing",
    "sternpost.store.seen",
    "sternpost.store.candidates",
    "sternpost.store.letters",
    "sternpost.store.person_view",
    "sternpost.store.persons",
    "sternpost.store.revisions",
}
TOP = ("sternpost.main", "sternpost.cli")


def imports(path: Path, module: str) -> Iterator[str]:
    """Every module that a file imports, also late ones; `from package import name` gives both, since name may be a module."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")
                base = ".".join(
                    [*above[: len(above) - node.level + 1], *([node.module] if node.module else [])]
                )
            yield base
            for alias in node.names:
                name = f"{base}.{alias.name}"
                if name in MODULES or name in IMPURE_MODULES:
                    yield name


def ours(path: Path, module: str) -> set[str]:
    return {name for name in imports(path, module) if name in MODULES and name != "sternpost"}


def below(name: str, packages: set[str] | tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("module", list(FOUNDATION))
def test_foundation(module: str) -> None:
    """model, limits, errors and reasons stand on nothing of ours but what is below them."""
    assert ours(MODULES[module], module) <= FOUNDATION[module]


@pytest.mark.parametrize("package", list(PACKAGES))
def test_packages(package: str) -> None:
    """wire, rules, destinations, sandbox, workspace and gateway know the foundation and what is named for them."""
    for module, path in MODULES.items():
        if below(module, (package,)):
            strange = {name for name in ours(path, module) if not below(name, PACKAGES[package] | {package})}
            # A package's own docstring module is no knowledge of it.
            strange = {
                name
                for name in strange
                if not any(allowed.startswith(f"{name}.") for allowed in PACKAGES[package])
            }
            assert not strange, f"{module} imports {sorted(strange)}"


@pytest.mark.parametrize("package", PURE)
def test_pure(package: str) -> None:
    """What decides about events is pure: no network, no clock, no chance, no files."""
    for module, path in MODULES.items():
        if below(module, (package,)):
            impure = {name for name in imports(path, module) if below(name, IMPURE_MODULES)}
            assert not impure, f"{module} imports {sorted(impure)}"


def test_no_clock_by_another_name() -> None:
    """`datetime.now()` is a clock, too, and `uuid4()` is chance."""
    for module, path in MODULES.items():
        if not below(module, PURE):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert name not in {"now", "utcnow", "today", "uuid1", "uuid4", "urandom"}, (
                f"{module} line {node.lineno}"
            )


@pytest.mark.parametrize("package", NEIGHBOURS)
def test_neighbours(package: str) -> None:
    """store, intake, delivery and control meet only at the store's contract and its read side."""
    others = tuple(neighbour for neighbour in NEIGHBOURS if neighbour != package)
    for module, path in MODULES.items():
        if below(module, (package,)):
            strange = (
                {name for name in ours(path, module) if below(name, others)} - SEAMS - {"sternpost.store"}
            )
            assert not strange, f"{module} imports {sorted(strange)}"


def test_nobody_imports_the_top() -> None:
    """main and cli know everything, and nobody knows them."""
    for module, path in MODULES.items():
        if not below(module, TOP) and module != "sternpost.__main__":
            assert not {name for name in ours(path, module) if below(name, TOP)}, module


def test_imports_are_found(tmp_path: Path) -> None:
    """The reader of imports sees late, relative and renamed ones."""
    path = tmp_path / "document.py"
    path.write_text("def f():\n    from ..store import base as b\n    import time as t\nfrom . import yaml\n")
    assert set(imports(path, "sternpost.workspace.document")) == {
        "sternpost.store", "sternpost.store.base", "time", "sternpost.workspace", "sternpost.workspace.yaml",
    }  # fmt: skip
