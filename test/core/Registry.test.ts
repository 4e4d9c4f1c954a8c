import * as Action from "@tenon/core/Action"
import * as Failure from "@tenon/core/Failure"
import * as Field from "@tenon/core/Field"
import * as Outcome from "@tenon/core/Outcome"
import * as Registry from "@tenon/core/Registry"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as Workflow from "@tenon/core/Workflow"
import { Thread, Message, Participant, ChannelBinding, ChannelDelivery, AgentRun } from "@tenon/examples/thread/Thread"
import { Widget } from "@tenon/examples/widget/Widget"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"

const problemsOf = (options: Registry.Options): ReadonlyArray<string> => {
  try {
    Registry.make(options)
    return []
  } catch (error) {
    assert.instanceOf(error, Registry.RegistryError)
    for (const { mend, place } of error.problems) {
      assert.isNotEmpty(place)
      assert.isNotEmpty(mend)
    }
    return error.problems.map(({ place, problem }) => `${place}: ${problem}`)
  }
}

const plain = (name: string, relations: { [name: string]: Relation.Relation } = {}) =>
  Resource.make(name, {
    fields: { id: Field.Id, otherId: Schema.String },
    relations,
    actions: () => ({})
  })

describe("Registry", () => {
  it("accepts the examples, in the order of their dependencies", () => {
    const registry = Registry.make({
      resources: [Widget, Message, ChannelBinding, Thread, Participant, ChannelDelivery],
      workflows: [AgentRun]
    })
    const order = registry.resources.map((each) => each.name)
    assert.isBelow(order.indexOf("ForumThread"), order.indexOf("ForumMessage"))
    assert.isBelow(order.indexOf("ForumParticipant"), order.indexOf("ForumMessage"))
    assert.isBelow(order.indexOf("ForumThread"), order.indexOf("ForumBinding"))
  })

  it("tells what is missing once, with every place that names it", () => {
    assert.deepStrictEqual(
      problemsOf({ resources: [Thread, Participant, ChannelBinding, Message], workflows: [AgentRun] }),
      ["ForumThread.actions.addMessage: names the resource ForumDelivery, which is not in the registry"]
    )
    assert.deepStrictEqual(problemsOf({ resources: [Thread, Participant, ChannelBinding, ChannelDelivery] }), [
      "ForumThread.relations.messages, ForumThread.actions.addMessage: names the resource ForumMessage, which is not in the registry",
      "ForumThread.actions.addMessage: names the workflow ForumRun, which is not in the registry"
    ])
  })

  it("reports every mistake at once", () => {
    const lost = Workflow.make("Lost", { input: {} })
    const broken = Resource.make("broken", {
      table: "Broken-Table",
      fields: {
        id: Field.Id,
        tenantId: Schema.String,
        when: Schema.Literals(["A", "B"]),
        at: Field.Position("nowhere")
      },
      transitions: { when: { A: ["C"] } },
      initial: { when: ["D"] },
      relations: { gone: Relation.belongsTo("Gone", "id") },
      actions: (on) => ({
        Go: on.action({ touches: [Widget, Action.ref("ForumThread", "vanish"), lost] }, () => Outcome.nothing)
      })
    })
    const problems = problemsOf({ resources: [broken, broken, Thread] })
    for (const expected of [
      "there is more than one resource of this name",
      "not in PascalCase",
      "cannot be a table's name",
      "broken.actions.Go: the name is not in camelCase",
      "is the tenant's own column",
      `"nowhere", which is no field`,
      `"C" is no value of the field`,
      `broken.initial.when: "D" is no value of the field`,
      "the resource Gone, which is not in the registry",
      "the resource Widget, which is not in the registry",
      "sends to ForumThread.vanish, which is no action",
      "the workflow Lost, which is not in the registry"
    ]) {
      assert.isTrue(
        problems.some((each) => each.includes(expected)),
        `${expected}\n${problems.join("\n")}`
      )
    }
  })

  it("reports what no caller could tell apart or nobody could reach", () => {
    class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {}
    class Gone extends Schema.TaggedError<Gone>()("Gone", {}) {}
    const Other = (() => {
      class Gone extends Schema.TaggedError<Gone>()("Gone", {}) {}
      return Gone
    })()
    const watched = Resource.make("Watched", {
      fields: { id: Field.Id, status: Schema.Literals(["ON", "OFF"]) },
      conflict: { on: [], do: "update" },
      identities: { none: [] },
      watch: { workflow: { name: "Lost" }, field: "status", until: ["OVER"] },
      actions: (on) => ({
        putOff: on.action({ errors: [NotFound, Failure.Forbidden] }, () => Outcome.nothing),
        putOFF: on.action({ errors: [Gone, Other] }, () => Outcome.nothing),
        events: on.read({ output: Schema.Int }, () => 1)
      })
    })
    const blind = { ...watched, name: "Blind", table: "blind", watch: { ...watched.watch, field: "state" } }
    const problems = problemsOf({ resources: [watched, blind as typeof watched] })
    for (const expected of [
      "Watched.conflict, ",
      "Watched.identities.none",
      "Watched.watch, Blind.watch: names the workflow Lost, which is not in the registry",
      `Blind.watch: "state" is no field`,
      `Watched.watch: "OVER" is no value of status`,
      "Watched.actions.putOFF, Blind.actions.putOFF: has the same path as putOff",
      "Watched.actions.events, Blind.actions.events: has the same path as what `watch` adds",
      "Watched.actions.putOff, Blind.actions.putOff: declares an error with the framework's own tag NotFound",
      "Watched.actions.putOFF, Blind.actions.putOFF: declares two errors tagged Gone"
    ]) {
      assert.isTrue(
        problems.some((each) => each.includes(expected)),
        `${expected}\n${problems.join("\n")}`
      )
    }
  })

  it("refuses positions that would repeat", () => {
    const list = Resource.make("List", { fields: { id: Field.Id }, actions: () => ({}) })
    const item = Resource.make("Item", {
      fields: { id: Field.Id, listId: Schema.NullOr(Schema.String), at: Field.Position("listId") },
      relations: { list: Relation.belongsTo(list, "listId", { onRemove: "null" }) },
      actions: () => ({})
    })
    const step = Resource.make("Step", {
      fields: { id: Field.Id, way: Schema.Struct({ name: Schema.String }), at: Field.Position("way") },
      actions: () => ({})
    })
    assert.deepStrictEqual(problemsOf({ resources: [list, item, step] }), [
      'Item.fields.at: is a position within "listId", which list makes null when the parent is removed',
      'Step.fields.at: is a position within "way", which is stored as JSON'
    ])
  })

  it("refuses what would fail, or say nothing, at every call", () => {
    class Fine extends Schema.TaggedError<Fine>()("Fine", {}, { httpStatus: 200 }) {}
    class Huge extends Schema.TaggedError<Huge>()("Huge", {}, { httpStatus: 1000 }) {}
    class Half extends Schema.TaggedError<Half>()("Half", {}, { httpStatus: 404.5 }) {}
    class Gone extends Schema.TaggedError<Gone>()("Gone", {}, { httpStatus: 599 }) {}
    const car = Resource.make("Car", {
      fields: {
        id: Field.Id,
        constructor: Schema.String.pipe(Field.withDefault("Ferrari")),
        line: Schema.String,
        first: Field.Position("line"),
        second: Field.Position("line"),
        version: Field.Version,
        revision: Field.Version
      },
      actions: (on) => ({
        fail: on.action(
          { input: { valueOf: Schema.optionalKey(Schema.Int) }, errors: [Fine, Huge, Half, Gone] },
          () => Outcome.nothing
        )
      })
    })
    const inherited = "is a member that every object of JavaScript has"
    assert.deepStrictEqual(problemsOf({ resources: [car] }).toSorted(), [
      "Car.actions.fail: declares the error Fine with the HTTP status 200, which says no failure",
      "Car.actions.fail: declares the error Half with the HTTP status 404.5, which says no failure",
      "Car.actions.fail: declares the error Huge with the HTTP status 1000, which says no failure",
      `Car.fields.constructor, Car.actions.fail.input.valueOf: ${inherited}`,
      "Car.fields.revision: is another version field, where a resource has one",
      "Car.fields.second: is another position field, where a resource has one"
    ])
  })

  it("finds cycles among required relations and names them", () => {
    const a = plain("A", { b: Relation.belongsTo("B", "otherId") })
    const b = plain("B", { c: Relation.belongsTo("C", "otherId") })
    const c = plain("C", { a: Relation.belongsTo("A", "otherId") })
    assert.deepStrictEqual(problemsOf({ resources: [a, b, c] }), ["A: depends on itself: A → B → C → A"])
  })

  it("takes optional relations and looks back for no cycle", () => {
    const a = plain("A", { b: Relation.belongsTo("B", "otherId", { optional: true }) })
    const b = plain("B", { a: Relation.belongsTo(a, "otherId"), all: Relation.hasMany("A", "otherId") })
    const self = plain("Self", { parent: Relation.belongsTo("Self", "otherId") })
    assert.deepStrictEqual(problemsOf({ resources: [a, b, self] }), [])
  })

  it("refuses a look back along what points elsewhere, or nowhere", () => {
    const a = plain("A", { b: Relation.belongsTo("B", "otherId"), c: Relation.hasMany("C", "otherId") })
    const b = plain("B", { all: Relation.hasMany("A", "otherId"), wrong: Relation.hasMany("A", "id") })
    const c = plain("C", { b: Relation.belongsTo("B", "otherId") })
    assert.deepStrictEqual(problemsOf({ resources: [a, b, c] }), [
      "A.relations.c: looks back along C.otherId, which points to no A",
      "B.relations.wrong: looks back along A.id, which points to no B"
    ])
  })

  it("lists resources that belong to no tenant", () => {
    const shared = Resource.make("Country", { tenantScoped: false, fields: { id: Field.Id }, actions: () => ({}) })
    assert.deepStrictEqual(Registry.make({ resources: [shared, Widget] }).notTenantScoped, ["Country"])
  })

  it("demands a key for a durable resource", () => {
    const keyless = Resource.make("Keyless", { durable: true, fields: { name: Schema.String }, actions: () => ({}) })
    const [problem] = problemsOf({ resources: [keyless] })
    assert.include(problem, "a durable action needs a key")
  })
})

describe("Resource.extend", () => {
  it("adds an action to a resource without changing it", () => {
    const extended = Resource.extend(Widget, (on) => ({
      shout: on.read({ output: Schema.String }, ({ self }) => self.name.toUpperCase())
    }))
    assert.isTrue(Registry.make({ resources: [extended] }).action("Widget", "shout") !== undefined)
    assert.isFalse("shout" in Widget.actions)
    assert.strictEqual(extended.actions.create, Widget.actions.create)
  })
})
