"""The constants of the Pendo destination: each is a limit of Pendo's, or an assumption that can be corrected here.

`S` is sourced from Pendo's documents, `A` assumed, `P` our own policy. Those that are settings carry the setting's name.
"""

from __future__ import annotations

from typing import Literal

TRACK_PROPS_MAX_BYTES = 512  #: S: above it Pendo shows "event properties JSON too large"
#: TRACK_PROPS_MEASURE, A: compact UTF-8 JSON of `properties`, as it is sent
TRACK_KEY_MAX = 32  #: S: longer property names are not displayed
TRACK_STRING_CUT_FLOOR = 64  #: P: fitting cuts no text below so many bytes, so that it stays recognisable
TRACK_BODY_BYTES_MAX = 1_000_000  #: P: one event's request; a larger one is a mistake
EVENT_MAX_AGE_DAYS = 7  #: S: Pendo may never process older events
EVENT_FUTURE_MAX_MS = 86_400_000  #: A: track.futureMaxMs
SAME_MS: Literal["warn", "off"] = "warn"  #: A: whether two events of one visitor and millisecond are noted

METADATA_BATCH_MAX = 1_000  #: A: default of the setting metadataBatchMax; 400 and 413 are answered by halves
METADATA_BATCH_MAX_BYTES = 1_000_000  #: A
METADATA_LINGER_MS = 500  #: P: wait for company while a metadata request is in flight
METADATA_NULLS: Literal["drop", "send"] = "drop"  #: A: whether null clears a value is not documented
METADATA_STRING_MAX = 1_500  #: S as a recommendation; cutting is P; 0 = never
FLATTEN_DEPTH = 5  #: P: objects nested deeper are dropped
#: P: so are objects under a longer name, which would be repeated for each of their fields.
FLATTEN_KEY_CHARS_MAX = 200
#: DATE_OUTPUT, A: RFC 3339 in UTC with milliseconds and Z; made by `dates.written`

FIELDS_MAX = 10_000  #: P: traits or properties that are mapped, nested ones counted; Pendo shows hundreds, a body of 4 MB can hold 200,000
LIST_ITEMS_READ_MAX = 10_000  #: P: of a list that becomes a text, far more than the text may hold

PARENT_ACCOUNT_SEPARATOR = "::"  #: PARENT_ACCOUNT_ID_FORM `parent::child`; S and O for the agent, A for REST
ANONYMOUS_PREFIX = "_PENDO_T_"  #: S, O: how Pendo's agent marks anonymous visitors
PLACEHOLDER_IDS = frozenset({"VISITOR-UNIQUE-ID", "ACCOUNT-UNIQUE-ID"})  #: S, O: from Pendo's snippet
#: S for visitor and account; A for parentAccount, whose id key is not published
ID_KEYS = {"visitor": "visitorId", "account": "accountId", "parentAccount": "parentAccountId"}

DNP_REMEMBER_H = 24  #: P: how long an id that got 451 is skipped without asking
UNREADABLE_TRIES_MAX = 3  #: P: a 2xx whose body cannot be read
SETTLE_MS = 300  #: P: rule G4
NOTES_MAX = 100  #: P: remarks on one delivery; a hostile event would make thousands
