"""`sternpost access` against a running server: a way back in, and nothing of it in the log."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.programs import running, sternpost


def opener() -> Any:
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor())


def press(browser: Any, address: str, **form: str) -> str:
    """Open a one-time address and send its form; where the browser ends."""
    page = browser.open(address).read().decode()
    token = page.partition('name="form_token" value="')[2][:32]
    body = urllib.parse.urlencode({"form_token": token, **form}).encode()
    return str(browser.open(address, data=body).url)


def test_a_way_back_in(tmp_path: Path) -> None:
    """The first owner's address works once; a user's asks for a new password; an unknown user is said."""
    with running("serve", "--port", "0", cwd=tmp_path) as server:
        setup = server.line(r"Set up +(\S+)")[1]
        base = setup.partition("/console/")[0]
        fresh = sternpost("access", cwd=tmp_path).out.strip()
        assert fresh.startswith(f"{base}/console/setup/")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            opener().open(setup)  # the one before ended
        assert press(opener(), fresh) == f"{base}/console/"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            opener().open(fresh)
        answer = json.loads(sternpost("access", "--user", "OWNER", "--json", cwd=tmp_path).out)
        assert answer["expiresAt"].endswith("Z")
        assert press(opener(), answer["url"]) == f"{base}/console/"
        unknown = sternpost("access", "--user", "ownr", cwd=tmp_path)
        assert unknown.status == 1
        assert 'Did you mean "owner"?' in unknown.err
        for address in (setup, fresh, answer["url"]):
            assert address.rpartition("/")[2] not in server.errors()
        assert server.stop() == 0
