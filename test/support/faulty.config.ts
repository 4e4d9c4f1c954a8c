/** An application two of whose actions do what no action may, for what `tenon doctor` says of both. */
import * as TenonConfig from "@tenon/cli/TenonConfig"
import * as Field from "@tenon/core/Field"
import * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import * as Schema from "effect/Schema"

let count = 0

const Faulty = Resource.make("Faulty", {
  fields: { id: Field.Id, size: Schema.Int },
  actions: (on) => ({
    create: on.create({ input: { size: Schema.Int } }),
    grow: on.update({ input: {} }, ({ self }) => ({ ...self, size: ++count })),
    shrink: on.update({ input: {} }, ({ self }) => ({ ...self, size: --count }))
  })
})

export default TenonConfig.define({
  directory: import.meta.dirname,
  registry: Registry.make({ resources: [Faulty] })
})
