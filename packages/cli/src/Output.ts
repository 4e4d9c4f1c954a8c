/** How commands print: sentences and tables for people, one JSON value for machines. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Schema from "effect/Schema"
import { writeFileSync } from "node:fs"
import * as Printable from "./Printable.ts"

/** `--json`, shared by all commands. */
export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print one JSON value instead of text"),
  Flag.withDefault(false)
)

/** Prints a value as JSON where asked, and its text otherwise. */
export const print = (asJson: boolean, value: unknown, text: string): Effect.Effect<void> =>
  Console.log(asJson ? JSON.stringify(value) : Printable.lines(text))

/** Rows under headings, in columns as wide as they need. */
export const table = (headings: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [headings, ...rows.map((row) => row.map(Printable.line))]
  const widths = headings.map((_, index) => Math.max(...all.map((row) => (row[index] ?? "").length)))
  return all
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

/** A file cannot be written. */
export class FileUnwritable extends Schema.TaggedError<FileUnwritable>()("FileUnwritable", {
  message: Schema.String
}) {}

/** Writes a file, for its owner only where it is secret. */
export const write = (
  path: string,
  content: string | Uint8Array,
  options: { readonly secret?: boolean } = {}
): Effect.Effect<void, FileUnwritable> =>
  Effect.try({
    try: () => writeFileSync(path, content, options.secret === true ? { mode: 0o600 } : {}),
    catch: (error) =>
      new FileUnwritable({ message: error instanceof Error ? error.message : `${path} cannot be written` })
  })
