/**
 * Looks for runs that their runtime has lost, so that no thread waits for one until somebody comes by: one whose row
 * says that it goes on, and of which the runtime knows nothing, is started again as `AgentRun.resume` does. So is one
 * that was killed, of which the runtime knows but that it is over.
 *
 * Rows of all tenants are read a page at a time, each tenant's under its own row security. Any number of processes may
 * look: a run is started once per key, so that one which is alive, or about to begin, takes no notice. Only a runtime
 * that keeps its journal elsewhere than the rows (Restate) can lose a run; over others this finds nothing.
 */
import { CurrentActor, system } from "@tenon/core/Actor"
import type { ActionFailure } from "@tenon/core/Failure"
import { NewId } from "@tenon/core/NewId"
import { Repository } from "@tenon/core/Repository"
import type * as Resource from "@tenon/core/Resource"
import { Runtime } from "@tenon/core/Runtime"
import { Tenants } from "@tenon/core/Tenants"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { AgentRun, isOver, principalOf, reviveRun, RunAgent } from "./AgentRun.ts"

type Run = Resource.Row<typeof AgentRun>

/** How often to look. */
export interface Options {
  /** The pause between two looks, and how long a run is left alone after it has changed. Default: 30 seconds. */
  readonly every?: Duration.Input | undefined
}

/** How many tenants, and how many runs of one, are read at once. */
const page = 100

/** How many runs the runtime is asked about at once. */
const concurrency = 4

/** Whether its runtime knows nothing of it or has ended it, though it should go on. */
const isLost = Effect.fnUntraced(function* ({ id }: Run, tenantId: string) {
  const runtime = yield* Runtime
  if (yield* runtime.isAlive({ tenantId, workflow: RunAgent.name, key: id })) return false
  // It may have ended since it was read. One that ends by itself has said so in its row before.
  const repository = yield* Repository
  const now = yield* Effect.catchTag(repository.get(AgentRun, id), "NotFound", () => Effect.undefined)
  return now !== undefined && !isOver(now.status)
})

/** Goes on with it as whoever asked for it. */
const goOn = Effect.fnUntraced(function* (run: Run, tenantId: string) {
  const runtime = yield* Runtime
  // Without this one goes on that is lost entirely; one that was killed waits for the next look.
  yield* Effect.ignore(runtime.forget({ tenantId, workflow: RunAgent.name, key: run.id }))
  const once = (yield* NewId)(yield* Clock.currentTimeMillis)
  yield* runtime.deliver(
    { ...principalOf(run), tenantId },
    {
      _tag: "Send",
      resource: reviveRun.resource,
      action: reviveRun.name,
      key: run.threadId,
      input: { runId: run.id },
      delayMillis: 0
    },
    `lost-${once}`
  )
  yield* Effect.logWarning("A run that its runtime has lost goes on").pipe(
    Effect.annotateLogs({ run: run.id, tenant: tenantId })
  )
})

const ofTenant = Effect.fnUntraced(function* (tenantId: string, before: number) {
  const repository = yield* Repository
  return yield* repository
    .stream(AgentRun, {
      filters: [
        { field: "status", operator: "in", value: "RUNNING,WAITING" },
        { field: "updatedAt", operator: "lt", value: new Date(before).toISOString() }
      ],
      sort: "updatedAt",
      limit: String(page)
    })
    .pipe(
      Stream.mapEffect(
        (run) =>
          Effect.flatMap(isLost(run, tenantId), (lost) =>
            lost ? Effect.as(goOn(run, tenantId), 1) : Effect.succeed(0)
          ),
        { concurrency, unordered: true }
      ),
      Stream.runSum,
      Effect.provideService(CurrentActor, system(tenantId))
    )
})

/** Looks once, at the runs of all tenants that have not changed for so long; gives how many of them were lost. */
export const look = Effect.fn("LostRuns.look")(function* (
  unchanged: Duration.Input
): Effect.fn.Return<number, ActionFailure, Tenants | Repository | Runtime> {
  const tenants = yield* Tenants
  const before = (yield* Clock.currentTimeMillis) - Duration.toMillis(unchanged)
  let lost = 0
  for (let after = ""; ;) {
    const some = yield* tenants.atWork(after, page)
    for (const tenantId of some) lost += yield* ofTenant(tenantId, before)
    after = some.at(-1) ?? ""
    if (some.length < page) return lost
  }
})

/** Where there is so much to look at that it takes long, looking takes this share of the time at most. */
const share = 1 / 10

/** Looks again and again for as long as it is provided. */
export const layer = ({ every = "30 seconds" }: Options = {}): Layer.Layer<
  never,
  never,
  Tenants | Repository | Runtime
> =>
  Layer.effectDiscard(
    look(every).pipe(
      Effect.catch(({ message }) => Effect.logWarning("Lost runs could not be looked for", message)),
      Effect.catchDefect((defect) => Effect.logError("Lost runs could not be looked for", defect)),
      Effect.timed,
      Effect.flatMap(([took]) =>
        Effect.sleep(Duration.max(Duration.fromInputUnsafe(every), Duration.times(took, 1 / share - 1)))
      ),
      Effect.forever,
      Effect.delay(every),
      Effect.forkScoped
    )
  )
