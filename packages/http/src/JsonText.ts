/** Reads JSON that came from outside. What it may hold, the interpreter checks, as for every door. */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { MalformedBody } from "./HttpFailure.ts"

/** Parses a text. */
export const parse = (text: string): Result.Result<Schema.Json, MalformedBody> => {
  try {
    return Result.succeed(JSON.parse(text) as Schema.Json)
  } catch {
    // The engine's own message quotes the text, which may be secret.
    return Result.fail(new MalformedBody({ reason: "it is not well-formed JSON" }))
  }
}
