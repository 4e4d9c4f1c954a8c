/** Makes responses, each with the headers that every response carries. */
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Exchange } from "./Exchange.ts"

/** Further headers of a response; names in lower case. */
export type Extra = { readonly [name: string]: string }

/**
 * What every answer says to browsers: nothing here is to be sniffed, framed, run or kept by shared caches (OWASP REST
 * Security Cheat Sheet).
 */
export const headersOf = (exchange: Exchange, extra?: Extra): { [name: string]: string } => ({
  "x-request-id": exchange.requestId,
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cache-control": exchange.method === "GET" ? "private, no-cache" : "no-store",
  ...extra
})

/** A response whose body is a value's JSON. */
export const json = (exchange: Exchange, status: number, body: unknown, extra?: Extra) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers: headersOf(exchange, extra) })

/** A response whose body is text that is ready to be sent. */
export const text = (exchange: Exchange, contentType: string, body: string, extra?: Extra) =>
  HttpServerResponse.text(body, { status: 200, contentType, headers: headersOf(exchange, extra) })

/** A response without a body. */
export const empty = (exchange: Exchange, status: number, extra?: Extra) =>
  HttpServerResponse.empty({ status, headers: headersOf(exchange, extra) })
