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

/**
 * Random bytes are asked for 256 ids at a time: each call to the system's generator costs as much as ten ids. Ids of
 * one millisecond count up from a random number (RFC 9562, 6.2, method 1), so that what is made later here sorts later.
 */
const random = (): Generate => {
  const pool = new Uint8Array(16 * 256)
  let used = pool.length
  let last = -1
  let count = 0
  return (millis) => {
    if (used === pool.length) {
      globalThis.crypto.getRandomValues(pool)
      used = 0
    }
    used += 16
    const bytes = pool.subarray(used - 16, used)
    count = millis === last ? (count + 1) % 0x1000 : ((bytes[6] ?? 0) & 0x07) * 0x100 + (bytes[7] ?? 0)
    last = millis
    bytes[6] = count >> 8
    bytes[7] = count & 0xff
    return format(millis, bytes)
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
