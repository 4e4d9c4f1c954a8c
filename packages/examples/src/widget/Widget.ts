/** The smallest whole resource: it can be made, deactivated once, looked at and removed. */
import * as Field from "@tenon/core/Field"
import * as Resource from "@tenon/core/Resource"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** A widget that is inactive cannot be deactivated again. */
export class AlreadyInactive extends Schema.TaggedError<AlreadyInactive>()(
  "AlreadyInactive",
  { id: Schema.String },
  { httpStatus: 409, description: "The widget is already inactive." }
) {
  override get message() {
    return `Widget ${this.id} is already inactive.`
  }
}

/** What a reader sees of a widget. */
export const WidgetView = Schema.Struct({
  id: Schema.String,
  label: Schema.String,
  status: Schema.Literals(["ACTIVE", "INACTIVE"])
}).annotate({ identifier: "WidgetView" })

export const Widget = Resource.make("Widget", {
  table: "widgets",
  tenantScoped: true,
  durable: true,
  fields: {
    id: Field.Id,
    name: Schema.NonEmptyString,
    status: Schema.Literals(["ACTIVE", "INACTIVE"]).pipe(Field.withDefault("ACTIVE")),
    createdAt: Field.CreatedAt
  },
  actions: (on) => ({
    create: on.create({ input: { name: Schema.NonEmptyString } }),
    deactivate: on.update({ errors: [AlreadyInactive] }, ({ self }) =>
      self.status === "INACTIVE" ? Result.fail(new AlreadyInactive({ id: self.id })) : { ...self, status: "INACTIVE" }
    ),
    get: on.read({ output: WidgetView }, ({ self }) => ({ id: self.id, label: self.name, status: self.status })),
    remove: on.destroy({})
  })
})
