/** Starts an embedded Restate, prints what it is, and waits to be killed. */
import * as Effect from "effect/Effect"
import * as EmbeddedRestate from "@tenon/embedded/EmbeddedRestate"

const baseDir = process.argv[2]

Effect.runFork(
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* EmbeddedRestate.start({ baseDir })
      console.log(
        JSON.stringify({
          pid: yield* server.pid,
          adminUrl: server.adminUrl,
          baseDir: server.baseDir,
          identityKey: server.identityKey
        })
      )
      return yield* Effect.never
    })
  )
)
