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
