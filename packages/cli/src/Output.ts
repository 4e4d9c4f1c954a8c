/** How commands print: sentences and tables for people, one JSON value for machines. */
import * as Console from "effect/Console"
import type * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"

/** `--json`, shared by all commands. */
export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print one JSON value instead of text"),
  Flag.withDefault(false)
)

/** Prints a value as JSON where asked, and its text otherwise. */
export const print = (asJson: boolean, value: unknown, text: string): Effect.Effect<void> =>
  Console.log(asJson ? JSON.stringify(value) : text)

/** Rows under headings, in columns as wide as they need. */
export const table = (headings: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [headings, ...rows]
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
