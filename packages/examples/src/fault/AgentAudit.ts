/** Holds the rows that a fault run left behind against what was accepted meanwhile. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { missed } from "./AgentAim.ts"
import { type AgentLedger, all, type Row, type Talk, type Where } from "./AgentLedger.ts"

/** What is there. */
interface Rows {
  readonly messages: ReadonlyArray<Row>
  readonly runs: ReadonlyArray<Row>
  readonly questions: ReadonlyArray<Row>
  readonly marks: ReadonlyArray<Row>
  readonly threads: ReadonlyArray<Row>
}

/** Everything in which rows and ledger disagree; empty where all is well. */
export const audit = Effect.fn("AgentAudit.audit")(function* (ledger: AgentLedger, where: Where) {
  const rows: Rows = {
    messages: yield* all(where, "/api/v1/messages?sort=position&"),
    runs: yield* all(where, "/api/v1/agent-runs?"),
    questions: yield* all(where, "/api/v1/questions?"),
    marks: yield* all(where, "/api/v1/marks?"),
    threads: yield* all(where, "/api/v1/threads?")
  }
  const problems = [...ledger.talks, ...ledger.aimed].flatMap((talk) => [
    ...ofMessages(talk, rows),
    ...ofRuns(talk, rows)
  ])
  problems.push(...ofQuestions(ledger, rows), ...ofSteps(rows), ...missed(ledger.struck, rows))
  return problems
})

/** The API shows a field without a value as null. */
const isAbsent = (value: unknown) => value === undefined || value === null

const grouped = (rows: ReadonlyArray<Row>, field: string): ReadonlyMap<unknown, ReadonlyArray<Row>> =>
  Map.groupBy(rows, (row) => row[field])

/** Every accepted message once, and positions without a gap. */
const ofMessages = ({ accepted, id }: Talk, { messages }: Rows): ReadonlyArray<string> => {
  const mine = messages.filter((row) => row["threadId"] === id).map((row) => Number(row["position"]))
  const keys = messages.filter((row) => row["threadId"] === id).map((row) => row["idempotencyKey"])
  const gaps = mine.toSorted((a, b) => a - b).filter((position, index) => position !== index + 1)
  return [
    ...accepted
      .filter((key) => keys.filter((each) => each === key).length !== 1)
      .map((key) => `${key} of ${id} is there ${keys.filter((each) => each === key).length} times`),
    ...(gaps.length === 0 ? [] : [`the positions of ${id} have a gap before ${gaps[0]}`])
  ]
}

/** No run goes on, the thread is free, and what was asked for last was done. */
const ofRuns = ({ accepted, id, policy }: Talk, { messages, runs, threads }: Rows): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const mine = runs.filter((row) => row["threadId"] === id && isAbsent(row["parent"]))
  const count = (status: string) => mine.filter((row) => row["status"] === status).length
  const stuck = runs.filter(
    (row) => row["threadId"] === id && !["DONE", "FAILED", "CANCELLED"].includes(String(row["status"]))
  )
  for (const row of stuck) problems.push(`the run ${String(row["id"])} is still ${String(row["status"])}`)
  const active = threads.find((row) => row["id"] === id)?.["activeRun"]
  if (!isAbsent(active)) problems.push(`the thread ${id} is not free of ${String(active)}`)
  if (count("FAILED") > 0) problems.push(`${count("FAILED")} runs of ${id} failed`)
  if (policy === "enqueue" && count("DONE") !== accepted.length)
    problems.push(`${count("DONE")} runs of ${id} are done for ${accepted.length} messages`)
  const last = mine.toSorted((a, b) => Number(a["turn"]) - Number(b["turn"])).at(-1)
  if (accepted.length > 0 && last?.["status"] !== "DONE")
    problems.push(`of the runs of ${id}, the last is not done: ${JSON.stringify(mine.map((row) => row["status"]))}`)
  for (const row of mine.filter((row) => row["status"] === "DONE")) {
    const said = messages.filter(({ content }) => keptBy(content)?.run === row["id"])
    if (said.length !== 1) problems.push(`the run ${String(row["id"])} said what it kept ${said.length} times`)
  }
  return problems
}

/** Each is settled, and those that were answered hold the answer that was accepted. */
const ofQuestions = ({ answered }: AgentLedger, { questions }: Rows): ReadonlyArray<string> => {
  const byId = new Map(questions.map((row) => [row["id"], row]))
  const open = questions.filter((row) => row["status"] === "OPEN")
  const lost = [...answered].filter(([id, answer]) => byId.get(id)?.["answer"] !== answer)
  return [
    ...open.map((row) => `the question ${String(row["id"])} is still open`),
    ...lost.map(([id]) => `the answer to ${id} is lost`)
  ]
}

interface Kept {
  readonly run: unknown
  readonly kept: ReadonlyArray<unknown>
}

const keptBy = (content: unknown): Kept | undefined =>
  Predicate.hasProperty(content, "data") &&
  Predicate.hasProperty(content.data, "kept") &&
  Predicate.hasProperty(content.data, "run") &&
  Array.isArray(content.data.kept)
    ? { run: content.data.run, kept: content.data.kept }
    : undefined

/** What a run kept of a step never changes: all that it did later saw the same result, and one that was executed. */
const ofSteps = ({ marks, messages }: Rows): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const executed = new Set(marks.map((row) => row["token"]))
  const kept = new Map(messages.flatMap(({ content }) => keptBy(content) ?? []).map((each) => [each.run, each.kept]))
  for (const [run, mine] of grouped(marks, "runId")) {
    const results = new Map<string, Set<string>>()
    const seen = [...mine.flatMap((row) => row["seen"] as ReadonlyArray<string>), ...(kept.get(run) ?? []).map(String)]
    for (const token of seen) {
      const [step = ""] = token.split(":")
      results.set(step, (results.get(step) ?? new Set()).add(token))
      if (token !== "late" && !executed.has(token)) problems.push(`${token} of ${String(run)} was never executed`)
    }
    for (const [step, tokens] of results)
      if (tokens.size > 1) problems.push(`the step ${step} of ${String(run)} had ${tokens.size} results`)
  }
  return problems
}
