/**
 * Who may do what, as data and pure functions. The default follows from an action's kind; an action overrides it with
 * `policy`. Everything not allowed is denied.
 */
import type { Actor } from "./Actor.ts"

/** What an action does to the world; see `Action`. */
export type Kind = "create" | "update" | "destroy" | "action" | "read" | "stream"

/** What a row policy looks at. `self` is absent before the row is loaded and for a create. */
export interface Question {
  readonly actor: Actor
  readonly input: unknown
  readonly self: unknown
  readonly loaded: unknown
}

/** A rule; combine rules with `all` and `any`. */
export type Policy =
  | { readonly _tag: "Everyone" }
  | { readonly _tag: "Nobody" }
  | { readonly _tag: "Roles"; readonly roles: ReadonlyArray<string> }
  /** Decided once the row is loaded. `name` says what is required, as in "owns the thread". */
  | { readonly _tag: "Check"; readonly name: string; readonly check: (question: never) => boolean }
  | { readonly _tag: "All"; readonly policies: ReadonlyArray<Policy> }
  | { readonly _tag: "Any"; readonly policies: ReadonlyArray<Policy> }

/** Why something is allowed or denied, in words. */
export interface Decision {
  readonly allowed: boolean
  /** True where the answer depends on a row that is not loaded yet. */
  readonly open: boolean
  readonly reason: string
}

/** Any actor of the tenant. */
export const everyone: Policy = { _tag: "Everyone" }

/** No actor at all. */
export const nobody: Policy = { _tag: "Nobody" }

/** Actors with one of these roles. */
export const roles = (...roles: ReadonlyArray<string>): Policy => ({ _tag: "Roles", roles })

/** Actors for whom a pure function over actor, input and row says yes. */
export const check = <Self = unknown, Input = unknown, Loaded = unknown>(
  name: string,
  check: (question: {
    readonly actor: Actor
    readonly self: Self
    readonly input: Input
    readonly loaded: Loaded
  }) => boolean
): Policy => ({ _tag: "Check", name, check })

/** All of the rules must allow. */
export const all = (...policies: ReadonlyArray<Policy>): Policy => ({ _tag: "All", policies })

/** One of the rules must allow. */
export const any = (...policies: ReadonlyArray<Policy>): Policy => ({ _tag: "Any", policies })

/** The rule that follows from a kind: viewers read, editors write, admins destroy; each includes those before it. */
export const defaultFor = (kind: Kind): Policy => {
  switch (kind) {
    case "read":
    case "stream":
      return roles("viewer", "editor", "admin", "system")
    case "create":
    case "update":
    case "action":
      return roles("editor", "admin", "system")
    case "destroy":
      return roles("admin", "system")
  }
}

/** A rule in words. */
export const describe = (policy: Policy): string => {
  switch (policy._tag) {
    case "Everyone":
      return "every actor of the tenant"
    case "Nobody":
      return "nobody"
    case "Roles":
      return `roles ${policy.roles.join(", ")}`
    case "Check":
      return policy.name
    case "All":
      return policy.policies.map(describe).join(" and ")
    case "Any":
      return policy.policies.map(describe).join(" or ")
  }
}

const allowed = (reason: string): Decision => ({ allowed: true, open: false, reason })
const denied = (reason: string): Decision => ({ allowed: false, open: false, reason })
const open = (reason: string): Decision => ({ allowed: true, open: true, reason })

/** Decides before any row is read: a rule over rows is left open. */
export const decideEarly = (policy: Policy, actor: Actor): Decision =>
  decide(policy, { actor, input: undefined, self: undefined, loaded: undefined }, true)

/** Decides with the rows at hand. */
export const decideFully = (policy: Policy, question: Question): Decision => decide(policy, question, false)

const decide = (policy: Policy, question: Question, early: boolean): Decision => {
  switch (policy._tag) {
    case "Everyone":
      return allowed("open to every actor of the tenant")
    case "Nobody":
      return denied("closed to everyone")
    case "Roles": {
      const held = policy.roles.find((role) => question.actor.roles.includes(role))
      return held === undefined
        ? denied(`needs one of the roles ${policy.roles.join(", ")}`)
        : allowed(`has the role ${held}`)
    }
    case "Check": {
      if (early) return open(`depends on the row: ${policy.name}`)
      return policy.check(question as never) ? allowed(policy.name) : denied(`requires: ${policy.name}`)
    }
    case "All": {
      const decisions = policy.policies.map((each) => decide(each, question, early))
      return (
        decisions.find((each) => !each.allowed) ??
        decisions.find((each) => each.open) ??
        decisions[0] ??
        denied("an empty rule")
      )
    }
    case "Any": {
      const decisions = policy.policies.map((each) => decide(each, question, early))
      return (
        decisions.find((each) => each.allowed && !each.open) ??
        decisions.find((each) => each.open) ??
        denied(decisions.map((each) => each.reason).join("; or "))
      )
    }
  }
}
