/** A collector of traces in this process: OTLP over HTTP, as JSON. It keeps what it is sent. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

type Attributes = ReadonlyArray<{
  readonly key: string
  readonly value: {
    readonly stringValue?: string
    readonly intValue?: number | string
    readonly doubleValue?: number
    readonly boolValue?: boolean
  }
}>

/** What an exporter sends, as far as it is looked at. */
interface Export {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: Attributes }
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<
        Pick<Span, "traceId" | "spanId" | "parentSpanId" | "name" | "kind" | "links"> & {
          readonly startTimeUnixNano: string
          readonly endTimeUnixNano: string
          readonly status: { readonly code: number }
          readonly attributes: Attributes
        }
      >
    }>
  }>
}

/** A span as it came. */
export interface Span {
  /** The name of the service that did it. */
  readonly service: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  /** Nanoseconds since 1970. */
  readonly start: bigint
  readonly end: bigint
  /** 1: ok, 2: error. */
  readonly status: number
  readonly attributes: { readonly [name: string]: string | number | boolean | undefined }
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
}

/** What was collected. */
export interface Collector {
  readonly url: string
  readonly spans: ReadonlyArray<Span>
  /** All that was received, as text: to look for what must not be there. */
  readonly received: () => string
}

/** A collector until the scope closes. `answer` false lets exporters wait for an answer that never comes. */
export const make = (options: { readonly answer: boolean } = { answer: true }) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const spans: Array<Span> = []
      let received = ""
      const server = createServer(async (request, response) => {
        let body = ""
        for await (const chunk of request.setEncoding("utf8")) body += chunk
        received += body
        spans.push(...spansOf(JSON.parse(body)))
        if (options.answer) response.setHeader("content-type", "application/json").end("{}")
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      return { server, collector: { url, spans, received: () => received } satisfies Collector }
    }),
    ({ server }) =>
      Effect.promise(() => {
        const closed = new Promise((done) => void server.close(done))
        server.closeAllConnections()
        return closed
      })
  ).pipe(Effect.map(({ collector }): Collector => collector))

const spansOf = ({ resourceSpans }: Export): ReadonlyArray<Span> =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)["service.name"] ?? "")
    return scopeSpans
      .flatMap(({ spans }) => spans)
      .map(({ attributes, endTimeUnixNano, startTimeUnixNano, status, ...span }) => ({
        ...span,
        service,
        start: BigInt(startTimeUnixNano),
        end: BigInt(endTimeUnixNano),
        status: status.code,
        attributes: valuesOf(attributes)
      }))
  })

const valuesOf = (attributes: Attributes): Span["attributes"] =>
  Object.fromEntries(
    attributes.map(({ key, value: { boolValue, doubleValue, intValue, stringValue } }) => [
      key,
      stringValue ?? (intValue === undefined ? (doubleValue ?? boolValue) : Number(intValue))
    ])
  )

/** Sends the spans of this process there; all are sent once its scope is closed. */
export const tracer = (url: string, serviceName: string) =>
  OtlpTracer.layer({ url: `${url}/v1/traces`, resource: { serviceName }, exportInterval: "100 millis" }).pipe(
    Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer])
  )
