/**
 * Programs that stop their process: whoever looks after it kills it and starts it anew, and all other runs come to
 * their end.
 */
import { system } from "@tenon/core/Actor"
import { RunJournal } from "@tenon/core/RunJournal"
import { RunStore } from "@tenon/core/RunStore"
import * as Migrations from "@tenon/sql/Migrations"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { registry, store, Work } from "../support/deadly-worker-child.ts"
import * as Scratch from "../support/ScratchDatabase.ts"
import * as TenonProcess from "../support/TenonProcess.ts"

const child = join(import.meta.dirname, "../support/deadly-worker-child.ts")
const tenantId = "deadly"
const deadly = ["in the program", "in a step"] as const
const harmless = Array.from({ length: 4 }, (_, index) => `harmless ${index}`)

it.live(
  "runs that stop every process which goes on with them are set aside, and those beside them are done",
  () =>
    Effect.gen(function* () {
      const { name, names } = yield* Scratch.scratch().pipe(
        Effect.tap((database) => Migrations.ensure({ registry, ...database.names }).pipe(Scratch.on(database)))
      )
      const url = Scratch.urlOf(name)
      yield* Effect.gen(function* () {
        const runs = yield* RunStore
        const journal = yield* RunJournal
        const put = (key: string, kind: string) =>
          runs.start({
            tenantId,
            workflow: Work.name,
            key,
            id: key,
            actor: system(tenantId),
            input: { kind },
            delayMillis: 0,
            fork: undefined,
            trace: undefined
          })
        for (const key of harmless.slice(0, 2)) yield* put(key, "harmless")
        for (const kind of deadly) yield* put(kind, kind)
        for (const key of harmless.slice(2)) yield* put(key, "harmless")
        const standing = (key: string) => journal.standing({ tenantId, workflow: Work.name, key })
        const statuses = Effect.forEach([...harmless, ...deadly], (key) =>
          Effect.map(standing(key), (now) => `${key}: ${now?.status}`)
        )
        const wanted = [...harmless.map((key) => `${key}: done`), ...deadly.map((key) => `${key}: paused`)]

        /** Kills the process where it gives no sign of life; gives whether it came to that before all was over. */
        const watched = Effect.scoped(
          Effect.gen(function* () {
            const worker = yield* TenonProcess.node([child, JSON.stringify({ url, roles: names })])
            yield* worker.says(/started/)
            for (let heard = 0; ;) {
              yield* Effect.sleep("1 second")
              if ((yield* statuses).join() === wanted.join()) return false
              const now = worker.said.stdout.length
              if (now === heard) return true
              heard = now
            }
          })
        )
        let killed = 0
        while (yield* watched) killed++
        // One may be at work beside another that stops the process.
        assert.isAtMost(killed, 3 * deadly.length)
        assert.isAtLeast(killed, 3)
        for (const key of deadly) assert.include((yield* standing(key))?.problem, "3 times in a row")
      }).pipe(Effect.provide(store(url, names)))
    }),
  180_000
)
