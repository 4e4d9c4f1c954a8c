/** Load on an HTTP server from this process: a fixed number of requests in flight for a while, counted and timed. */
import { Pool } from "undici"

/** A request to repeat; `body` is called for each. */
export interface Shot {
  readonly method: "GET" | "POST"
  readonly path: string | (() => string)
  readonly body?: () => string
}

/** What came of a round. */
export interface Round {
  readonly perSecond: number
  readonly medianMillis: number
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
  const times: Array<number> = []
  const end = performance.now() + millis
  const worker = async () => {
    while (performance.now() < end) {
      const begin = performance.now()
      const { body, statusCode } = await pool.request({
        method: shot.method,
        path: typeof shot.path === "string" ? shot.path : shot.path(),
        headers,
        body: shot.body?.() ?? null
      })
      const text = await body.text()
      if (statusCode >= 400) throw new Error(`${origin}${shot.method} answered ${statusCode}: ${text}`)
      times.push(performance.now() - begin)
    }
  }
  const begin = performance.now()
  await Promise.all(Array.from({ length: concurrency }, worker))
  const seconds = (performance.now() - begin) / 1000
  await pool.close()
  times.sort((a, b) => a - b)
  return { perSecond: times.length / seconds, medianMillis: times[Math.floor(times.length / 2)] ?? Number.NaN }
}
