/** `tenon slip verify`: whether a slip's file proves what it says, with nothing but the file and the key set. */
import * as Keys from "@tenon/routing-slip/Keys"
import * as Verify from "@tenon/routing-slip/Verify"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as Output from "./Output.ts"
import { print, root } from "./Root.ts"

/** A file cannot be read, or is not what it should be. */
export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  message: Schema.String
}) {}

/** The file proves nothing. */
export class NotProven extends Schema.TaggedError<NotProven>()("NotProven", {
  reason: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `Not proven: ${this.reason}: ${this.detail}`
  }
}

const bytesOf = (path: string) =>
  Effect.try({
    try: (): Uint8Array => readFileSync(path),
    catch: (error) => new FileUnreadable({ message: error instanceof Error ? error.message : `${path} cannot be read` })
  })

const keySet = Effect.fnUntraced(function* (path: string) {
  const bytes = yield* bytesOf(path)
  return yield* Effect.try({
    try: (): unknown => JSON.parse(new TextDecoder().decode(bytes)),
    catch: () => new FileUnreadable({ message: `${path} is not JSON` })
  })
})

export const verify = Command.make(
  "verify",
  {
    file: Argument.String("file").pipe(Argument.withDescription("The message, as `tenon slip export` writes it")),
    keys: Flag.String("keys").pipe(Flag.withDescription("The key set (JWKS) of the mesh, as a file"))
  },
  Effect.fn(function* ({ file, keys }) {
    const { json } = yield* root
    const body = yield* bytesOf(file)
    const known = Keys.layer(yield* keySet(keys)).pipe(
      Layer.catch(({ message }) =>
        Layer.effect(Keys.Keys, Effect.fail(new FileUnreadable({ message: `${keys} is not a key set: ${message}` })))
      )
    )
    const found = yield* Effect.result(Effect.provide(Verify.verify(body), known))
    if (Result.isSuccess(found)) {
      return yield* print({ proven: true, ...found.success }, textOf(found.success))
    }
    const { failure } = found
    if (failure._tag !== "Refused") return yield* failure
    const { detail, reason } = failure
    if (json) yield* Output.print(true, { proven: false, reason, detail }, "")
    return yield* new NotProven({ reason, detail })
  })
).pipe(Command.withDescription("Check the signed log of a slip offline; fails with the reason where it proves nothing"))

const textOf = (report: Verify.Report): string => {
  const rows = report.entries.map(({ at, index, kid, what }) => [String(index), new Date(at).toISOString(), what, kid])
  return [
    `proven:   the slip ${report.correlationId} of ${report.tenantId} is ${report.outcome}`,
    ...(report.notUndone.length === 0 ? [] : [`standing: steps ${report.notUndone.join(", ")} were not undone`]),
    "",
    Output.table(["ENTRY", "AT", "WHAT", "SIGNED BY"], rows)
  ].join("\n")
}
