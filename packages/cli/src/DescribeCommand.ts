/** `tenon slip describe`: what a mesh takes and where, in formats that workers and planners in other languages read. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ConfigFile from "./ConfigFile.ts"
import * as MeshBackend from "./MeshBackend.ts"
import type { MeshConfig } from "./MeshConfig.ts"
import * as Output from "./Output.ts"
import { print } from "./Root.ts"

/** Queues by the names that they have at the broker, which is named where its URL is set. */
const asyncApi = Effect.fnUntraced(function* ({ asyncApi, title }: MeshConfig, release: string) {
  const broker = yield* MeshBackend.brokerUri
  const server = broker && {
    host: broker.host,
    protocol: broker.protocol.replace(":", ""),
    ...(broker.pathname === "" ? {} : { pathname: broker.pathname })
  }
  return asyncApi({
    title,
    version: release,
    address: yield* MeshBackend.queueName,
    ...(server === undefined ? {} : { servers: { broker: server } })
  })
})

/** All of its activities as one Thing; what runs where, `tenon slip activities` tells. */
const thing = ({ thing, title }: MeshConfig, id: string) =>
  Effect.map(MeshBackend.queueUri, (href) => thing({ id, title, href }))

export const describe = Command.make(
  "describe",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("The mesh: a file that exports MeshConfig.define({ … }) as its default")
    ),
    format: Flag.Literals("format", ["asyncapi", "json-schema", "thing"]).pipe(
      Flag.withDescription("AsyncAPI 3.0, JSON Schema 2020-12 of its messages, or a W3C Thing Description 1.1"),
      Flag.withDefault("asyncapi" as const)
    ),
    release: Flag.String("release").pipe(
      Flag.withDescription("The version that the AsyncAPI document gives itself"),
      Flag.withDefault("1.0.0")
    ),
    out: Flag.String("out").pipe(Flag.withDescription("Write to this file instead of printing"), Flag.optional)
  },
  Effect.fn(function* ({ file, format, out, release }) {
    const mesh = yield* ConfigFile.loadMesh(file)
    const id = `urn:tenon:mesh:${encodeURIComponent(mesh.title)}`
    const document =
      format === "asyncapi"
        ? yield* asyncApi(mesh, release)
        : format === "thing"
          ? yield* thing(mesh, id)
          : mesh.jsonSchema(id)
    const text = JSON.stringify(document, null, 2)
    if (Option.isNone(out)) return yield* Console.log(text)
    yield* Output.write(out.value, `${text}\n`)
    yield* print({ file: out.value, format }, `Wrote ${out.value}`)
  })
).pipe(
  Command.withDescription("Describe a mesh to workers and planners in other languages"),
  Command.withExamples([
    { command: "tenon slip describe order.mesh.ts", description: "Its queues and messages, as AsyncAPI" },
    {
      command: "tenon slip describe order.mesh.ts --format json-schema --out orders.schema.json",
      description: "As JSON Schema"
    }
  ])
)
