/**
 * The migrations directory: `NNNN_name.sql` files, generated and hand-written alike, applied in the order of their
 * numbers, and `snapshot.json`, the model that they lead to.
 *
 * A file whose first comment lines hold `-- tenon:no-transaction` runs statement by statement; it must be such that it
 * can be run again when it was cut short.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import * as DatabaseModel from "./DatabaseModel.ts"
import { MigrationFilesInvalid } from "./MigrationFailure.ts"
import * as SqlText from "./SqlText.ts"

/** One migration as it lies in the directory. */
export interface MigrationFile {
  /** As in `0001_init.sql`. */
  readonly name: string
  readonly number: number
  readonly sql: string
  /** SHA-256 of the text with line feeds only, in hexadecimal. */
  readonly checksum: string
  readonly transaction: boolean
  readonly statements: ReadonlyArray<SqlText.Statement>
}

const snapshotName = "snapshot.json"
const fileRule = /^(\d{4,})_[A-Za-z0-9_-]+\.sql$/
const marker = "-- tenon:no-transaction"

/** The first line of a file that is not to run in a transaction. */
export const noTransaction = marker

/** The files of the directory in order; none where it does not exist. */
export const read = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  if (!(yield* fs.exists(directory))) return []
  const names = (yield* fs.readDirectory(directory)).filter((name) => name.endsWith(".sql"))
  const files: Array<MigrationFile> = []
  for (const name of names) {
    const number = fileRule.exec(name)?.[1]
    if (number === undefined) {
      return yield* new MigrationFilesInvalid({
        place: name,
        problem: "the name does not say when it runs",
        mend: "Call it `NNNN_what_it_does.sql`"
      })
    }
    const file = parse(name, Number(number), yield* fs.readFileString(path.join(directory, name)))
    const control = file.statements.find(isTransactionControl)
    if (control !== undefined) {
      return yield* new MigrationFilesInvalid({
        place: `${name}:${control.line}`,
        problem: `"${SqlText.words(control.sql, 2).join(" ")}" would take the transaction out of the runner's hands`,
        mend: `Leave it out; each file is a transaction of its own, or put \`${marker}\` at its top`
      })
    }
    files.push(file)
  }
  files.sort((a, b) => a.number - b.number)
  const twice = files.find((file, index) => files[index - 1]?.number === file.number)
  if (twice !== undefined) {
    return yield* new MigrationFilesInvalid({
      place: twice.name,
      problem: "another file has the same number",
      mend: "Give the one that is not applied yet the next free number"
    })
  }
  return files
})

/** The checksum of a file's text, line feeds only. */
export const checksumOf = (sql: string): string => createHash("sha256").update(sql).digest("hex")

const parse = (name: string, number: number, text: string): MigrationFile => {
  const sql = text.replace(/^\ufeff/, "").replace(/\r\n/g, "\n")
  const head = /^(?:[ \t]*(?:--[^\n]*)?\n)*/.exec(sql)?.[0] ?? ""
  return {
    name,
    number,
    sql,
    checksum: checksumOf(sql),
    transaction: !head.split("\n").some((line) => line.trim() === marker),
    statements: SqlText.split(sql)
  }
}

const isTransactionControl = ({ sql }: SqlText.Statement): boolean => {
  const [first, second] = SqlText.words(sql, 2)
  return (
    ["begin", "commit", "end", "rollback", "abort", "savepoint", "release"].includes(first ?? "") ||
    (first === "start" && second === "transaction") ||
    (first === "prepare" && second === "transaction")
  )
}

const Snapshot = Schema.fromJsonString(Schema.Struct({ format: Schema.Literal(1), model: DatabaseModel.Model }))
const decodeSnapshot = Schema.decodeUnknownEffect(Snapshot)

/** The model that the files lead to; `undefined` where no migration was generated yet. */
export const readSnapshot = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(directory, snapshotName)
  if (!(yield* fs.exists(file))) return undefined
  const text = yield* fs.readFileString(file)
  const { model } = yield* decodeSnapshot(text).pipe(
    Effect.mapError(
      (error) =>
        new MigrationFilesInvalid({
          place: snapshotName,
          problem: `it cannot be read: ${error.message}`,
          mend: "Restore it from version control; after a merge conflict take one side, and generate again"
        })
    )
  )
  return model
})

/** Writes the files, none of which may exist, and then the snapshot. */
export const write = (
  directory: string,
  files: ReadonlyArray<{ readonly name: string; readonly sql: string }>,
  model: DatabaseModel.Model
): Effect.Effect<void, PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* fs.makeDirectory(directory, { recursive: true })
    for (const { name, sql } of files) yield* fs.writeFileString(path.join(directory, name), sql, { flag: "wx" })
    yield* fs.writeFileString(path.join(directory, snapshotName), `${JSON.stringify({ format: 1, model }, null, 2)}\n`)
  })
