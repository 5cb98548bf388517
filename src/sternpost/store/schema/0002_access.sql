-- Version 2. Who may use the console. Tokens are kept as SHA-256 of 128 and more random bits, passwords stretched by scrypt.

CREATE TABLE setups (                       -- the one-time address that was printed last, until it is used
  token_hash BLOB PRIMARY KEY,
  expires_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (                     -- browsers that are signed in
  token_hash BLOB PRIMARY KEY,
  role       TEXT NOT NULL,
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE passwords (
  name       TEXT PRIMARY KEY,              -- of the user; so far there is one, owner
  role       TEXT NOT NULL,
  password   TEXT NOT NULL,                 -- scrypt$n$r$p$salt$hash
  changed_at REAL NOT NULL
) WITHOUT ROWID;
