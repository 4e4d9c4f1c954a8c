/**
 * What a step may keep: runtimes and databases refuse, each in its own way and some without a word, what is larger than
 * this, and no JSON is made of what is deeper.
 */

/** The most that a step keeps, in bytes of its JSON. */
export const maxBytes = 20_000_000

/** How many values may be inside of one another. */
export const maxDepth = 1000

/** The most bytes that a UTF-16 code unit takes in JSON: that of a control character, which is written as `\u0001`. */
const bytesPerUnit = 6

/** What a number, or another value of a fixed length, takes at most. */
const plain = 24

const encoder = new TextEncoder()

/** As many code units as JSON takes at most, before escapes; `undefined` where it is too deep. */
const unitsOf = (json: unknown): number | undefined => {
  let units = 0
  let level: ReadonlyArray<unknown> = [json]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) return undefined
    const next: Array<unknown> = []
    for (const each of level) {
      units += typeof each === "string" ? each.length + 2 : plain
      if (typeof each !== "object" || each === null) continue
      if (!Array.isArray(each)) for (const key of Object.keys(each)) units += key.length + 4
      for (const inner of Object.values(each)) next.push(inner)
    }
    level = next
  }
  return units
}

/** What is wrong with JSON that is to be kept, in words; `undefined` where it can be. */
export const faultOf = (json: unknown): string | undefined => {
  const units = unitsOf(json)
  if (units === undefined) return `is more than ${maxDepth} levels deep`
  if (units * bytesPerUnit <= maxBytes) return undefined
  return bytesOf(json) > maxBytes ? `takes more than ${maxBytes / 1_000_000} MB as JSON` : undefined
}

/** The platform makes no text of more than half a gigabyte. */
const bytesOf = (json: unknown): number => {
  try {
    return encoder.encode(JSON.stringify(json)).length
  } catch {
    return Infinity
  }
}
