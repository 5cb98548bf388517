-- Version 7. Requests kept as they came while very many come at once, until they are spread into the other tables (store/arrivals.py).
-- How many events and bytes wait in them is in `counters` (scope `arrivals`).

CREATE TABLE arrivals (
  no          INTEGER PRIMARY KEY,          -- order of acceptance
  source      TEXT NOT NULL,
  received_at REAL NOT NULL,
  request_ip  TEXT NOT NULL,
  path        TEXT NOT NULL,                -- the door's path it came by
  call        TEXT NOT NULL,                -- of a single event its type; '' = a batch
  events      INTEGER NOT NULL,             -- how many are in the body
  before      INTEGER NOT NULL,             -- how many of the same request are in earlier rows
  body        BLOB NOT NULL
);
