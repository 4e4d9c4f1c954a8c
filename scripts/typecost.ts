/**
 * What it costs to type-check 100 resources and their registry: generates them, compiles them with the project's type
 * checker and fails above the budget. Instantiations are those added to an empty file with the same imports; memory is
 * the whole run's, of which Effect's and Node's own types take 100 MB.
 *
 * Measured twice. `one` is the cost of the types: a single checker, which counts the same every time, so the budget is
 * its. `parallel` is how the checker runs by default, with four checkers that share nothing: each works out again the
 * types of the files that its own files import. The resources here load each other in one chain of a hundred, so each
 * checker works out nearly all of them, which is the worst that imports can do; how much depends on the machine, so it
 * is shown and not judged.
 *
 * `--resources N` for another number, `--json` for the figures alone.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { root, run, typeChecker } from "./run.ts"

/**
 * For 100 resources of four actions each, one of them with a load and an outcome, by one checker. Measured: 274,000
 * instantiations and 188 MB. To be raised only knowingly.
 */
const budget = { instantiations: 280_000, megabytes: 195 }

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

/** Collects them all, as an application does. */
const registry = (count: number) => {
  const names = Array.from({ length: count }, (_, n) => `Item${n}`)
  return `import * as Registry from "@tenon/core/Registry"
${names.map((name) => `import { ${name} } from "./${name}.ts"`).join("\n")}

export const registry = Registry.make({ resources: [${names.join(", ")}] })
`
}

interface Cost {
  readonly instantiations: number
  readonly megabytes: number
  readonly seconds: number
}

const generate = (label: string, files: Readonly<Record<string, string>>): string => {
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
  return directory
}

const measure = async (directory: string, ...flags: ReadonlyArray<string>): Promise<Cost> => {
  const args = ["-p", directory, "--extendedDiagnostics", "--pretty", "false", ...flags]
  const { code, output } = await run(await typeChecker(), args, { capture: true })
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
const empty = generate("empty", {
  "Empty.ts": `${imports}\nexport const modules = [Field, Load, Outcome, Resource, Result, Schema]\n`
})
const full = generate("resources", {
  ...Object.fromEntries(Array.from({ length: count }, (_, n) => [`Item${n}.ts`, resource(n)])),
  "Domain.ts": registry(count)
})

const costOf = async (...flags: ReadonlyArray<string>): Promise<Cost> => {
  const nothing = await measure(empty, ...flags)
  const all = await measure(full, ...flags)
  return { ...all, instantiations: all.instantiations - nothing.instantiations }
}
const costs = { one: await costOf("--singleThreaded"), parallel: await costOf() }
rmSync(join(root, ".tenon", "typecost"), { recursive: true, force: true })

const over = (["instantiations", "megabytes"] as const)
  .filter((what) => costs.one[what] > budget[what])
  .map((what) => `${costs.one[what]} ${what} > ${budget[what]}`)
if (values.json) {
  console.log(JSON.stringify({ resources: count, ...costs, budget, ok: over.length === 0 }))
} else {
  for (const [mode, { instantiations, megabytes, seconds }] of Object.entries(costs)) {
    const kept = mode === "one" ? ` (at most ${budget.instantiations} and ${budget.megabytes} MB)` : ""
    console.log(`${count} resources, ${mode}: ${instantiations} instantiations, ${megabytes} MB, ${seconds} s${kept}`)
  }
}
if (over.length > 0) {
  console.error(`Over budget: ${over.join("; ")}`)
  process.exitCode = 1
}
