-- Version 8. Arrivals that could not be spread, kept as they came so that those behind them go on; the next start tries them again
-- (store/aside.py). How many events are in them is in `counters` (scope `arrivals`, name `aside`).

CREATE TABLE aside (
  no          INTEGER PRIMARY KEY,          -- order in which they were set aside
  at          REAL NOT NULL,                -- when
  why         TEXT NOT NULL,                -- a sentence
  source      TEXT NOT NULL,                -- from here on as in arrivals
  received_at REAL NOT NULL,
  request_ip  TEXT NOT NULL,
  path        TEXT NOT NULL,
  call        TEXT NOT NULL,
  events      INTEGER NOT NULL,
  before      INTEGER NOT NULL,
  body        BLOB NOT NULL
);
