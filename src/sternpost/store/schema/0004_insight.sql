-- Version 4. How much came and went over time, and what sources send.

CREATE TABLE series (                       -- counts per slot of time; minutes become hours, hours days (store/series.py)
  destination_no INTEGER NOT NULL,          -- 0: of the source alone
  step           INTEGER NOT NULL,          -- seconds of the slot: 60, 3600 or 86400
  slot           INTEGER NOT NULL,          -- unix seconds of its beginning
  source_no      INTEGER NOT NULL,          -- 0: of all sources
  name           TEXT NOT NULL,             -- received | duplicates | delivered | skipped:<reason> | … | late:<bucket>
  n              INTEGER NOT NULL,
  PRIMARY KEY (destination_no, step, slot, source_no, name)
) WITHOUT ROWID;

CREATE TABLE seen (                         -- what sources send, gathered behind their backs (control/noticing.py)
  source_no  INTEGER NOT NULL,
  type       TEXT NOT NULL,                 -- of the call, in lower case
  name       TEXT NOT NULL,                 -- of the event, "" for types without one
  count      INTEGER NOT NULL,
  first_at   REAL NOT NULL,
  last_at    REAL NOT NULL,
  properties TEXT NOT NULL,                 -- JSON: path -> [count, {type: count}, first_at, last_at, seq of the last event with it]
  PRIMARY KEY (source_no, type, name)
) WITHOUT ROWID;

CREATE TABLE seen_libraries (
  source_no INTEGER NOT NULL,
  library   TEXT NOT NULL,                  -- name and version
  count     INTEGER NOT NULL,
  first_at  REAL NOT NULL,
  last_at   REAL NOT NULL,
  PRIMARY KEY (source_no, library)
) WITHOUT ROWID;

CREATE TABLE seen_progress (                -- one row
  one        INTEGER PRIMARY KEY CHECK (one = 1),
  seq        INTEGER NOT NULL,              -- events up to here were looked at
  names      INTEGER NOT NULL,              -- events whose name there was no room for
  properties INTEGER NOT NULL               -- properties that there was no room for, each time they came
);
INSERT INTO seen_progress VALUES (1, 0, 0, 0);
