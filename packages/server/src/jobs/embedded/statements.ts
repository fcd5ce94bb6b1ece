import type { StatementSyncInstance } from "@photostructure/sqlite";
import type { Database } from "./database.js";

type Value = string | number | null;

/** SQL with its statements prepared once. The caller knows the rows that its SQL gives. */
export class Statements {
  readonly #database: Database;
  readonly #prepared = new Map<string, StatementSyncInstance>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** The first row. */
  get<Row>(sql: string, ...values: readonly Value[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined;
  }

  all<Row>(sql: string, ...values: readonly Value[]): Row[] {
    return this.#prepare(sql).all(...values) as Row[];
  }

  /** @returns the number of rows that it changed */
  run(sql: string, ...values: readonly Value[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  #prepare(sql: string): StatementSyncInstance {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#prepared.set(sql, statement);
    return statement;
  }
}
