/** A collector of traces (OTLP over HTTP, as JSON) that keeps what it is sent. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

/** A span as it was exported, with the name of the service that did it. */
export interface Span {
  readonly service: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: { readonly [kind: string]: unknown } }>
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
}

interface Export {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: Span["attributes"] }
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Omit<Span, "service">> }>
  }>
}

/** The value of an attribute, as text. */
export const attribute = ({ attributes }: Pick<Span, "attributes">, name: string): string | undefined => {
  const value = attributes.find(({ key }) => key === name)?.value
  return value === undefined ? undefined : String(Object.values(value)[0])
}

/** Starts one; the scope ends it. */
export const start = Effect.acquireRelease(
  Effect.promise(async () => {
    const spans: Array<Span> = []
    const server = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const sent: Export = JSON.parse(Buffer.concat(chunks).toString())
        for (const { resource, scopeSpans } of sent.resourceSpans) {
          const service = attribute(resource, "service.name") ?? ""
          spans.push(...scopeSpans.flatMap((scope) => scope.spans.map((span) => ({ ...span, service }))))
        }
        response.writeHead(200, { "content-type": "application/json" }).end("{}")
      })
    })
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, server }
  }),
  ({ server }) =>
    Effect.promise(() => {
      const closed = new Promise((done) => void server.close(done))
      server.closeAllConnections()
      return closed
    })
)

/** Sends the spans of this process there; all are sent once its scope is closed. */
export const tracer = (url: string, serviceName: string) =>
  OtlpTracer.layer({ url: `${url}/v1/traces`, resource: { serviceName }, exportInterval: "100 millis" }).pipe(
    Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer])
  )
