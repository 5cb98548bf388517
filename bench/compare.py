"""`make bench-compare BASE=<rev>`: what a change did. The package of another revision and this one, measured in turn.

    make bench-compare BASE=HEAD~3                                  accept, three rounds of 10 s
    make bench-compare BASE=v1 ARGS="--only deliver --rounds 5"
    make bench-compare BASE=main ARGS="--only accept --only latency --seconds 20"

The revision is checked out below .bench/ (a git worktree, removed at the end) and measured by the benchmark of this checkout, with the
packages of this checkout's environment; so only `src` differs. Prints medians over the rounds, and the median of the ratios of each round.
Exits with 1 when a run lost events.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from phases import PHASES
from processes import HERE
from report import REPOSITORY, columns, shown

BASE, HEAD = "base", "head"


def main(given: Sequence[str] | None = None) -> int:
    arguments = read_arguments(given)
    folder = REPOSITORY / ".bench"
    folder.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="compare-", dir=folder))
    tree = scratch / "tree"
    try:
        git("worktree", "add", "--detach", "--force", str(tree), arguments.base)
        revision = git("-C", str(tree), "rev-parse", "--short", "HEAD")
        rounds: list[dict[str, dict[str, dict[str, object]]]] = []
        for number in range(arguments.rounds):
            # Every other round begins with the other one: what disturbs the machine disturbs both.
            order = (BASE, HEAD) if number % 2 else (HEAD, BASE)
            found = {}
            for name in order:
                print(f"round {number + 1} of {arguments.rounds}: {name}", file=sys.stderr, flush=True)
                source = tree / "src" if name == BASE else REPOSITORY / "src"
                found[name] = measured(arguments, source, scratch / f"{number}-{name}")
            rounds.append(found)
    except (subprocess.CalledProcessError, ValueError) as error:
        said = getattr(error, "stderr", "") or str(error)
        print(f"Not compared: {said.strip()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    finally:
        subprocess.run(
            ["git", "worktree", "remove", "--force", str(tree)],
            cwd=REPOSITORY, capture_output=True, check=False,
        )  # fmt: skip
        shutil.rmtree(scratch, ignore_errors=True)
    print(table(rounds, revision))
    return 0


def measured(arguments: argparse.Namespace, source: Path, out: Path) -> dict[str, dict[str, object]]:
    """The figures of one run, by their ids. Raises ValueError when it lost something or failed."""
    argv = [sys.executable, str(HERE / "run.py"), "--source", str(source), "--out", str(out)]
    argv += ["--seconds", str(arguments.seconds)]
    argv += ["--quick"] * arguments.quick
    for phase in arguments.only or ["accept"]:
        argv += ["--only", phase]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    latest = out / "latest.json"
    if done.returncode or not latest.exists():
        raise ValueError(f"a run failed.\n{done.stdout[-2_000:]}")
    found = json.loads(latest.read_text())
    return {figure["id"]: figure for figure in found["figures"]}


def table(rounds: list[dict[str, dict[str, dict[str, object]]]], revision: str) -> str:
    """Both medians, and the median of the rounds' ratios."""
    rows = [("", revision, "this", "ratio", "rounds")]
    for identity, figure in rounds[0][HEAD].items():
        pairs = [
            (float(str(one[BASE][identity]["value"])), float(str(one[HEAD][identity]["value"])))
            for one in rounds
            if identity in one[BASE] and identity in one[HEAD]
        ]
        ratios = [head / base for base, head in pairs if base]
        if not ratios:
            continue
        rows.append(
            (
                str(figure["title"]),
                f"{shown(statistics.median(base for base, _ in pairs))} {figure['unit']}",
                f"{shown(statistics.median(head for _, head in pairs))} {figure['unit']}",
                f"{statistics.median(ratios):.2f}",
                " ".join(f"{ratio:.2f}" for ratio in ratios),
            )
        )
    return columns(rows)


def git(*arguments: str) -> str:
    """Raises CalledProcessError."""
    done = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def read_arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-compare", description="Measure two revisions in turn.")
    parser.add_argument("base", help="a revision of this repository")
    parser.add_argument(
        "--only", action="append", choices=list(PHASES), help="a phase; may be given several times [accept]"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of both [3]")
    parser.add_argument("--seconds", type=float, default=10, help="of load for each figure of wrk [10]")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
