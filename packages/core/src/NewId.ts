/** Where new ids come from: UUID version 7 (RFC 9562), so that ids sort by the time they were made. */
import * as Context from "effect/Context"

/** Makes a new id for an instant in milliseconds since 1970. */
export type Generate = (millis: number) => string

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** Formats 16 bytes as a UUIDv7: 48 bits of time, the version, and 74 random bits taken from `random`. */
export const format = (millis: number, random: Uint8Array): string => {
  let id = ""
  for (let index = 0; index < 16; index++) {
    const byte =
      index < 6
        ? Math.floor(millis / 2 ** (8 * (5 - index))) % 256
        : index === 6
          ? 0x70 | ((random[index] ?? 0) & 0x0f)
          : index === 8
            ? 0x80 | ((random[index] ?? 0) & 0x3f)
            : (random[index] ?? 0)
    id += (index === 4 || index === 6 || index === 8 || index === 10 ? "-" : "") + hex[byte]
  }
  return id
}

/** Random bytes are asked for 256 ids at a time: each call to the system's generator costs as much as ten ids. */
const random = (): Generate => {
  const pool = new Uint8Array(16 * 256)
  let used = pool.length
  return (millis) => {
    if (used === pool.length) {
      globalThis.crypto.getRandomValues(pool)
      used = 0
    }
    used += 16
    return format(millis, pool.subarray(used - 16, used))
  }
}

/** The generator in use; random by default. Tests give one that repeats. */
export const NewId = Context.Reference<Generate>("@tenon/core/NewId", { defaultValue: random })

/** A generator that gives the same ids again for the same seed. Not for production. */
export const seeded = (seed: number): Generate => {
  let state = seed >>> 0
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  }
  return (millis) => format(millis, Uint8Array.from({ length: 16 }, next))
}
