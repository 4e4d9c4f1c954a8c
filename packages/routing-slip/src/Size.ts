/**
 * How much of what a worker reads at most a slip may use. What was done has to be undone within the same limit, and
 * each step back adds to the log; so on its way forth a slip gets a quarter, and no step may make more than three
 * eighths of it. A branch carries the trunk beside itself, which doubles both.
 */
import type * as Envelope from "./Envelope.ts"
import type { Limits } from "./StrictJson.ts"
import * as TraceContext from "./TraceContext.ts"

const branching = ({ branch }: Envelope.RoutingSlip) => (branch === undefined ? 1 : 2)

/** Bytes of a message that may still go forth; a larger one turns back. */
export const forth = ({ maxBytes }: Limits, slip: Envelope.RoutingSlip): number => (maxBytes / 4) * branching(slip)

/**
 * Bytes of a message that may be made at all: room for a step that made the slip too large to be undone like others.
 */
export const most = ({ maxBytes }: Limits, slip: Envelope.RoutingSlip): number => ((maxBytes * 3) / 8) * branching(slip)

/** Bytes of a message that goes back: all that is read, but for the trace that travels along. */
export const back = ({ maxBytes }: Limits): number => maxBytes - TraceContext.most

/** Says that a message is too large. */
export const tooLarge = (bytes: number, limit: number) => ({
  error: "SlipTooLarge",
  message: `The slip would have ${bytes} bytes, more than ${Math.floor(limit)}.`
})
