/** Who may use routes that stand beside those of resources: those whom the default for the kind of action allows. */
import { CurrentActor } from "@tenon/core/Actor"
import type { AuditLog } from "@tenon/core/AuditLog"
import { Forbidden } from "@tenon/core/Failure"
import * as Policy from "@tenon/core/Policy"
import type { Handler } from "@tenon/http/Routes"
import * as Effect from "effect/Effect"

/** Lets only those by who may; who may not is told so, and the audit log of it. `action` is as in `Slip.cancel`. */
export const guard =
  (audit: AuditLog["Service"]) =>
  (action: string, kind: Policy.Kind, handle: Handler): Handler =>
  (exchange) =>
    Effect.gen(function* () {
      const actor = yield* CurrentActor
      const { allowed, reason } = Policy.decideEarly(Policy.defaultFor(kind), actor)
      if (allowed) return yield* handle(exchange)
      const [key] = exchange.params
      yield* audit.denied({ actor, action, key, reason })
      return yield* new Forbidden({ action, reason })
    })
