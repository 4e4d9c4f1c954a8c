/** The events of runs in this process. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RunEventBuffer from "./RunEventBuffer.ts"
import { maxKept, type RunEvent, RunEvents } from "./RunEvents.ts"

interface Log {
  events: Array<RunEvent>
  last: number
  readonly keys: Set<string>
}

/** Keeps events until the process ends. */
export const layer: Layer.Layer<RunEvents> = Layer.effect(
  RunEvents,
  Effect.gen(function* () {
    const logs = new Map<string, Log>()
    const logOf = (tenantId: string, run: string) => {
      const id = JSON.stringify([tenantId, run])
      const log = logs.get(id) ?? { events: [], last: 0, keys: new Set<string>() }
      logs.set(id, log)
      return log
    }
    const buffer = yield* RunEventBuffer.make((actor, run, drafts) =>
      Effect.sync(() => {
        const log = logOf(actor.tenantId, run)
        for (const { data, key, type } of RunEventBuffer.chosen(drafts, log.keys)) {
          if (key !== undefined) log.keys.add(key)
          log.events.push({ seq: ++log.last, type, data })
        }
        if (log.events.length > maxKept) log.events = log.events.slice(-maxKept)
      })
    )
    return RunEvents.of({
      ...buffer,
      read: (actor, run, after, limit) =>
        Effect.sync(() => {
          const { events, last } = logOf(actor.tenantId, run)
          const first = events[0]?.seq ?? last + 1
          const from = Math.max(0, after + 1 - first)
          return { events: events.slice(from, from + limit), first, last }
        })
    })
  })
)
