import { dirname } from "node:path";
import type { DatabaseSyncInstance, SqliteModule } from "@photostructure/sqlite";
import { makeFolder } from "../../make-folder.js";
import { QueueFileError } from "./queue-file-error.js";
import { APPLICATION_ID, MIGRATIONS } from "./schema.js";

export type Database = DatabaseSyncInstance;

/** At most this much of the write-ahead log stays on disk when it is empty. */
const LOG_BYTES = 64 * 2 ** 20;

/** SQLite's result codes: https://sqlite.org/rescode.html */
const BUSY = 5;
const NOT_A_DATABASE = 26;

/**
 * Opens the file of a queue, or makes it. This process alone has it until it is closed: locks of the operating system end with the process,
 * however it ends.
 * @throws QueueFileError
 */
export async function openDatabase(path: string): Promise<Database> {
  const { DatabaseSync } = await loadSqlite();
  await makeFolder(dirname(path));
  let database: Database | undefined;
  try {
    database = new DatabaseSync(path);
    // A server that is started again may meet its predecessor's last moment.
    database.exec("PRAGMA busy_timeout = 1000");
    refuseForeign(database, path);
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    // FULL syncs the log at each commit: what is on record also survives a loss of power. It costs about 2 ms a change of a job.
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = ${LOG_BYTES}`,
    );
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    throw fileError(error, path);
  }
}

/** Closes the file, and leaves it whole in one piece. */
export function closeDatabase(database: Database): void {
  // The package keeps its lock, with the statements, until they are collected as garbage. So the lock is given up: first the log, then the
  // mode, by a read.
  try {
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT count(*) FROM sqlite_schema");
  } finally {
    database.close();
  }
}

/** Does all of it or nothing. */
export function transaction<T>(database: Database, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    try {
      database.exec("ROLLBACK");
    } catch {
      // Some errors, such as a full disk, have ended the transaction already.
    }
    throw error;
  }
}

/** SQLite is built into Node from 22.13 on. Before, a package has the same interface. */
export async function loadSqlite(): Promise<Pick<SqliteModule, "DatabaseSync">> {
  return builtInSqlite() ?? (await import("@photostructure/sqlite"));
}

/**
 * Without Node's warning that its interface might change: our tests know what we use of it, and the reader of a server's log can do nothing
 * about it.
 */
function builtInSqlite(): Pick<SqliteModule, "DatabaseSync"> | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule?.("node:sqlite") as Pick<SqliteModule, "DatabaseSync"> | undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Writes a little, and changes nothing: whether the disk takes it. */
export function touch(database: Database): void {
  transaction(database, () => database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`));
}

function refuseForeign(database: Database, path: string): void {
  const version = pragma(database, "user_version");
  const isOurs = pragma(database, "application_id") === APPLICATION_ID;
  const isEmpty = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get().n === 0;
  if (!isOurs && !isEmpty) throw new QueueFileError(`${path} is a database of another program`, { hint: "choose another folder" });
  if (isOurs && version > MIGRATIONS.length) {
    throw new QueueFileError(
      `${path} has version ${version} of the queue's format; this darkroom-server knows versions up to ${MIGRATIONS.length}`,
      {
        hint: "update darkroom-server, or choose another folder",
      },
    );
  }
}

function migrate(database: Database): void {
  const version = pragma(database, "user_version");
  transaction(database, () => {
    for (const step of MIGRATIONS.slice(version)) database.exec(step);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

function pragma(database: Database, name: "user_version" | "application_id"): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()[name]);
}

function fileError(error: unknown, path: string): unknown {
  if (!(error instanceof Error && "errcode" in error)) return error;
  const hint = "choose another folder";
  // The lowest byte is the kind of error; the others are details.
  switch (Number(error.errcode) & 0xff) {
    case BUSY:
      return new QueueFileError(`${path} is in use by another process`, {
        hint: `stop the other server, or ${hint}; servers that share jobs need Redis`,
        cause: error,
      });
    case NOT_A_DATABASE:
      return new QueueFileError(`${path} is not a database`, { hint, cause: error });
    default:
      return new QueueFileError(`${path} cannot be opened: ${error.message}`, {
        hint: `check that it can be read and written, or ${hint}`,
        cause: error,
      });
  }
}
