/** What must not compile when a slip is put together. Checked by the type checker; never run. */
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext, step } from "@tenon/routing-slip/ActivityContext"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
import type { HopStore } from "@tenon/routing-slip/HopStore"
import type { Security } from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import type { Transport, TransportError } from "@tenon/messaging/Transport"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

class Bank extends Context.Service<Bank, { readonly pay: Effect.Effect<string> }>()("test/Bank") {}
class Wire extends Context.Service<Wire, {}>()("test/Wire") {}

const pay = Activity.make("pay", {
  arguments: { amount: Schema.Finite },
  log: { id: Schema.String },
  execute: Effect.fnUntraced(function* ({ amount }) {
    amount satisfies number
    yield* ActivityContext
    return { id: yield* (yield* Bank).pay }
  }),
  compensate: ({ id }) => Effect.asVoid(Effect.succeed(id satisfies string))
})
const tell = Activity.make("tell", { arguments: { text: Schema.String }, execute: () => Effect.void })
const foreign = Activity.make("foreign", { arguments: {}, execute: () => Effect.void })

pay satisfies Activity.Activity<"pay", { readonly amount: number }, Bank>

// The result of `execute` is what `compensate` takes.
Activity.make("wrong", {
  arguments: {},
  log: { id: Schema.String },
  // @ts-expect-error a number is not the string that the log declares
  execute: () => Effect.succeed({ id: 1 }),
  compensate: () => Effect.void
})
// @ts-expect-error a compensation needs a declared log
Activity.make("wrong", { arguments: {}, execute: () => Effect.void, compensate: () => Effect.void })

const registry = Registry.make(pay, tell)
const begun = RoutingSlip.builder(registry)

begun.pipe(RoutingSlip.add(pay, { amount: 1 }), RoutingSlip.add(tell, { text: "done" })) satisfies RoutingSlip.Builder<
  "pay" | "tell"
>
// @ts-expect-error the activity is not in the registry of the builder
begun.pipe(RoutingSlip.add(foreign, {}))
// @ts-expect-error a string is not an amount
begun.pipe(RoutingSlip.add(pay, { amount: "1" }))
// @ts-expect-error the amount is missing
begun.pipe(RoutingSlip.add(pay, {}))
// @ts-expect-error there is no such argument
begun.pipe(RoutingSlip.add(pay, { amount: 1, tip: 2 }))
// @ts-expect-error a step is an activity, not its name
begun.pipe(RoutingSlip.add("pay", { amount: 1 }))
// @ts-expect-error an inserted step is checked in the same way
step(pay, { amount: "1" })

const branched = RoutingSlip.builder(Registry.make(pay, ScatterGather.activity))
const branch = [step(pay, { amount: 1 })] as const
branched.pipe(RoutingSlip.scatter({ one: branch }))
// @ts-expect-error branches do not nest
branched.pipe(RoutingSlip.scatter({ one: [step(pay, { amount: 1 }), RoutingSlip.scatter({ two: branch })] }))
// @ts-expect-error nor is the activity that makes them a step of anything
branched.pipe(RoutingSlip.scatter({ one: [step(ScatterGather.activity, {})] }))
// @ts-expect-error on the trunk neither
branched.pipe(RoutingSlip.add(ScatterGather.activity, {}))

// A worker needs what its activities need, and nothing else.
const worker = Worker.layer(registry)
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
true satisfies Same<Layer.Services<typeof worker>, Bank | Transport | HopStore | Security>
worker satisfies Layer.Layer<never, TransportError, Bank | Transport | HopStore | Security>

// A Layer for each execution takes a requirement away and may bring one of its own.
const bank = Layer.effect(Bank, Effect.as(Wire, { pay: Effect.succeed("id") }))
pay.pipe(Activity.provide(bank)) satisfies Activity.Activity<"pay", { readonly amount: number }, Wire>
