/** The command that the others hang from, with the flags they share. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Output from "./Output.ts"

export const root = Command.make("tenon").pipe(
  Command.withSharedFlags({
    config: Flag.String("config").pipe(
      Flag.withAlias("c"),
      Flag.withDescription("The application's configuration file"),
      Flag.withDefault("tenon.config.ts")
    ),
    json: Output.json
  }),
  Command.withDescription("Run, migrate, explain and check a Tenon application")
)

/** Prints what a command has to say: a value where `--json` is given, its text otherwise. */
export const print = Effect.fnUntraced(function* (value: unknown, text: string) {
  const { json } = yield* root
  yield* Output.print(json, value, text)
})
