/** The resources that are measured: one plain, one durable, of the same shape. */
import * as Field from "@tenon/core/Field"
import * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import * as Schema from "effect/Schema"

const fields = {
  id: Field.Id,
  name: Schema.NonEmptyString,
  status: Schema.Literals(["ACTIVE", "INACTIVE"]).pipe(Field.withDefault("ACTIVE")),
  createdAt: Field.CreatedAt
}

export const Part = Resource.make("Part", {
  fields,
  actions: (on) => ({ create: on.create({ input: { name: Schema.NonEmptyString } }) })
})

export const Task = Resource.make("Task", {
  durable: true,
  fields,
  actions: (on) => ({ create: on.create({ input: { name: Schema.NonEmptyString } }) })
})

export const registry = Registry.make({ resources: [Part, Task] })

/** As many resources as asked for, each with four actions and a relation to the one before. */
export const many = (count: number): Registry.Registry =>
  Registry.make({
    resources: Array.from({ length: count }, (_, index) =>
      Resource.make(`Resource${index}`, {
        durable: index % 2 === 0,
        fields,
        actions: (on) => ({
          create: on.create({ input: { name: Schema.NonEmptyString } }),
          rename: on.update({ input: { name: Schema.NonEmptyString } }, ({ input, self }) => ({ ...self, ...input })),
          get: on.read({ output: Schema.Struct({ label: Schema.String }) }, ({ self }) => ({ label: self.name })),
          remove: on.destroy({})
        })
      })
    )
  })
