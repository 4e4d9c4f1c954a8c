/** Starts an embedded PostgreSQL, prints what it is, and waits to be killed. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"

const dataDir = process.argv[2]

Effect.runFork(
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* EmbeddedPostgres.start({ dataDir, fsync: false })
      const pid = yield* server.pid
      console.log(JSON.stringify({ pid, port: server.port, dataDir: server.dataDir, url: Redacted.value(server.url) }))
      return yield* Effect.never
    })
  )
)
