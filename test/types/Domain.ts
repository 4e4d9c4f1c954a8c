/** A small domain for the type tests. */
import * as DomainEvent from "@tenon/core/DomainEvent"
import * as Field from "@tenon/core/Field"
import * as Outcome from "@tenon/core/Outcome"
import * as Resource from "@tenon/core/Resource"
import * as Workflow from "@tenon/core/Workflow"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

export class Closed extends Schema.TaggedError<Closed>()("Closed", { id: Schema.String }, { httpStatus: 409 }) {}

export class Full extends Schema.TaggedError<Full>()("Full", { size: Schema.Int }) {}

export const fields = {
  id: Field.Id,
  name: Schema.NonEmptyString,
  note: Schema.optionalKey(Schema.String),
  status: Schema.Literals(["OPEN", "CLOSED"]).pipe(Field.withDefault("OPEN")),
  createdAt: Field.CreatedAt
} as const

export const Counter = Resource.make("Counter", {
  fields: { id: Field.Id, count: Schema.Int.pipe(Field.withDefault(0)) },
  actions: (on) => ({
    add: on.action({ self: "optional", input: { by: Schema.Int }, output: Schema.Int }, ({ self, input }, context) =>
      on.save({ id: context.key, count: (self?.count ?? 0) + input.by }).pipe(Outcome.map((saved) => saved.count))
    )
  })
})

export const Box = Resource.make("Box", {
  fields,
  actions: (on) => ({
    create: on.create({ input: { name: Schema.NonEmptyString } }),
    close: on.update({ errors: [Closed, Full] }, ({ self }) =>
      self.status === "CLOSED" ? Result.fail(new Closed({ id: self.id })) : { ...self, status: "CLOSED" }
    ),
    get: on.read({ output: Schema.Struct({ label: Schema.String }) }, ({ self }) => ({ label: self.name })),
    remove: on.destroy({})
  })
})

export const Run = Workflow.make("Run", {
  input: { boxId: Schema.String },
  signals: { paid: Schema.Struct({ amount: Schema.Int }) }
})

export const Opened = DomainEvent.make("Opened", { payload: { boxId: Schema.String } })
