/**
 * Settings of which not every value will do: one that will not is refused by its name, before anything is begun with
 * it.
 */
import * as Config from "effect/Config"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const Address = Schema.String.check(
  Schema.makeFilter((text) => /^https?:\/\//i.test(text) && URL.canParse(text), {
    expected: "an address that begins with http:// or https://"
  })
)

/** Where something answers over HTTP, without the slash at its end. */
export const url = (name: string): Config.Config<string> =>
  Config.schema(Address, name).pipe(Config.map((address) => address.replace(/\/+$/, "")))

const Port = Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 65_535 }))

/** A port to listen on; 0 takes a free one. */
export const port = (name: string): Config.Config<number> => Config.schema(Port, name)

const Count = Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))

/** How many of something there are at most. */
export const count = (name: string): Config.Config<number> => Config.schema(Count, name)

/** A secret of so many bytes at least. */
export const secret = (name: string, bytes: number): Config.Config<Redacted.Redacted> =>
  Config.schema(
    Schema.RedactedFromValue(
      Schema.String.check(
        Schema.makeFilter((text) => new TextEncoder().encode(text).length >= bytes, {
          expected: `a secret of ${bytes} bytes at least`
        })
      )
    ),
    name
  )
