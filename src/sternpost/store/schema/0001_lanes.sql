-- Version 1. Numbers stand for names (table `names`) where a text would be repeated in every row.

CREATE TABLE names (
  no   INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,                       -- source | destination | channel
  name TEXT NOT NULL,
  UNIQUE (kind, name)
);

CREATE TABLE fanouts (                      -- each distinct set of (destination, channel) an event was fanned out to
  no     INTEGER PRIMARY KEY,
  routes TEXT NOT NULL UNIQUE               -- JSON: [[destination, channel], …]
);

CREATE TABLE events (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  source_no    INTEGER NOT NULL,
  message_key  TEXT NOT NULL,               -- the messageId, or its digest when it is very long
  received_at  REAL NOT NULL,
  type         TEXT NOT NULL,
  flags        INTEGER NOT NULL,            -- 1: the endpoint set the type; 2: an alias that made a link
  fanout_no    INTEGER NOT NULL,
  seen         INTEGER NOT NULL DEFAULT 1,  -- how often this messageId came
  at_ms        INTEGER NOT NULL,
  page_ms      INTEGER,
  user_id      TEXT NOT NULL,
  anonymous_id TEXT NOT NULL,
  request_ip   TEXT NOT NULL,
  message_id   TEXT,                        -- only when message_key is a digest
  body         BLOB NOT NULL
);
CREATE UNIQUE INDEX events_by_message ON events (source_no, message_key);

CREATE TABLE lanes (
  no             INTEGER PRIMARY KEY,
  destination_no INTEGER NOT NULL,
  channel_no     INTEGER NOT NULL,
  lane           TEXT NOT NULL,
  pending        INTEGER NOT NULL,
  ready_at       REAL NOT NULL,             -- waiting, backing off and leased in one column
  lease          TEXT,
  backing_off    INTEGER NOT NULL DEFAULT 0,
  window_pos     INTEGER NOT NULL DEFAULT 0,  -- rule G4: position of the open window
  window_until   REAL NOT NULL DEFAULT 0,
  waits_for      TEXT,                      -- rule G3: the person whose metadata comes first
  UNIQUE (destination_no, channel_no, lane)
);
CREATE INDEX lanes_due ON lanes (destination_no, channel_no, ready_at) WHERE pending > 0;
CREATE INDEX lanes_gated ON lanes (destination_no, waits_for) WHERE waits_for IS NOT NULL;

CREATE TABLE deliveries (                   -- what waits; a settled one moves to outcomes
  destination_no   INTEGER NOT NULL,
  seq              INTEGER NOT NULL,
  lane_no          INTEGER NOT NULL,
  pos              INTEGER NOT NULL,        -- order in the lane: position, then the page's clock, then acceptance
  ord              INTEGER NOT NULL,
  attempts         INTEGER NOT NULL DEFAULT 0,
  parts_done       INTEGER NOT NULL DEFAULT 0,
  reply_lost       INTEGER NOT NULL DEFAULT 0,
  gated            INTEGER NOT NULL DEFAULT 0,
  gate             TEXT,                    -- the person for whom this row is the gate, until its first try
  person           TEXT,                    -- the userId that a link gave it
  first_attempt_at REAL,
  reason           TEXT,                    -- why the last try did not end it
  detail           TEXT,
  PRIMARY KEY (destination_no, seq)
) WITHOUT ROWID;
CREATE INDEX deliveries_by_lane ON deliveries (lane_no, pos, ord, seq);
CREATE INDEX deliveries_gate ON deliveries (destination_no, gate) WHERE gate IS NOT NULL;

CREATE TABLE held (                         -- anonymous events that wait for a link
  destination_no INTEGER NOT NULL,
  anonymous_id   TEXT NOT NULL,
  at_ms          INTEGER NOT NULL,
  seq            INTEGER NOT NULL,
  channel_no     INTEGER NOT NULL,
  page_ms        INTEGER,
  gate           INTEGER NOT NULL,
  gated          INTEGER NOT NULL,
  expires_at     REAL NOT NULL,
  PRIMARY KEY (destination_no, anonymous_id, at_ms, seq)
) WITHOUT ROWID;
CREATE INDEX held_by_expiry ON held (expires_at);
CREATE INDEX held_by_seq ON held (seq);

CREATE TABLE outcomes (
  seq            INTEGER NOT NULL,
  destination_no INTEGER NOT NULL,
  state          INTEGER NOT NULL,          -- 1 delivered, 2 skipped, 3 rejected
  reason         TEXT,
  at             REAL NOT NULL,
  ms             INTEGER,                   -- of the last try; NULL when nothing was sent
  status         INTEGER,                   -- the destination's last answer
  attempts       INTEGER NOT NULL,
  more           TEXT,                      -- JSON: detail, notes, person; NULL when there is nothing to say
  PRIMARY KEY (seq, destination_no)
) WITHOUT ROWID;
CREATE INDEX outcomes_rejected ON outcomes (destination_no, reason, seq) WHERE state = 3;

CREATE TABLE tries (                        -- tries that did not deliver, bounded per event
  seq            INTEGER NOT NULL,
  destination_no INTEGER NOT NULL,
  n              INTEGER NOT NULL,
  record         BLOB NOT NULL,             -- JSON of model.Attempt
  PRIMARY KEY (seq, destination_no, n)
) WITHOUT ROWID;

CREATE TABLE links (                        -- anonymousId → userId, each with the time since when
  anonymous_id TEXT NOT NULL,
  at_ms        INTEGER NOT NULL,
  page_ms      INTEGER,
  user_id      TEXT NOT NULL,
  used_at      REAL NOT NULL,
  PRIMARY KEY (anonymous_id, at_ms, user_id)
) WITHOUT ROWID;

CREATE TABLE memberships (                  -- person → account, each with the time since when
  person       TEXT NOT NULL,               -- u:<userId> | a:<anonymousId> | g:<groupId> (for the account's parent)
  at_ms        INTEGER NOT NULL,
  seq          INTEGER NOT NULL,
  page_ms      INTEGER,
  anonymous_id TEXT NOT NULL,
  group_id     TEXT NOT NULL,
  parents      TEXT,                        -- JSON: trait → id of the parent account
  used_at      REAL NOT NULL,
  PRIMARY KEY (person, at_ms, seq)
) WITHOUT ROWID;

CREATE TABLE counters (                     -- exact, kept in the transaction that changes what they count
  scope TEXT NOT NULL,                      -- d:<destination> | s:<source>
  name  TEXT NOT NULL,
  n     INTEGER NOT NULL,
  PRIMARY KEY (scope, name)
) WITHOUT ROWID;

CREATE TABLE channels (                     -- channels that are blocked, for people and for the next start
  destination_no INTEGER NOT NULL,
  channel_no     INTEGER NOT NULL,
  reason         TEXT NOT NULL,
  detail         TEXT NOT NULL,
  since          REAL NOT NULL,
  PRIMARY KEY (destination_no, channel_no)
) WITHOUT ROWID;

CREATE TABLE workspaces (                   -- numbered revisions; secrets inside are sealed
  revision INTEGER PRIMARY KEY,
  at       REAL NOT NULL,
  document BLOB NOT NULL
);

CREATE TABLE settings (                     -- small facts, e.g. generated write keys
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
