/** A collector of traces: OTLP over HTTP, as JSON, in this process. */
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

type Value = { readonly stringValue?: string; readonly intValue?: number | string; readonly boolValue?: boolean }

/** A span as it came. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  readonly kind: number
  readonly start: bigint
  readonly end: bigint
  /** 1: ok, 2: error. */
  readonly status: number
  readonly attributes: { readonly [name: string]: string | number | boolean | undefined }
}

/** What was collected. */
export interface Collector {
  readonly url: string
  readonly spans: Array<Span>
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
        spans.push(...read(JSON.parse(body)))
        if (options.answer) response.setHeader("content-type", "application/json").end("{}")
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      return { server, collector: { url, spans, received: () => received } satisfies Collector }
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  ).pipe(Effect.map(({ collector }): Collector => collector))

const read = (data: any): ReadonlyArray<Span> =>
  data.resourceSpans.flatMap((resource: any) =>
    resource.scopeSpans.flatMap((scope: any) =>
      scope.spans.map((span: any): Span => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        name: span.name,
        kind: span.kind,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        status: span.status.code,
        attributes: Object.fromEntries(
          span.attributes.map(({ key, value }: { key: string; value: Value }) => [
            key,
            value.stringValue ?? (value.intValue === undefined ? value.boolValue : Number(value.intValue))
          ])
        )
      }))
    )
  )
