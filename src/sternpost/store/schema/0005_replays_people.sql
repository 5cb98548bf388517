-- Version 5. Events delivered again, people who are stopped, people who are to be forgotten.

ALTER TABLE lanes ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;  -- 1: of replayed events, handed out when no live lane is due
DROP INDEX lanes_due;
CREATE INDEX lanes_due ON lanes (destination_no, channel_no, ready_at) WHERE pending > 0 AND behind = 0;
CREATE INDEX lanes_behind ON lanes (destination_no, channel_no, ready_at) WHERE pending > 0 AND behind = 1;

ALTER TABLE deliveries ADD COLUMN replay_no INTEGER;             -- the replay that put it here
ALTER TABLE deliveries ADD COLUMN before TEXT;                   -- JSON: the outcome it had until then; NULL = it had none
CREATE INDEX deliveries_replayed ON deliveries (replay_no) WHERE replay_no IS NOT NULL;

CREATE TABLE replays (
  no            INTEGER PRIMARY KEY AUTOINCREMENT,
  destination   TEXT NOT NULL,
  wanted        TEXT NOT NULL,             -- JSON: which events, as `control.replays` writes it
  everything    INTEGER NOT NULL,          -- 1: also what was delivered already
  rate          REAL NOT NULL,             -- events per second at most
  created_at    REAL NOT NULL,
  created_by    TEXT NOT NULL,
  estimated     INTEGER NOT NULL,          -- how many events it was thought to be
  last_seq      INTEGER NOT NULL,          -- the youngest event that was kept when it began
  cursor        INTEGER NOT NULL,          -- events up to here were looked at
  looked_at     INTEGER NOT NULL DEFAULT 0,
  queued        INTEGER NOT NULL DEFAULT 0,
  under_way     INTEGER NOT NULL DEFAULT 0,  -- left alone: they still waited for their first delivery
  not_connected INTEGER NOT NULL DEFAULT 0,
  state         TEXT NOT NULL,             -- running | paused | done | cancelled
  detail        TEXT NOT NULL DEFAULT '',
  changed_at    REAL NOT NULL
);

CREATE TABLE stopped (                     -- people whose events are accepted and not delivered
  digest     BLOB PRIMARY KEY,             -- keyed hash of the id: whoever was forgotten leaves no id behind
  whose      BLOB NOT NULL,                -- digest of the person that was meant: its anonymousIds are stopped with it
  id         TEXT,                         -- the id as given; NULL once the person was forgotten
  stopped_at REAL NOT NULL,
  stopped_by TEXT NOT NULL,
  note       TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE deletions (                   -- people who are to be forgotten, and the receipts of those who were
  no          INTEGER PRIMARY KEY AUTOINCREMENT,
  digest      BLOB NOT NULL,
  ids         TEXT,                        -- JSON: userId and anonymousIds, until every destination has taken them; then NULL
  asked_at    REAL NOT NULL,
  asked_by    TEXT NOT NULL,
  note        TEXT NOT NULL,
  state       TEXT NOT NULL,               -- removing | asking | done
  here        TEXT NOT NULL,               -- JSON: what was removed here, and when
  there       TEXT NOT NULL,               -- JSON: destination -> how its deletion stands
  due_at      REAL NOT NULL                -- when to go on
);
CREATE INDEX stopped_by_person ON stopped (whose);
CREATE INDEX deletions_by_person ON deletions (digest);
CREATE INDEX links_by_user ON links (user_id);
INSERT INTO settings (key, value) VALUES ('people:salt', hex(randomblob(32)));
