/** Has a process under measurement answer on `MEMORY_PORT` with the memory that it uses, garbage collected. */
import { createServer } from "node:http"

/** How a process is started for that. */
export const nodeOptions = "--expose-gc"

/** Memory of a process, in bytes. */
export interface Memory {
  readonly rss: number
  /** In use: the heap, and what it holds outside. */
  readonly used: number
}

/** Answers from now on. */
export const serve = (): void => {
  createServer((_, response) => {
    // What the first collection finalizes, the second one frees.
    globalThis.gc?.()
    globalThis.gc?.()
    const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage()
    const memory: Memory = { rss, used: heapUsed + external + arrayBuffers }
    response.end(JSON.stringify(memory))
  }).listen(Number(process.env["MEMORY_PORT"]), "127.0.0.1")
}

/** Asks a process. */
export const read = async (url: string): Promise<Memory> => (await (await fetch(url)).json()) as Memory
