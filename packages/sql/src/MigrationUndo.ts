/** Takes a generation back that was never applied: its files are removed, and the snapshot is as it was before. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { MigrationConflict, MigrationFilesInvalid } from "./MigrationFailure.ts"
import * as MigrationFiles from "./MigrationFiles.ts"
import * as MigrationSnapshot from "./MigrationSnapshot.ts"

/** What is taken back, and what is known of where it may have been applied. */
export interface Options {
  readonly directory: string
  /** The names of what a database says was applied, as `MigrationRun.applied` gives them. */
  readonly applied?: ReadonlyArray<string>
}

/** Takes back what was generated last; returns the names of its files. Of those, some may be gone already. */
export const undo = Effect.fn("MigrationUndo.undo")(function* ({ applied = [], directory }: Options) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const snapshot = yield* MigrationSnapshot.read(directory)
  const removed = snapshot?.history.at(-1)?.files
  if (snapshot === undefined || removed === undefined) {
    return yield* new MigrationFilesInvalid({
      place: directory,
      problem:
        snapshot === undefined ? "nothing was generated yet" : "snapshot.json does not remember what it was before",
      mend: snapshot === undefined ? "Run `tenon migrate generate` first" : byHand
    })
  }
  const files = yield* MigrationFiles.list(directory)
  const numbers = new Set(removed.map(MigrationFiles.numberOf))
  const last = Math.max(...removed.map((name) => MigrationFiles.numberOf(name) ?? 0))
  const later = files.toSorted().find((name) => (MigrationFiles.numberOf(name) ?? 0) > last)
  if (later !== undefined) {
    return yield* new MigrationConflict({
      file: later,
      problem: `it comes after ${removed.at(-1)}, which is to be taken back`,
      mend: "Where it was never applied either, put it aside first, and give it the next free number afterwards"
    })
  }
  const done = applied.find((name) => removed.includes(name) || numbers.has(MigrationFiles.numberOf(name)))
  if (done !== undefined) {
    return yield* new MigrationConflict({
      file: done,
      problem: "it is applied to this database",
      mend: "Keep it: change the declarations, and generate a migration that leads on from it"
    })
  }
  const there = files.filter((name) => numbers.has(MigrationFiles.numberOf(name)))
  // The newest first, and the snapshot last: what is cut short can be done again.
  for (const name of there.toSorted().toReversed()) yield* fs.remove(path.join(directory, name))
  yield* MigrationSnapshot.write(directory, MigrationSnapshot.previous(snapshot))
  return { removed }
})

const byHand =
  "Remove the file, and take snapshot.json back to the commit before it, as with `git log -- snapshot.json` and `git checkout COMMIT -- snapshot.json`"
