"""Full disks and torn files for longer: `python -m tests.e2e.wear --minutes 10`, a part of `make soak`.

A server on a small disk (or, where nothing may be mounted, with files that may not grow) takes numbered events from eight connections while its disk is
filled, nearly filled, and cleared, and while it is killed at that; the log is left with torn ends and without its index. At the end every event
that was answered 200 is at the destination, in order per person. After each kill a copy of its files is damaged at random: it is opened as a
server does, or salvaged, and what comes out must add up.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from sternpost.errors import StoreError
from sternpost.store.copying import examine
from sternpost.store.opening import before_opening
from sternpost.store.salvage import salvage
from tests.contract.lab import SQLITE, Lab
from tests.e2e import disks
from tests.e2e.running import Sandbox, Server, connected, pendo, request, source
from tests.e2e.test_stopping import Load, all_there, check_order
from tests.waiting import until

PAGE = 8192
TURNS = ("full", "full and killed", "nearly full", "limited", "killed", "torn end", "no index")
EVENTS_A_TURN = 150


class Wear:
    """One run."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.counted: Counter[str] = Counter()

    def run(self, minutes: float, form: str) -> None:
        ends = time.monotonic() + 60 * minutes
        with contextlib.ExitStack() as stack:
            sandbox = Sandbox(self.folder / "sandbox")
            stack.callback(sandbox.end)
            place = self.folder / "server"
            disk = stack.enter_context(disks.small_disk(form, place, size_mb=600))
            server = Server(place, connected([source("backend")], [pendo(sandbox)]))
            stack.callback(server.end)
            load = Load(server, f"wear-{time.time_ns()}", seed=self.random.randrange(2**32))
            while time.monotonic() < ends:
                self.turn(server, disk, load)
            load.finish()
            all_there(server, sandbox, load)
            check_order(
                sandbox,
                load,
                repeats_max=len(load.numbers) * self.counted["kills"] + self.counted["turns"] * 50,
            )
            assert not server.complaints(), server.complaints()[:5]
            self.counted["events"] = sum(load.numbers.values())
            self.counted["answered 200"] = len(load.acknowledged)

    def turn(self, server: Server, disk: disks.Small | disks.Limited, load: Load) -> None:
        what = self.random.choice(TURNS)
        if what == "nearly full" and not isinstance(disk, disks.Small):
            what = "full"
        self.counted["turns"] += 1
        self.counted[what] += 1
        load.begin()
        aim = self.random.randint(1, EVENTS_A_TURN)
        until(lambda: load.count() >= aim or not any(s.is_alive() for s in load.senders), every_s=0.001)
        worn: disks.Small | disks.Limited = disks.Limited() if what == "limited" else disk
        if what in {"full", "full and killed", "limited"}:
            worn.fill(server)
        elif what == "nearly full":
            assert isinstance(disk, disks.Small)
            disk.fill(server, leave_bytes=self.random.randint(1, 60) * disks.MB)
        if what in {"full", "limited", "nearly full"}:
            # Either the senders have all they wanted, or they learn that there is no room.
            until(lambda: not any(s.is_alive() for s in load.senders), within_s=60)
            time.sleep(self.random.random())
            worn.clear(server)
            until(lambda: request(server.url, "GET", "/health").status == 200, within_s=30, what="well again")
        else:
            self.kill(server, disk, load, what)
        load.end()
        self.counted["refused with 503"] += sum(len(sender.refused) for sender in load.senders)

    def kill(self, server: Server, disk: disks.Small | disks.Limited, load: Load, what: str) -> None:
        server.kill()
        self.counted["kills"] += 1
        for sender in load.senders:
            sender.enough.set()
        if what == "full and killed":
            if isinstance(disk, disks.Small):
                disk.clear(server)
        log = server.data / "sternpost.db-wal"
        self.damaged_copy(server.data)
        if what == "torn end" and log.exists():
            with log.open("ab") as file:
                file.write(self.random.randbytes(self.random.randint(1, 20_000)))
        elif what == "no index":
            (server.data / "sternpost.db-shm").unlink(missing_ok=True)
        server.again()
        notices = request(server.url, "GET", "/health").json()["notices"]
        assert not notices, notices  # nothing that was confirmed is damaged

    def damaged_copy(self, data: Path) -> None:
        """Damage a copy of what the killed server left, and see that it is noticed or harmless, and that the rest comes out."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            for ending in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(data / f"sternpost.db{ending}", folder)
            path, log = Path(folder) / "sternpost.db", Path(folder) / "sternpost.db-wal"
            if self.random.random() < 0.5 and log.exists() and log.stat().st_size:
                self.counted["logs cut"] += 1
                os.truncate(log, self.random.randrange(log.stat().st_size))
                self.counted["cut logs noticed"] += bool(before_opening(path, used=True, now=time.time()))
            else:
                size = path.stat().st_size // PAGE
                with path.open("r+b") as file:
                    for _ in range(self.random.randint(1, 3)):
                        file.seek(self.random.randrange(1, max(2, size)) * PAGE)
                        file.write(self.random.randbytes(PAGE))
                self.counted["pages damaged"] += 1
            new = Path(folder) / "new.db"
            try:
                found = salvage(path, new, now=time.time())
            except StoreError:
                self.counted["nothing to salvage"] += 1
                return
            examine(new)
            lab = Lab(SQLITE, new)
            try:
                lab.check()
            finally:
                lab.close()
            self.counted["salvaged"] += 1
            self.counted["events lost by name"] += len(found.lost)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    for form in disks.FORMS:
        with tempfile.TemporaryDirectory() as folder:
            wear = Wear(Path(folder), arguments.seed)
            print(f"wear, {form}, seed {arguments.seed}", flush=True)
            try:
                wear.run(arguments.minutes / len(disks.FORMS), form)
            finally:
                print(", ".join(f"{name}: {n}" for name, n in sorted(wear.counted.items())), flush=True)


if __name__ == "__main__":
    main()
