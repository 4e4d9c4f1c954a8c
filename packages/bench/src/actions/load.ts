/** Load on an HTTP server from this process: a fixed number of requests in flight for a while, counted and timed. */
import { Pool } from "undici"

/**
 * How long a side runs before it is measured, in milliseconds: a server runs for days, and both sides get faster for
 * some seconds, while their code is compiled.
 */
export const warmUpMillis = Number(process.env["BENCH_WARM_UP_MILLIS"] ?? 5000)

/** A request to repeat; `body` is called for each. */
export interface Shot {
  readonly method: "GET" | "POST"
  readonly path: string
  readonly body?: () => string
}

/** What came of a round. */
export interface Round {
  readonly count: number
  readonly perSecond: number
  readonly medianMillis: number
  readonly p99Millis: number
}

/** Repeats a request at a concurrency for some milliseconds. Any answer of 400 or more ends the benchmark. */
export const fire = async (
  origin: string,
  token: string,
  shot: Shot,
  concurrency: number,
  millis: number
): Promise<Round> => {
  const pool = new Pool(origin, { connections: concurrency, pipelining: 1 })
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
  const round = await repeat(
    async () => {
      const { body, statusCode } = await pool.request({
        method: shot.method,
        path: shot.path,
        headers,
        body: shot.body?.() ?? null
      })
      const text = await body.text()
      if (statusCode >= 400) throw new Error(`${origin}${shot.path} answered ${statusCode}: ${text}`)
    },
    concurrency,
    millis
  )
  await pool.close()
  return round
}

/** Repeats a call at a concurrency for some milliseconds. */
export const repeat = async (call: () => Promise<unknown>, concurrency: number, millis: number): Promise<Round> => {
  const times: Array<number> = []
  const begin = performance.now()
  const worker = async () => {
    while (performance.now() < begin + millis) {
      const start = performance.now()
      await call()
      times.push(performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  const seconds = (performance.now() - begin) / 1000
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN
  return { count: times.length, perSecond: times.length / seconds, medianMillis: at(0.5), p99Millis: at(0.99) }
}
