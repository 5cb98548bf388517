"""The fixed seed of the sandbox: one subscription with two apps and their keys (interface.md, 4).

Every value is public on purpose: documentation, tests and the demo workspace use them, and nothing else accepts them.
"""

from __future__ import annotations

from typing import Final

APP_KEY_WEB: Final = "11111111-1111-4111-8111-111111111111"
APP_KEY_MOBILE: Final = "22222222-2222-4222-8222-222222222222"
INTEGRATION_KEY: Final = "33333333-3333-4333-8333-333333333333.us"  #: read and write
INTEGRATION_KEY_READ_ONLY: Final = "44444444-4444-4444-8444-444444444444.us"
TRACK_SECRET_WEB: Final = "55555555-5555-4555-8555-555555555555"  # noqa: S105 - public on purpose
TRACK_SECRET_MOBILE: Final = "66666666-6666-4666-8666-666666666666"  # noqa: S105

JWT_KEY_NAME: Final = "sandbox-key"
#: HS256; shown on the page for people.
JWT_SECRET: Final = "sandbox-jwt-secret-77777777-7777-4777-8777-777777777777"  # noqa: S105

APPS: Final = {APP_KEY_WEB: "web", APP_KEY_MOBILE: "mobile"}
TRACK_SECRETS: Final = {TRACK_SECRET_WEB: "web", TRACK_SECRET_MOBILE: "mobile"}
APP_IDS: Final = {
    "web": 5_000_000_000_000_001,
    "mobile": 5_000_000_000_000_002,
}  #: numbers, as Pendo's `appId`

#: The Pendo hosts of each region [S: pendo.md, "Regions and hosts"]. A Host header of another region gets 403.
REGION_HOSTS: Final = {
    "us": ("app.pendo.io", "data.pendo.io", "cdn.pendo.io"),
    "us1": ("us1.app.pendo.io", "us1.data.pendo.io", "us1.cdn.pendo.io"),
    "eu": ("app.eu.pendo.io", "data.eu.pendo.io", "cdn.eu.pendo.io"),
    "jp": ("app.jpn.pendo.io", "data.jpn.pendo.io", "cdn.jpn.pendo.io"),
    "au": ("app.au.pendo.io", "data.au.pendo.io", "cdn.au.pendo.io"),
}


def integration_keys(region: str) -> dict[str, bool]:
    """The integration keys of a sandbox in that region, each with whether it may write.

    The suffix is the region's [S for us and eu; the other suffixes are not known, the region's name stands in].
    """
    suffix = f".{region}"
    return {
        INTEGRATION_KEY.removesuffix(".us") + suffix: True,
        INTEGRATION_KEY_READ_ONLY.removesuffix(".us") + suffix: False,
    }
