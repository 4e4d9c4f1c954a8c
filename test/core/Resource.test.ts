import * as Outcome from "@tenon/core/Outcome"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Resource from "@tenon/core/Resource"
import * as Tenon from "@tenon/core/Tenon"
import { AlreadyInactive, Widget } from "@tenon/examples/widget/Widget"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Extended = Resource.extend(Widget, (on) => ({
  rename: on.update({ input: { name: Schema.NonEmptyString } }, ({ self, input }) => ({ ...self, ...input })),
  shout: on.read({ output: Schema.String }, ({ self }) => self.name.toUpperCase())
}))
/** Knows the widget as it was declared. */
const Maker = Resource.make("Maker", {
  fields: { id: Field.Id },
  actions: (on) => ({
    create: on.create({}),
    copy: on.action(
      {
        input: { id: Schema.String },
        load: ({ input }) => ({ one: Load.one(Widget, input.id) }),
        touches: [Widget, Widget.actions.deactivate],
        output: Widget.schema
      },
      ({ loaded }) =>
        Outcome.save(Widget, { name: `${loaded.one.name} 2` }).pipe(
          Outcome.send(Widget.actions.deactivate, loaded.one.id, {})
        )
    )
  })
})

it.layer(Testing.layer(Registry.make({ resources: [Extended, Maker] })))("a resource with more actions", (it) => {
  it.effect("does them beside its own, for those who know it as it was declared too", () =>
    Effect.gen(function* () {
      const repository = yield* Repository.Repository
      const { id } = yield* Tenon.invoke(Widget.actions.create, { name: "bolt" })
      assert.strictEqual((yield* Tenon.invoke(Extended.actions.rename, id, { name: "nut" })).name, "nut")
      assert.strictEqual(yield* Tenon.invoke(Extended.actions.shout, id), "NUT")
      const maker = yield* Tenon.invoke(Maker.actions.create, {})
      const copy = yield* Tenon.invoke(Maker.actions.copy, maker.id, { id })
      assert.strictEqual(yield* Tenon.invoke(Extended.actions.shout, copy.id), "NUT 2")
      yield* Testing.eventually(repository.get(Widget, id), ({ status }) => status === "INACTIVE")
      assert.instanceOf(yield* Effect.flip(Tenon.invoke(Extended.actions.deactivate, id)), AlreadyInactive)
    })
  )
})

it("an action that is there already cannot be added", () => {
  const again = () => Resource.extend(Widget, (on) => ({ deactivate: on.read({ output: Schema.String }, () => "no") }))
  assert.throws(again, 'Widget has an action "deactivate" already')
})
