/** Marks the file as a queue of jobs: "dkrq". */
export const APPLICATION_ID = 0x646b7271;

/** The steps from an empty file to the newest version; a file of version n has had the first n. Steps that were released never change. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- the order in which they came
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    key TEXT,
    fingerprint TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    front INTEGER NOT NULL DEFAULT 0, -- 1: goes before everyone's others, since it has run already
    crashes INTEGER NOT NULL DEFAULT 0, -- runs that did not end; a run counts from before its start
    event INTEGER NOT NULL, -- the number of the event of its last change
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    outcome TEXT, -- the result of a job that is done, the error of one that failed
    job TEXT NOT NULL,
    pictures TEXT -- of its request, as long as it is live
  ) STRICT;
  -- The queue is read from these alone, without the long texts.
  CREATE INDEX jobs_waiting ON jobs (owner, number, front, model, id) WHERE state = 'waiting';
  CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
  CREATE UNIQUE INDEX jobs_key ON jobs (owner, key) WHERE key IS NOT NULL;
  CREATE INDEX jobs_ended ON jobs (ended_at, number, started_at, state) WHERE ended_at IS NOT NULL;

  CREATE TABLE turns (owner TEXT PRIMARY KEY, turn INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE pictures (
    id TEXT PRIMARY KEY,
    job INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    picture TEXT NOT NULL
  ) STRICT;
  CREATE INDEX pictures_job ON pictures (job);
  CREATE INDEX pictures_hash ON pictures (hash);

  -- What the result store is to delete, and since when no job has it.
  CREATE TABLE expired (hash TEXT PRIMARY KEY, expired_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
];
