/** Has a process under measurement answer on `MEMORY_PORT` with the memory that it uses, garbage collected. */
import { createServer } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"

/** How a process is started for that. */
export const nodeOptions = "--expose-gc"

/** Memory of a process, in bytes. */
export interface Memory {
  readonly rss: number
  /** In use on the heap. */
  readonly heap: number
  /** Held by the heap beside it: buffers, and memory of WebAssembly, which never shrinks. */
  readonly outside: number
}

/** Collections, and milliseconds between them, in which finalizers run: what those let go of the next one finds. */
const collections = 3
const pause = 50

/**
 * Collects what can be, the compiled code of what was not called for a while too: it would go by itself at some time,
 * and look as if less were in use from then on.
 */
const collect = async () => {
  for (let collection = 0; collection < collections; collection++) {
    await globalThis.gc?.({ type: "major", flavor: "last-resort", execution: "async" })
    await sleep(pause)
  }
}

const measured = async (): Promise<Memory> => {
  await collect()
  // What buffers hold is part of `external`.
  const { external, heapUsed, rss } = process.memoryUsage()
  return { rss, heap: heapUsed, outside: external }
}

/** Answers from now on. */
export const serve = (): void => {
  createServer((_, response) => {
    void measured().then((memory) => response.end(JSON.stringify(memory)))
  }).listen(Number(process.env["MEMORY_PORT"]), "127.0.0.1")
}

/** Asks a process. */
export const read = async (url: string): Promise<Memory> => (await (await fetch(url)).json()) as Memory
