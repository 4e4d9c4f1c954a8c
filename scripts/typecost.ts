/**
 * What it costs to type-check 100 resources: generates them, compiles them with the project's type checker and fails
 * above the budget. Instantiations are those that the resources add to an empty file with the same imports; memory is
 * the whole run's. `--resources N` for another number, `--json` for the figures alone.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { root, run, typeChecker } from "./run.ts"

/**
 * For 100 resources of four actions each, one of them with a load and an outcome. A bare prototype of the types took
 * 200,000 instantiations and 159 MB: this allows twice that, and is to be raised only knowingly.
 */
const budget = { instantiations: 400_000, megabytes: 320 }

const imports = `import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Resource from "@tenon/core/Resource"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
`

/** One resource: it loads the one before it, as domains do. */
const resource = (n: number) => `${imports}${n === 0 ? "" : `import { Item${n - 1} } from "./Item${n - 1}.ts"\n`}
export class Closed${n} extends Schema.TaggedError<Closed${n}>()("Closed${n}", { id: Schema.String }, { httpStatus: 409 }) {}

export const Item${n} = Resource.make("Item${n}", {
  durable: true,
  fields: {
    id: Field.Id,
    name: Schema.NonEmptyString,
    amount${n}: Schema.Int,
    parentId: Schema.String,
    status: Schema.Literals(["ACTIVE", "CLOSED"]).pipe(Field.withDefault("ACTIVE")),
    createdAt: Field.CreatedAt
  },
  actions: (on) => ({
    create: on.create({ input: { name: Schema.NonEmptyString, amount${n}: Schema.Int, parentId: Schema.String } }),
    close: on.update({ errors: [Closed${n}] }, ({ self }) =>
      self.status === "CLOSED" ? Result.fail(new Closed${n}({ id: self.id })) : { ...self, status: "CLOSED" }),
    get: on.read({ output: Schema.Struct({ id: Schema.String, label: Schema.String }) }, ({ self }) => ({
      id: self.id,
      label: self.name
    })),
    ${
      n === 0
        ? "touch: on.action({ input: { by: Schema.Int } }, () => Outcome.nothing)"
        : `add: on.action({
      input: { by: Schema.Int },
      load: ({ self }) => ({ parent: Load.one(Item${n - 1}, self.parentId) }),
      output: Schema.Int,
      touches: [Item${n - 1}]
    }, ({ input, loaded }) =>
      Outcome.save(Item${n - 1}, { ...loaded.parent, amount${n - 1}: loaded.parent.amount${n - 1} + input.by }).pipe(
        Outcome.map((saved) => saved.amount${n - 1})))`
    }
  })
})
`

interface Cost {
  readonly instantiations: number
  readonly megabytes: number
  readonly seconds: number
}

const measure = async (label: string, files: Readonly<Record<string, string>>): Promise<Cost> => {
  const directory = join(root, ".tenon", "typecost", label)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  const project = {
    extends: "../../../tsconfig.base.json",
    compilerOptions: {
      composite: false,
      incremental: false,
      declaration: false,
      emitDeclarationOnly: false,
      noEmit: true,
      noUnusedLocals: false,
      rootDir: "../../.."
    },
    include: ["*.ts"]
  }
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(project))
  const checker = await typeChecker()
  const { code, output } = await run(checker, ["-p", directory, "--extendedDiagnostics", "--pretty", "false"], {
    capture: true
  })
  if (code !== 0) throw new Error(`The generated resources do not compile:\n${output.slice(0, 4_000)}`)
  const figure = (name: string) => {
    const found = new RegExp(`^${name}:\\s+([\\d.]+)`, "m").exec(output)?.[1]
    if (found === undefined) throw new Error(`No "${name}" among the type checker's figures:\n${output}`)
    return Number(found)
  }
  return {
    instantiations: figure("Instantiations"),
    megabytes: Math.round(figure("Memory used") / 1024),
    seconds: figure("Total time")
  }
}

const { values } = parseArgs({ options: { resources: { type: "string", default: "100" }, json: { type: "boolean" } } })
const count = Number(values.resources)
const empty = await measure("empty", {
  "Empty.ts": `${imports}\nexport const modules = [Field, Load, Outcome, Resource, Result, Schema]\n`
})
const full = await measure(
  "resources",
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`Item${n}.ts`, resource(n)]))
)
rmSync(join(root, ".tenon", "typecost"), { recursive: true, force: true })

const instantiations = full.instantiations - empty.instantiations
const { megabytes, seconds } = full
const over = [
  ...(instantiations > budget.instantiations ? [`instantiations (${instantiations} > ${budget.instantiations})`] : []),
  ...(megabytes > budget.megabytes ? [`memory (${megabytes} MB > ${budget.megabytes} MB)`] : [])
]
if (values.json) {
  console.log(JSON.stringify({ resources: count, instantiations, megabytes, seconds, budget, ok: over.length === 0 }))
} else {
  console.log(`${count} resources: ${instantiations} instantiations, ${megabytes} MB, ${seconds} s`)
}
if (over.length > 0) {
  console.error(`Over budget: ${over.join(", ")}`)
  process.exitCode = 1
}
