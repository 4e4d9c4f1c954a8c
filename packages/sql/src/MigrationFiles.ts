/**
 * The migrations directory: `NNNN_name.sql` files, generated and hand-written alike, applied in the order of their
 * numbers, of which none is left out.
 *
 * A file whose first comment lines hold `-- tenon:no-transaction` runs statement by statement; it must be such that it
 * can be run again when it was cut short.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { createHash } from "node:crypto"
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

const fileRule = /^(\d{4,})_[A-Za-z0-9_-]+\.sql$/
const marker = "-- tenon:no-transaction"

/** The first line of a file that is not to run in a transaction. */
export const noTransaction = marker

/**
 * The files of the directory in order, none missing between them or of those `generated`; none at all where the
 * directory does not exist.
 */
export const read = Effect.fnUntraced(function* (directory: string, generated: ReadonlyArray<string> = []) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* list(directory)
  const files: Array<MigrationFile> = []
  for (const name of names) {
    const number = numberOf(name)
    if (number === undefined) {
      return yield* new MigrationFilesInvalid({
        place: name,
        problem: "the name does not say when it runs",
        mend: "Call it `NNNN_what_it_does.sql`"
      })
    }
    const file = parse(name, number, yield* fs.readFileString(path.join(directory, name)))
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
  const gap = refuseGap(files, generated)
  return gap === undefined ? files : yield* gap
})

/** The names of the files, in no order, whatever they are; none where the directory does not exist. */
export const list = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* fs.exists(directory))) return []
  return (yield* fs.readDirectory(directory)).filter((name) => name.endsWith(".sql"))
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

/** Refuses files of which one is missing, since what comes after it builds on it. */
const refuseGap = (files: ReadonlyArray<MigrationFile>, generated: ReadonlyArray<string>) => {
  const known = new Map(generated.map((name) => [numberOf(name) ?? 0, name]))
  const there = new Set(files.map(({ number }) => number))
  const last = Math.max(0, ...there, ...known.keys())
  for (let number = 1; number <= last; number++) {
    if (there.has(number)) continue
    const name = known.get(number)
    return new MigrationFilesInvalid(
      name === undefined ? neverKnown(number, files) : { place: name, problem: lost, mend: restore }
    )
  }
  return undefined
}

const lost = "it was generated and is not among the files"
const restore =
  "Restore it from version control; where it was never applied anywhere, take it back with `tenon migrate undo`, after those that were generated since"

const neverKnown = (number: number, files: ReadonlyArray<MigrationFile>) => {
  const digits = padded(number)
  return {
    place: `${digits}_….sql`,
    problem: `no file has this number, and ${files.find((each) => each.number > number)?.name} comes after it`,
    mend: `Restore it from version control; where there never was one, put an empty \`${digits}_none.sql\` there`
  }
}

/** A number as names begin with it. */
export const padded = (number: number): string => String(number).padStart(4, "0")

/** The number that a name begins with; `undefined` where it is not the name of a migration. */
export const numberOf = (name: string): number | undefined => {
  const digits = fileRule.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** Writes the files, none of which may exist. */
export const write = Effect.fnUntraced(function* (
  directory: string,
  files: ReadonlyArray<{ readonly name: string; readonly sql: string }>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.makeDirectory(directory, { recursive: true })
  for (const { name, sql } of files) yield* fs.writeFileString(path.join(directory, name), sql, { flag: "wx" })
})
