/** What each program of the runtime laws commits and gives back, on every runtime, crash or none. */

/** An object's name, and what was committed to it, in order. */
export type Trace = { readonly [object: string]: ReadonlyArray<string> }

/** What a program comes to. */
export interface Expected {
  readonly trace: Trace
  readonly returned?: unknown
}

/** An account as it was saved: its history, and whether it is open. */
interface State {
  readonly open: boolean
  readonly history: ReadonlyArray<number>
}

const open = (...history: ReadonlyArray<number>): State => ({ open: true, history })
const closed: State = { open: false, history: [] }
/** Nothing has happened to it but that it was made. */
const untouched = [open()]

const saved = (row: unknown) => `save ${JSON.stringify(row)}`

/** Both accounts; each save counts in the row's version. */
const accounts = (a: ReadonlyArray<State>, b: ReadonlyArray<State> = untouched): Trace => {
  const of = (id: string, states: ReadonlyArray<State>) =>
    states.map((state, version) => saved({ id, ...state, version }))
  return { "LawAccount a": of("a", a), "LawAccount b": of("b", b) }
}

/** A note, which grows by a text with each save. */
const note = (id: string, ...texts: ReadonlyArray<string>): Trace => ({
  [`LawNote ${id}`]: texts.map((_, index) => saved({ id, texts: texts.slice(0, index + 1) }))
})

const tooLate = "InvalidOutcome: This would make an invalid LawAccount. LawAccount.add delay: must be 3650 days at most"
const reopened = { id: "a", open: true, history: [1], version: 4 }

/** By the names of the programs. */
export const expected: { readonly [law: string]: Expected } = {
  "an action that cannot be repeated is done once": {
    trace: accounts([open(), open(1), open(1, 2)]),
    returned: [[1], [1, 2]]
  },
  "a declared failure keeps its type and changes nothing": {
    trace: accounts([open(), closed]),
    returned: ["LawClosed", "LawClosed", "NotFound"]
  },
  "sends arrive once and in order": {
    trace: accounts([open(), open(-3)], [open(), open(1), open(1, 2), open(1, 2, 3)])
  },
  "a send to the object itself waits for its turn": {
    trace: accounts([open(), open(-2), open(-2, 1), open(-2, 1, 2)])
  },
  "a send whose target refuses it holds nothing up": {
    trace: accounts([open(), open(-1), open(-1, 5)], [open(), closed]),
    returned: { id: "a", open: true, history: [-1, 5], version: 3 }
  },
  "what is sent after a save has seen it, and reaches what is not durable": {
    trace: { ...accounts([open(), open(1), open(1, 1)]), ...note("m", "saw 1,1"), ...note("n", "saw 1") }
  },
  "a delayed send comes after those that are not": {
    trace: accounts([open(), open(), open(-1)], [open(), open(2), open(2, 1)])
  },
  "a delayed signal comes after those that are not": {
    trace: { ...accounts(untouched), ...note("n", "the end, soon") }
  },
  "a caller's key is done once, and so is what follows": {
    trace: accounts([open(), open(-1)], [open(), open(7)])
  },
  "a delay that is longer than any runtime waits is refused, and changes nothing": {
    trace: accounts([open(), open(2)]),
    returned: [tooLate, tooLate, [2]]
  },
  "a failure is not remembered under the caller's key": {
    trace: accounts([open(), closed, open(), open(1)]),
    returned: [["LawClosed", "LawClosed"], reopened, reopened, 3]
  },
  "a version that did not fit may be mended under the same key": {
    trace: accounts([open(), open(), open(1)]),
    returned: ["VersionConflict", [1]]
  },
  "a workflow's steps, waits, signals and sends": {
    trace: { ...accounts([open(), open(100)]), ...note("n", "drawn", "1,4,9 steady None quick", "yes true") }
  },
  "a workflow calls, starts and notifies": {
    trace: { ...accounts([open(), open(3), { open: false, history: [3] }]), ...note("n", "one,two 3 closed a") }
  }
}
