/** The tables of a state as the first version made them. */
export const firstVersion = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE member (
    room BLOB NOT NULL, seed BLOB NOT NULL,
    seq INTEGER NOT NULL, hash BLOB, complete INTEGER NOT NULL, handed_over INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE sender (
    member BLOB PRIMARY KEY, n INTEGER NOT NULL, name TEXT NOT NULL, may_jump INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE outbox (n INTEGER PRIMARY KEY, envelope BLOB NOT NULL) STRICT;
  PRAGMA application_id = ${0x534b5943};
  PRAGMA user_version = 1;
`;

/** The same of the second, which kept messages until they were confirmed. */
export const secondVersion = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE member (
    room BLOB NOT NULL, seed BLOB NOT NULL,
    seq INTEGER NOT NULL, hash BLOB, complete INTEGER NOT NULL, handed_over INTEGER NOT NULL,
    last_draft INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0, cipher BLOB
  ) STRICT;
  CREATE TABLE sender (
    member BLOB PRIMARY KEY, n INTEGER NOT NULL, name TEXT NOT NULL, may_jump INTEGER NOT NULL,
    drafts BLOB NOT NULL DEFAULT x''
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE outbox (
    draft INTEGER PRIMARY KEY, id BLOB, record BLOB, n INTEGER UNIQUE, envelope BLOB
  ) STRICT;
  CREATE TABLE set_aside (draft INTEGER PRIMARY KEY, id BLOB, record BLOB) STRICT;
  CREATE TABLE message (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
  PRAGMA application_id = ${0x534b5943};
  PRAGMA user_version = 2;
`;
