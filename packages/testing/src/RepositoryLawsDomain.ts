/** The resources that the repository laws are tried on: one for each rule that a store has to keep. */
import * as DomainEvent from "@tenon/core/DomainEvent"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Registry from "@tenon/core/Registry"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as BigDecimal from "effect/BigDecimal"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** A column of every kind. */
export const Sample = Resource.make("LawSample", {
  fields: {
    id: Field.Id,
    text: Schema.String,
    count: Schema.Int,
    score: Schema.Finite,
    flag: Schema.Boolean,
    at: Schema.DateTimeUtc,
    level: Schema.Literals(["low", "mid", "high"]).pipe(Field.withDefault("low")),
    grade: Schema.Literals([-1, 2, 10]).pipe(Field.withDefault(2)),
    big: Schema.BigInt.pipe(Field.withDefault(0n)),
    price: Schema.BigDecimal.pipe(Field.withDefault(BigDecimal.make(15n, 1))),
    ratio: Schema.Number.pipe(Field.withDefault(0)),
    debt: Schema.optionalKey(Schema.NullOr(Schema.BigInt)),
    note: Schema.optionalKey(Schema.String),
    body: Schema.Json,
    list: Schema.NullOr(Schema.Array(Schema.Int))
  },
  actions: (on) => ({
    create: on.create({
      input: {
        text: Schema.String,
        count: Schema.Int,
        score: Schema.Finite,
        flag: Schema.Boolean,
        at: Schema.DateTimeUtc,
        body: Schema.Json,
        list: Schema.NullOr(Schema.Array(Schema.Int))
      }
    }),
    get: on.read({ output: Schema.String }, ({ self }) => self.text),
    remove: on.destroy({})
  })
})

export class Spent extends Schema.TaggedError<Spent>()("Spent", {}) {}

export const Happened = DomainEvent.make("LawHappened", { payload: { id: Schema.String } })

/** Versioned, with a unique name, and with actions that are not idempotent. */
export const Account = Resource.make("LawAccount", {
  fields: {
    id: Field.Id,
    name: Schema.String,
    balance: Schema.Int.pipe(Field.withDefault(0)),
    version: Field.Version
  },
  identities: { name: ["name"] },
  actions: (on) => ({
    create: on.create({ input: { name: Schema.String } }),
    add: on.update({ input: { amount: Schema.Int } }, ({ self, input }) => ({
      ...self,
      balance: self.balance + input.amount
    })),
    spendAll: on.update({ errors: [Spent] }, ({ self }) =>
      self.balance === 0 ? Result.fail(new Spent()) : { ...self, balance: 0 }
    ),
    /** Saves what it was told the row was, whatever it is now. */
    overwrite: on.action({ self: "optional", input: { version: Schema.Int } }, ({ self, input }, context) =>
      on
        .save({ id: context.key, name: self?.name ?? context.key, balance: 7, version: input.version })
        .pipe(Outcome.as(undefined))
    ),
    get: on.read({ output: Schema.Int }, ({ self }) => self.balance),
    cards: on.stream(
      { output: Schema.String, from: ({ self }) => Load.many(Card_, { accountId: self.id }) },
      ({ row }) => row.id
    ),
    someCards: on.stream(
      {
        input: { limit: Schema.Int },
        output: Schema.String,
        from: ({ self, input }) => Load.many(Card_, { accountId: self.id }, { limit: input.limit })
      },
      ({ row }) => row.id
    ),
    dieDeciding: on.update({}, () => {
      throw new Error("decide dies")
    }),
    dieConcluding: on.action({ output: Schema.NonEmptyString }, ({ self }) =>
      on.save({ ...self, balance: 999 }).pipe(Outcome.emit(Happened, { id: self.id }), Outcome.as(""))
    ),
    remove: on.destroy({})
  })
})

/** Belongs to an account and may look at others. */
export const Card = Resource.make("LawCard", {
  fields: { id: Field.Id, accountId: Schema.String, spare: Schema.NullOr(Schema.String) },
  relations: { account: Relation.belongsTo(Account, "accountId") },
  actions: (on) => ({
    create: on.create({ input: { accountId: Schema.String, spare: Schema.NullOr(Schema.String) } }),
    peers: on.read(
      {
        output: Schema.Tuple([Schema.Int, Schema.Int, Schema.String]),
        load: ({ self }) => ({
          cards: Load.many(Card_, { accountId: self.accountId }),
          count: Load.count(Card_, { accountId: self.accountId, spare: null }),
          account: Load.one(Account, self.accountId),
          none: Load.optional(Account, "\u0000")
        })
      },
      ({ loaded }) => [loaded.cards.length, loaded.count, loaded.account.name] as const
    )
  })
})
const Card_ = Resource.make("LawCard", {
  fields: { id: Field.Id, accountId: Schema.String, spare: Schema.NullOr(Schema.String) },
  actions: () => ({})
})

/** Counted upserts of an object that has no row at first. */
export const Tally = Resource.make("LawTally", {
  fields: { id: Field.Id, n: Schema.Int },
  actions: (on) => ({
    tick: on.action({ self: "optional", output: Schema.Int }, ({ self }, context) =>
      on.save({ id: context.key, n: (self?.n ?? 0) + 1 }).pipe(Outcome.map(({ n }) => n))
    ),
    announce: on.action(
      { self: "optional", input: { millis: Schema.Int }, touches: [Happened] },
      ({ input }, { key }) =>
        Outcome.nothing.pipe(
          Outcome.emit(Happened, { id: key }, { delay: input.millis }),
          Outcome.emit(Happened, { id: key })
        )
    ),
    hear: on.action({ self: "optional", input: { text: Schema.String } }, ({ self }, context) =>
      on.save({ id: context.key, n: (self?.n ?? 0) + 1 }).pipe(Outcome.as(undefined))
    )
  })
})

/** Has posts, sends to a tally and emits. */
export const Topic = Resource.make("LawTopic", {
  fields: { id: Field.Id, title: Schema.String },
  relations: { posts: Relation.hasMany("LawPost", "topicId") },
  actions: (on) => ({
    create: on.create({ input: { title: Schema.String } }),
    post: on.action(
      {
        input: { key: Schema.String, text: Schema.String },
        load: ({ self }) => ({ before: Load.count(Post, { topicId: self.id }) }),
        output: Schema.Int,
        touches: () => [Post, Tally.actions.tick, Happened]
      },
      ({ self, input }) =>
        Outcome.save(Post, { topicId: self.id, key: input.key, text: input.text }).pipe(
          Outcome.send(Tally.actions.tick, self.id, {}),
          Outcome.emit(Happened, { id: self.id }),
          Outcome.map(({ position }) => position)
        )
    ),
    /** Says anything to anyone, and answers with anything: at once, or with what the save has come to. */
    say: on.action(
      {
        input: { to: Schema.String, text: Schema.String, answer: Schema.String, late: Schema.Boolean },
        output: Schema.String,
        touches: () => [Tally.actions.hear, Happened]
      },
      ({ self, input }) => {
        const saved = on.save({ ...self, title: "said" })
        const told = input.late
          ? saved.pipe(Outcome.sendAfter(Tally.actions.hear, input.to, () => ({ text: input.text })))
          : saved.pipe(Outcome.send(Tally.actions.hear, input.to, { text: input.text }))
        return told.pipe(Outcome.emit(Happened, { id: self.id }), Outcome.as(input.answer))
      }
    ),
    remove: on.destroy({})
  })
})

/** Numbered within its topic, with a natural key that stays with the first. */
export const Post = Resource.make("LawPost", {
  fields: {
    id: Field.Id,
    topicId: Schema.String,
    key: Schema.String,
    text: Schema.String,
    position: Field.Position("topicId")
  },
  conflict: { on: ["topicId", "key"], do: "nothing" },
  identities: { position: ["topicId", "position"] },
  relations: { topic: Relation.belongsTo("LawTopic", "topicId", { onRemove: "cascade" }) },
  actions: () => ({})
})

/** Numbered, and replaced by its natural key. */
export const Line = Resource.make("LawLine", {
  fields: {
    id: Field.Id,
    page: Schema.String,
    slot: Schema.String,
    text: Schema.String,
    number: Field.Position("page")
  },
  conflict: { on: ["page", "slot"], do: "update" },
  actions: () => ({})
})

/** Numbered among the rows of its list, which is no part of its conflict rule. */
export const Task = Resource.make("LawTask", {
  fields: { id: Field.Id, list: Schema.NullOr(Schema.String), number: Field.Position("list") },
  actions: (on) => ({
    create: on.create({ input: { list: Schema.NullOr(Schema.String) } }),
    move: on.update({ input: { list: Schema.NullOr(Schema.String) } }, ({ input, self }) => ({ ...self, ...input }))
  })
})

/** Replaced by its natural key, with all that the standing row keeps and counts. */
export const Seat = Resource.make("LawSeat", {
  fields: {
    id: Field.Id,
    place: Schema.String,
    holder: Schema.String,
    since: Field.CreatedAt,
    version: Field.Version
  },
  conflict: { on: ["place"], do: "update" },
  actions: (on) => ({
    create: on.create({ input: { place: Schema.String, holder: Schema.String } }),
    move: on.update({ input: { place: Schema.String } }, ({ self, input }) => ({ ...self, place: input.place }))
  })
})

/** Replaced by its key. */
export const Badge = Resource.make("LawBadge", {
  fields: { id: Field.Id, text: Schema.String, since: Field.CreatedAt },
  conflict: { on: ["id"], do: "update" },
  actions: (on) => ({ create: on.create({ input: { text: Schema.String } }) })
})

/** Numbered, counted, and made once per key. */
export const Leaf = Resource.make("LawLeaf", {
  fields: { id: Field.Id, page: Schema.String, number: Field.Position("page"), version: Field.Version },
  actions: (on) => ({
    create: on.create({ input: { page: Schema.String } }),
    /** Makes one, beside another that may be there already. */
    createBeside: on.create({ input: { page: Schema.String, other: Schema.String } }, ({ input: { other, page } }) =>
      on.save({ id: other, page }).pipe(Outcome.andThen(on.save({ page })))
    )
  })
})

/** Stays with the first, and is not numbered. */
export const Claim = Resource.make("LawClaim", {
  fields: { id: Field.Id, thing: Schema.String, by: Schema.String },
  conflict: { on: ["thing"], do: "nothing" },
  actions: (on) => ({ create: on.create({ input: { thing: Schema.String, by: Schema.String } }) })
})

const states = {
  status: Schema.NullOr(Schema.Literals(["NEW", "OPEN", "CLOSED"])).pipe(Field.withDefault("NEW" as const))
}
const machine = {
  transitions: { status: { NEW: ["OPEN"], OPEN: ["CLOSED", "NEW"] } },
  initial: { status: ["NEW"] }
}
const To = Schema.NullOr(Schema.Literals(["NEW", "OPEN", "CLOSED"]))

/** Has states; its actions save rows of its own and others'. */
export const Gate = Resource.make("LawGate", {
  fields: { id: Field.Id, ...states },
  ...machine,
  actions: (on) => ({
    create: on.create({ input: { status: To } }),
    move: on.update({ input: { to: To } }, ({ self, input }) => ({ ...self, status: input.to })),
    /** Moves itself again and again, and then other gates. */
    moveAll: on.action(
      { input: { own: Schema.Array(To), others: Schema.Array(Schema.String), to: To } },
      ({ self, input }) =>
        Outcome.nothing.pipe(
          Outcome.forEach(input.own, (status) => Outcome.also(on.save({ ...self, status }))),
          Outcome.forEach(input.others, (id) => Outcome.also(on.save({ id, status: input.to })))
        )
    )
  })
})

/** Has states, is numbered and counted, and is replaced by its natural key. */
export const Lock = Resource.make("LawLock", {
  fields: {
    id: Field.Id,
    gate: Schema.String,
    slot: Schema.String,
    ...states,
    number: Field.Position("gate"),
    version: Field.Version
  },
  ...machine,
  conflict: { on: ["gate", "slot"], do: "update" },
  actions: () => ({})
})

/** Has states, is counted, and is replaced by its natural key. */
export const Bolt = Resource.make("LawBolt", {
  fields: { id: Field.Id, gate: Schema.String, ...states, version: Field.Version },
  ...machine,
  conflict: { on: ["gate"], do: "update" },
  actions: () => ({})
})

/** Has states, and stays with the first. */
export const Seal = Resource.make("LawSeal", {
  fields: { id: Field.Id, gate: Schema.String, ...states },
  ...machine,
  conflict: { on: ["gate"], do: "nothing" },
  actions: () => ({})
})

/** Saves rows with states that are not its own. */
export const Guard = Resource.make("LawGuard", {
  fields: { id: Field.Id },
  actions: (on) => ({
    put: on.action(
      {
        self: "optional",
        input: { what: Schema.Literals(["gate", "lock", "bolt", "seal"]), id: Schema.String, to: To },
        touches: [Gate, Lock, Bolt, Seal]
      },
      ({ input: { id, to: status, what } }) => {
        const row = { id: `${what} ${id}`, gate: id, status }
        switch (what) {
          case "gate":
            return Outcome.save(Gate, { id, status }).pipe(Outcome.as(undefined))
          case "lock":
            return Outcome.save(Lock, { ...row, slot: "s" }).pipe(Outcome.as(undefined))
          case "bolt":
            return Outcome.save(Bolt, row).pipe(Outcome.as(undefined))
          case "seal":
            return Outcome.save(Seal, row).pipe(Outcome.as(undefined))
        }
      }
    )
  })
})

/** Belongs to no tenant. */
export const Planet = Resource.make("LawPlanet", {
  tenantScoped: false,
  fields: { id: Field.Id, name: Schema.String },
  actions: (on) => ({
    create: on.create({ input: { name: Schema.String } }),
    rename: on.update({ input: { name: Schema.String } }, ({ self, input }) => ({ ...self, name: input.name })),
    remove: on.destroy({})
  })
})

const apart = [Sample, Account, Card, Tally, Topic, Post, Line, Lock, Seat, Leaf, Badge, Claim, Planet]

/** What a store under the laws is made for. */
export const registry: Registry.Registry = Registry.make({
  resources: [...apart, Task, Gate, Bolt, Seal, Guard],
  events: [Happened]
})

/** Those of them that a proof of isolation needs: one for each way in which two tenants' rows could meet. */
export const isolated: Registry.Registry = Registry.make({ resources: apart, events: [Happened] })
