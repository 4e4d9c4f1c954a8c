/** What can go wrong when migrations are made or applied. Each says what to do about it. */
import * as Schema from "effect/Schema"

/** A change that would lose data, that cannot be known to succeed, or that no one should make without looking. */
export const Hazard = Schema.Struct({
  /** To be named in `approve`. */
  name: Schema.String,
  problem: Schema.String,
  mend: Schema.String
})
export interface Hazard extends Schema.Struct.Type<typeof Hazard.fields> {}

/** The declared change is not made without approval by name. Nothing was written. */
export class MigrationRefused extends Schema.TaggedError<MigrationRefused>()("MigrationRefused", {
  hazards: Schema.Array(Hazard)
}) {
  override get message() {
    return `No migration was written:\n${this.hazards
      .map(({ name, problem, mend }) => `  ${problem}. ${mend}. To go on as it is: \`--approve ${name}\`.`)
      .join("\n")}`
  }
}

/** The migrations directory cannot be used as it is. */
export class MigrationFilesInvalid extends Schema.TaggedError<MigrationFilesInvalid>()("MigrationFilesInvalid", {
  place: Schema.String,
  problem: Schema.String,
  mend: Schema.String
}) {
  override get message() {
    return `${this.place}: ${this.problem}. ${this.mend}.`
  }
}

/** The files and what the database says was applied contradict each other. Nothing was applied. */
export class MigrationConflict extends Schema.TaggedError<MigrationConflict>()("MigrationConflict", {
  file: Schema.String,
  problem: Schema.String,
  mend: Schema.String
}) {
  override get message() {
    return `${this.file}: ${this.problem}. ${this.mend}.`
  }
}

/** A statement failed. What its transaction did is undone; files before it stay applied. */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()("MigrationFailed", {
  file: Schema.String,
  /** The line on which the statement begins. */
  line: Schema.Int,
  statement: Schema.String,
  reason: Schema.String,
  sqlState: Schema.String,
  mend: Schema.String
}) {
  override get message() {
    return `${this.file}:${this.line}: ${this.reason} (SQLSTATE ${this.sqlState}). ${this.mend}.`
  }
}

/** Another process is migrating this database and did not finish in time. */
export class MigrationLocked extends Schema.TaggedError<MigrationLocked>()(
  "MigrationLocked",
  {
    waitedMillis: Schema.Int
  },
  { retryable: true }
) {
  override get message() {
    return `Another process is migrating this database; gave up after ${this.waitedMillis} ms. Try again when it is done.`
  }
}

/** The database is neither empty nor as it should be, so it cannot be set up without migrations. */
export class DatabaseDiffers extends Schema.TaggedError<DatabaseDiffers>()("DatabaseDiffers", {
  findings: Schema.Array(Schema.Struct({ place: Schema.String, problem: Schema.String, mend: Schema.String }))
}) {
  override get message() {
    return `The database is neither empty nor as declared:\n${this.findings
      .map(({ place, problem, mend }) => `  ${place}: ${problem}. ${mend}.`)
      .join("\n")}\nMend these, or use an empty database; what was made with migrations goes on with migrations.`
  }
}
