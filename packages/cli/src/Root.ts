/** The command that the others hang from, with the flags they share. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
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
