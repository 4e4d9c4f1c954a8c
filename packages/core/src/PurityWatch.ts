/**
 * Sees what a synchronous function takes from the world: the clock, chance, timers and the network are stood in for
 * while it runs. What it imports from elsewhere is not seen; that shows when two runs differ.
 */
import * as Predicate from "effect/Predicate"

type Method = (...args: ReadonlyArray<unknown>) => unknown
type Place = { [name: string]: unknown }

const methods: ReadonlyArray<readonly [of: string, name: string, said: string]> = [
  ["Math", "random", "Math.random()"],
  ["performance", "now", "performance.now()"],
  ["crypto", "randomUUID", "crypto.randomUUID()"],
  ["crypto", "getRandomValues", "crypto.getRandomValues()"],
  ["globalThis", "fetch", "fetch()"],
  ["globalThis", "setTimeout", "setTimeout()"],
  ["globalThis", "setInterval", "setInterval()"],
  ["globalThis", "setImmediate", "setImmediate()"],
  ["globalThis", "queueMicrotask", "queueMicrotask()"]
]

/** Runs a function and tells what it took from the world, each once, as it would be written. */
export const watch = <A>(run: () => A, seen: (call: string) => void): A => {
  const undo = [standInForDate(seen), ...methods.map((method) => standInFor(method, seen))]
  try {
    return run()
  } finally {
    for (const each of undo) each()
  }
}

const standInFor = ([of, name, said]: (typeof methods)[number], seen: (call: string) => void) => {
  const place: unknown = of === "globalThis" ? globalThis : Reflect.get(globalThis, of)
  if (!isPlace(place)) return nothing
  const own = Object.getOwnPropertyDescriptor(place, name)
  const original = place[name]
  if (typeof original !== "function") return nothing
  return replace(place, name, own, (...args: ReadonlyArray<unknown>) => {
    seen(said)
    return (original as Method).apply(place, [...args])
  })
}

const isPlace = (value: unknown): value is Place => Predicate.isObject(value)

/** `new Date(given)` is a value like any other; without arguments it is the clock. */
const standInForDate = (seen: (call: string) => void) => {
  const original = globalThis.Date
  const stand: DateConstructor = new Proxy(original, {
    construct: (target, args: ReadonlyArray<unknown>, newTarget): Date => {
      if (args.length === 0) seen("new Date()")
      return Reflect.construct(target, args, newTarget === stand ? target : newTarget)
    },
    apply: (target, self, args) => {
      seen("Date()")
      return Reflect.apply(target, self, args)
    },
    get: (target, name) => {
      if (name === "now") seen("Date.now()")
      return Reflect.get(target, name)
    }
  })
  return replace(globalThis as object as Place, "Date", Object.getOwnPropertyDescriptor(globalThis, "Date"), stand)
}

/** Puts a value in a place, and tells how to put back what was there. */
const replace = (place: Place, name: string, own: PropertyDescriptor | undefined, value: unknown) => {
  Object.defineProperty(place, name, { value, configurable: true, writable: true })
  return () => {
    if (own === undefined) delete place[name]
    else Object.defineProperty(place, name, own)
  }
}

const nothing = () => {}

/** Freezes plain objects and lists all the way down, so that a function that changes what it was given throws. */
export const freeze = <A>(value: A): A => {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return value
  Object.freeze(value)
  for (const each of Object.values(value)) freeze(each)
  return value
}
