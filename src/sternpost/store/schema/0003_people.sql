-- Version 3. Users with roles, their sessions and one-time addresses, API tokens, and the log of changes.
-- Names are compared by their key: casefolded, so that "Ann" and "ann" are one.

CREATE TABLE users (
  key           TEXT PRIMARY KEY,
  name          TEXT NOT NULL,
  role          TEXT NOT NULL,              -- viewer | editor | owner
  password      TEXT NOT NULL,              -- scrypt$n$r$p$salt$hash; "" until one is chosen
  personal_data INTEGER NOT NULL,           -- 1: sees values of events, 0: sees hashes
  disabled      INTEGER NOT NULL,
  created_at    REAL NOT NULL
) WITHOUT ROWID;
INSERT INTO users (key, name, role, password, personal_data, disabled, created_at)
  SELECT name, name, role, password, 1, 0, changed_at FROM passwords;
-- A browser was signed in before a password was chosen.
INSERT OR IGNORE INTO users (key, name, role, password, personal_data, disabled, created_at)
  SELECT 'owner', 'owner', 'owner', '', 1, 0, created_at FROM sessions ORDER BY created_at LIMIT 1;
DROP TABLE passwords;

CREATE TABLE signed_in (                    -- browsers; the token itself is in a cookie
  token_hash BLOB PRIMARY KEY,
  user_key   TEXT NOT NULL,
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  address    TEXT NOT NULL,
  agent      TEXT NOT NULL                  -- the User-Agent, cut
) WITHOUT ROWID;
INSERT INTO signed_in (token_hash, user_key, created_at, expires_at, address, agent)
  SELECT token_hash, 'owner', created_at, expires_at, '', '' FROM sessions;
DROP TABLE sessions;
ALTER TABLE signed_in RENAME TO sessions;

DROP TABLE setups;
CREATE TABLE addresses (                    -- one-time addresses, one per user; '' is the set-up of the first owner
  user_key   TEXT PRIMARY KEY,
  token_hash BLOB NOT NULL,
  expires_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE tokens (                       -- for programs; SHA-256 of 256 random bits
  id            TEXT PRIMARY KEY,
  name          TEXT NOT NULL,
  role          TEXT NOT NULL,
  personal_data INTEGER NOT NULL,
  token_hash    BLOB NOT NULL,
  created_at    REAL NOT NULL,
  created_by    TEXT NOT NULL,
  expires_at    REAL,                       -- NULL: does not expire
  used_at       REAL                        -- to the minute
) WITHOUT ROWID;

CREATE TABLE audit (                        -- who changed what; the oldest go, see control/audit.py
  no      INTEGER PRIMARY KEY AUTOINCREMENT,
  at      REAL NOT NULL,
  actor   TEXT NOT NULL,
  via     TEXT NOT NULL,                    -- console | api | cli | file
  action  TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail  TEXT NOT NULL                     -- JSON, without secrets
);
