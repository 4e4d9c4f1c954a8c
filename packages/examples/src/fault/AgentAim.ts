/** Brings a run of an agent to where its process is to be killed, and finds out afterwards whether it was there. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type AgentLedger, all, openThread, postTo, type Row, type Struck, type Where } from "./AgentLedger.ts"
import { type Dwell, dwells } from "./FaultAgents.ts"

const until = <A, E, R>(look: Effect.Effect<A | undefined, E, R>) =>
  look.pipe(
    Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: (found) => found !== undefined }),
    Effect.map((found) => found as A)
  )

/** How one sees that a run is where it was told to dwell. */
const signs: { readonly [doing in Dwell]: (where: Where, run: string) => Effect.Effect<boolean> } = {
  "in a step": (where, run) => Effect.map(marks(where, run, "dwelt"), (rows) => rows.length > 0),
  asking: (where, run) =>
    Effect.map(all(where, `/api/v1/questions?status=OPEN&runId=${run}&`), (rows) => rows.length > 0),
  // It sleeps from the moment in which the step before is kept.
  asleep: (where, run) =>
    Effect.delay(
      Effect.map(marks(where, run, "first"), (rows) => rows.length > 0),
      "300 millis"
    )
}

const marks = (where: Where, run: string, step: string) =>
  Effect.map(all(where, `/api/v1/marks?runId=${run}&`), (rows) => rows.filter((row) => row["step"] === step))

const dwell = Effect.fnUntraced(function* (ledger: AgentLedger, where: Where, doing: Dwell) {
  const talk = yield* openThread(where, "dweller", "enqueue")
  ledger.spared.add(talk.id)
  ledger.aimed.push(talk)
  yield* postTo(ledger, talk, where, doing)
  const [run] = yield* until(
    Effect.map(all(where, `/api/v1/agent-runs?threadId=${talk.id}&`), (rows) => (rows.length > 0 ? rows : undefined))
  )
  const id = String(run?.["id"])
  yield* until(Effect.map(signs[doing](where, id), (there) => there || undefined))
  return { doing, run: id, thread: talk.id }
})

/** Has a run dwell at each of the places, and waits until all are there. `hit` says that their process is gone. */
export const aim = Effect.fn("AgentAim.aim")(function* (ledger: AgentLedger, where: Where) {
  const there = yield* Effect.forEach(dwells, (doing) => dwell(ledger, where, doing), { concurrency: "unbounded" })
  const hit = Effect.sync(() => {
    const at = Date.now()
    for (const { doing, run, thread } of there) {
      ledger.struck.push({ doing, run, at })
      ledger.spared.delete(thread)
    }
  })
  return { hit }
})

/** The strikes that hit something else than they were aimed at. */
export const missed = (
  struck: ReadonlyArray<Struck>,
  { marks, questions }: { readonly marks: ReadonlyArray<Row>; readonly questions: ReadonlyArray<Row> }
): ReadonlyArray<string> =>
  struck.flatMap(({ at, doing, run }) => {
    const mine = marks.filter((row) => row["runId"] === run)
    const last = mine.find((row) => row["step"] === "last")
    const hit =
      doing === "in a step"
        ? mine.filter((row) => row["step"] === "dwelt").length > 1
        : doing === "asking"
          ? questions.some((row) => row["runId"] === run && Date.parse(String(row["answeredAt"])) > at)
          : last !== undefined && Number(last["at"]) > at && mine.filter((row) => row["step"] === "first").length === 1
    return hit ? [] : [`the run ${run} was not ${doing} when its process was killed`]
  })
