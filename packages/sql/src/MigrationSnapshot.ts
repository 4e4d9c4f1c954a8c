/**
 * `snapshot.json`: the model that the migration files lead to, and what each generation wrote and was made from, so
 * that a file that was lost is missed, and a generation that was never applied can be taken back.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as DatabaseModel from "./DatabaseModel.ts"
import { MigrationFilesInvalid } from "./MigrationFailure.ts"

/** A model by what the one after it does not have, or has otherwise: a table that stayed as it is only named. */
const Before = Schema.Struct({
  ...DatabaseModel.Model.fields,
  tables: Schema.Array(Schema.Union([Schema.String, DatabaseModel.Table]))
})

/** The files that were written at once, and the model before them: null where there was none. */
const Generation = Schema.Struct({ files: Schema.Array(Schema.String), before: Schema.NullOr(Before) })
interface Generation extends Schema.Schema.Type<typeof Generation> {}

/** What the file holds. The oldest generations may be unknown: they were made before any were remembered. */
export interface Snapshot {
  readonly model: DatabaseModel.Model
  /** The oldest first. */
  readonly history: ReadonlyArray<Generation>
}

const name = "snapshot.json"
const Contents = Schema.fromJsonString(
  Schema.Struct({
    format: Schema.Literal(1),
    model: DatabaseModel.Model,
    history: Schema.optionalKey(Schema.Array(Generation))
  })
)
const decode = Schema.decodeUnknownEffect(Contents)

const placeIn = Effect.fnUntraced(function* (directory: string) {
  const path = yield* Path.Path
  return path.join(directory, name)
})

/** What was remembered; `undefined` where no migration was generated yet. */
export const read = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* placeIn(directory)
  if (!(yield* fs.exists(file))) return undefined
  const text = yield* fs.readFileString(file)
  const { history = [], model } = yield* decode(text).pipe(
    Effect.mapError(
      (error) =>
        new MigrationFilesInvalid({
          place: name,
          problem: `it cannot be read: ${error.message}`,
          mend: "Restore it from version control; after a merge conflict take one side, and generate again"
        })
    )
  )
  const snapshot: Snapshot = { model, history }
  return snapshot
})

/** The snapshot after a generation. */
export const next = (
  before: Snapshot | undefined,
  model: DatabaseModel.Model,
  files: ReadonlyArray<string>
): Snapshot => ({
  model,
  history: [...(before?.history ?? []), { files, before: before === undefined ? null : apart(before.model, model) }]
})

/** The snapshot before its last generation; `undefined` where that was the first. */
export const previous = ({ history, model }: Snapshot): Snapshot | undefined => {
  const before = history.at(-1)?.before
  return before === null || before === undefined
    ? undefined
    : { model: together(before, model), history: history.slice(0, -1) }
}

const apart = (before: DatabaseModel.Model, after: DatabaseModel.Model): typeof Before.Type => ({
  ...before,
  tables: before.tables.map((table) => {
    const found = DatabaseModel.table(after, table)
    return Equal.equals(found, table) ? `${table.schema}.${table.name}` : table
  })
})

const together = (before: typeof Before.Type, after: DatabaseModel.Model): DatabaseModel.Model => {
  const named = new Map(after.tables.map((table) => [`${table.schema}.${table.name}`, table]))
  return {
    ...before,
    tables: before.tables.flatMap((table) => (typeof table === "string" ? (named.get(table) ?? []) : [table]))
  }
}

/** Writes it down; takes it away where there is none. */
export const write = Effect.fnUntraced(function* (directory: string, snapshot: Snapshot | undefined) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* placeIn(directory)
  yield* snapshot === undefined ? fs.remove(file) : fs.writeFileString(file, render(snapshot))
})

/** The model is there to be read in a review, a line for each thing; a generation that is past takes one. */
const render = ({ history, model }: Snapshot): string => {
  const open = JSON.stringify({ format: 1, model }, null, 2).slice(0, -"\n}".length)
  const lines = history.map((each) => `    ${JSON.stringify(each)}`).join(",\n")
  return history.length === 0 ? `${open}\n}\n` : `${open},\n  "history": [\n${lines}\n  ]\n}\n`
}
