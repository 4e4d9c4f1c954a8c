/**
 * What a person notices of agents: how soon the first word is there, how soon a run has stopped, and what it costs that
 * a thousand runs wait for an answer. Measured over HTTP, as a client of the API sees it, on both runtimes by turns.
 */
import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { Pool } from "undici"
import * as MemoryPort from "../MemoryPort.ts"
import * as Report from "../Report.ts"
import { read, type Seen } from "./events.ts"
import { endless } from "./Programs.ts"

const rounds = 5
/** How often each is measured in a round. */
const samples = Number(process.env["BENCH_SAMPLES"] ?? 40)
const asks = Number(process.env["BENCH_ASKS"] ?? 1000)

/** An application that serves. */
export interface Application {
  readonly origin: string
  readonly memoryUrl: string
}

/** What can be measured. */
export const names = ["first token", "cancel", "waiting"] as const

/** The API as its client sees it. */
interface Client {
  readonly send: (method: "GET" | "POST", path: string, body?: unknown) => Promise<{ readonly [name: string]: unknown }>
  readonly watch: (run: string, enough: (seen: Seen) => boolean) => Promise<void>
  readonly close: () => Promise<void>
}

const clientOf = (origin: string, token: string): Client => {
  const pool = new Pool(origin, { connections: 64, pipelining: 1 })
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
  return {
    send: async (method, path, body) => {
      const answer = await pool.request({
        method,
        path: `/api/v1/${path}`,
        headers,
        body: body === undefined ? null : JSON.stringify(body)
      })
      const said = await answer.body.text()
      if (answer.statusCode >= 300) throw new Error(`${path} answered ${answer.statusCode}: ${said}`)
      return said === "" ? {} : (JSON.parse(said) as { readonly [name: string]: unknown })
    },
    watch: async (run, enough) => {
      const answer = await pool.request({ method: "GET", path: `/api/v1/agent-runs/${run}/events`, headers })
      if (answer.statusCode !== 200) throw new Error(`The events of ${run} answered ${answer.statusCode}`)
      if (!(await read(answer.body, enough))) throw new Error(`The events of ${run} ended too soon`)
    },
    close: () => pool.close()
  }
}

const person = (client: Client) => client.send("POST", "participants", { kind: "HUMAN", name: "Ada" })
const thread = (client: Client, agent: string) => client.send("POST", "threads", { title: "bench", agent })

const post = (client: Client, threadId: unknown, participantId: unknown, text = "Say something in twenty words.") =>
  client.send("POST", `threads/${String(threadId)}/add-message`, {
    idempotencyKey: randomUUID(),
    participantId,
    content: { type: "text", text }
  })

const isOver = ({ data, event }: Seen) => event === "status" && data["over"] === true

/** From a message posted to the model's first words: post it, ask which run answers it, watch that. */
const firstToken = async (client: Client, participant: unknown): Promise<number> => {
  const { id } = await thread(client, "talker")
  const begin = performance.now()
  await post(client, id, participant)
  const run = await runOf(client, id)
  let millis = Number.NaN
  await client.watch(run, (seen) => {
    if (seen.event === "token" && Number.isNaN(millis)) millis = performance.now() - begin
    return isOver(seen)
  })
  return millis
}

/** The run of a thread that has had one, whether or not it is over by now. */
const runOf = async (client: Client, threadId: unknown): Promise<string> => {
  const { items } = await client.send("GET", `agent-runs?threadId=${String(threadId)}&limit=1`)
  const [run] = items as ReadonlyArray<{ readonly id: string }>
  if (run === undefined) throw new Error(`The thread ${String(threadId)} has no run`)
  return run.id
}

/** From a cancel sent to the end seen, while the model speaks: a step that can be interrupted. */
const cancel = async (client: Client, participant: unknown): Promise<number> => {
  const { id } = await thread(client, "talker")
  await post(client, id, participant, endless)
  const run = await runOf(client, id)
  const begun = Promise.withResolvers<void>()
  const over = client.watch(run, (seen) => {
    if (seen.event === "token") begun.resolve()
    return isOver(seen)
  })
  await Promise.race([begun.promise, over])
  const begin = performance.now()
  await client.send("POST", `agent-runs/${run}/cancel`, {})
  await over
  return performance.now() - begin
}

const measures = { "first token": firstToken, cancel }
const titles = { "first token": "message posted to first token seen", cancel: "cancel sent to end seen" }

/** An application, and its client for the whole measurement. */
interface Side {
  readonly name: string
  readonly application: Application
  readonly client: Client
}

const timed = async (
  what: "first token" | "cancel",
  all: ReadonlyArray<Side>,
  say: Say
): Promise<ReadonlyArray<Report.Row>> => {
  const sides = await Promise.all(
    all.map(async ({ client, name }) => {
      const times: Array<number> = []
      return { name, client, participant: (await person(client))["id"], times }
    })
  )
  for (let round = -1; round < rounds; round++) {
    for (const { client, participant, times } of sides) {
      for (let sample = 0; sample < samples; sample++) {
        const millis = await measures[what](client, participant)
        // The first round warms up.
        if (round >= 0) times.push(millis)
      }
    }
  }
  return sides.flatMap(({ name, times }) => {
    const sorted = times.toSorted((a, b) => a - b)
    const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN
    const rows = [
      Report.alone(`${name}, ${titles[what]}, median`, "ms", Report.median(sorted)),
      Report.alone(`${name}, ${titles[what]}, p99`, "ms", p99)
    ]
    for (const row of rows) say(`${row.name}: ${row.ours} ms of ${times.length}`)
    return rows
  })
}

const inUse = ({ heap, outside }: MemoryPort.Memory) => heap + outside
const memoryOf = ({ memoryUrl }: Application) => MemoryPort.read(memoryUrl)

/** Starts runs that ask, some at a time, and waits until all of them wait. */
const wait = async (client: Client, participant: unknown, count: number, before: number) => {
  let left = count
  const worker = async () => {
    while (left-- > 0) await post(client, (await thread(client, "asker"))["id"], participant)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  const deadline = performance.now() + 120_000
  while ((await open(client)) < before + count) {
    if (performance.now() > deadline) throw new Error("Not all runs have come to their question")
    await sleep(500)
  }
}

const open = async (client: Client): Promise<number> => {
  let count = 0
  for (let cursor = ""; ;) {
    const page = await client.send("GET", `questions?status=OPEN&limit=500${cursor}`)
    count += (page["items"] as ReadonlyArray<unknown>).length
    if (typeof page["next"] !== "string") return count
    cursor = `&after=${encodeURIComponent(page["next"])}`
  }
}

const waiting = async ({ application, client, name }: Side, settleMillis: number, say: Say) => {
  const { id } = await person(client)
  const warm = Math.ceil(asks / 5)
  await wait(client, id, warm, 0)
  await sleep(settleMillis)
  const before = await memoryOf(application)
  await wait(client, id, asks, warm)
  const atHand = await memoryOf(application)
  await sleep(settleMillis)
  const after = await memoryOf(application)
  const each = (of: (memory: MemoryPort.Memory) => number, then: MemoryPort.Memory) =>
    (of(then) - of(before)) / asks / 1024
  const title = `${name}, ${asks} runs wait for an answer`
  const rows = [
    Report.alone(`${title}, memory in use by each, at once`, "KiB", each(inUse, atHand)),
    Report.alone(`${title}, memory in use by each, when set aside`, "KiB", each(inUse, after)),
    Report.alone(
      `${title}, resident, growth by each`,
      "KiB",
      each(({ rss }) => rss, after)
    )
  ]
  for (const row of rows) say(`${row.name}: ${row.ours} ${row.unit}`)
  return rows
}

type Say = (message: string) => void

/** After how long a run that only waits is set aside, and some more. */
const settled: { readonly [name: string]: number } = { "on PostgreSQL": 5_000, "on Restate": 75_000 }

/** Measures what is wanted. */
export const measure = async (
  applications: { readonly [name: string]: Application },
  token: string,
  only: string,
  say: Say
): Promise<ReadonlyArray<Report.Row>> => {
  const sides = Object.entries(applications).map(([name, application]): Side => ({
    name,
    application,
    client: clientOf(application.origin, token)
  }))
  try {
    const rows: Array<Report.Row> = []
    for (const what of ["first token", "cancel"] as const) {
      if (what.includes(only)) rows.push(...(await timed(what, sides, say)))
    }
    if (!"waiting".includes(only)) return rows
    for (const side of sides) rows.push(...(await waiting(side, settled[side.name] ?? 5_000, say)))
    return rows
  } finally {
    await Promise.all(sides.map(({ client }) => client.close()))
  }
}
