/** A small domain with one of each thing that could leak, for showing that the isolation proof can fail. */
import * as Field from "@tenon/core/Field"
import * as Outcome from "@tenon/core/Outcome"
import * as Registry from "@tenon/core/Registry"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import { prove } from "@tenon/testing/IsolationProof"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Team = Resource.make("Team", {
  fields: { id: Field.Id, name: Schema.String },
  identities: { name: ["name"] },
  actions: (on) => ({
    create: on.create({ input: { name: Schema.String } }),
    rename: on.update({ input: { name: Schema.String } }, ({ input, self }) => ({ ...self, name: input.name })),
    get: on.read({ output: Schema.String }, ({ self }) => self.name),
    touch: on.action({ self: "optional" }, () => Outcome.succeed(undefined))
  })
})

const Member = Resource.make("Member", {
  fields: { id: Field.Id, teamId: Schema.String, note: Schema.String, number: Field.Position("teamId") },
  relations: { team: Relation.belongsTo(Team, "teamId", { onRemove: "cascade" }) },
  actions: (on) => ({ create: on.create({ input: { teamId: Schema.String, note: Schema.String } }) })
})

export const registry = Registry.make({ resources: [Team, Member] })

/** What the proof finds, as `door resource: what`, without repeats. */
export const found = (options: Partial<Parameters<typeof prove>[0]> = {}) =>
  Effect.map(prove({ registry, settleMillis: 50, ...options }), ({ breaches }) => [
    ...new Set(breaches.map(({ door, resource, what }) => `${door} ${resource}: ${what}`))
  ])
