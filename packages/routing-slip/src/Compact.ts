/**
 * The compact spelling of a JWS or a JWE: parts in base64url, with dots between them. A reader that lets padding,
 * spaces or other unused bits pass takes several texts for one, and each has another digest. Here only the one spelling
 * counts that RFC 7515 section 2 has.
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as StrictJson from "./StrictJson.ts"

const isCanonical = (part: string): boolean => Buffer.from(part, "base64url").toString("base64url") === part

/** The parts of a text, if there are so many of them and each is spelled in the one way. */
export const partsOf = (text: string, count: number): ReadonlyArray<string> | undefined => {
  const parts = text.split(".")
  return parts.length === count && parts.every(isCanonical) ? parts : undefined
}

/** The JSON in a part; undefined where it is none. */
export const jsonIn = (part: string | undefined): Schema.Json | undefined => {
  const json = StrictJson.parseBytes(Buffer.from(part ?? "", "base64url"))
  return Result.isSuccess(json) ? json.success : undefined
}
