/** Whether an outcome names only what its action declares: by `touches`, or as the resource itself. */
import type * as Action from "./Action.ts"
import type * as Outcome from "./Outcome.ts"

/** Dies with what is to be declared. */
export const check = (action: Action.Any, outcome: Outcome.Outcome<unknown>): void => {
  const allowed = allowedOf(action)
  const named = [
    ...outcome.rows.map((change) => `Resource ${change.resource.name}`),
    ...outcome.directives.map((each) =>
      touchName(each._tag === "Send" ? each.action : each._tag === "Emit" ? each.event : each.workflow)
    )
  ]
  const missing = named.find((each) => !allowed.has(each))
  if (missing !== undefined) {
    throw new Error(
      `${action.resource}.${action.name} touches the ${missing}, which it does not declare; add it to \`touches\``
    )
  }
}

const allowances = new WeakMap<Action.Any, ReadonlySet<string>>()

const allowedOf = (action: Action.Any): ReadonlySet<string> => {
  const found = allowances.get(action)
  if (found !== undefined) return found
  const fresh = new Set([...action.touches().map(touchName), `Resource ${action.resource}`])
  allowances.set(action, fresh)
  return fresh
}

const touchName = (touchable: Action.Touchable): string =>
  touchable._tag === "Action" ? `Action ${touchable.resource}.${touchable.name}` : `${touchable._tag} ${touchable.name}`
