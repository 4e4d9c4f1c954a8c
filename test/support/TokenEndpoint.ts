/**
 * A token endpoint on this machine that speaks OAuth 2.0 Token Exchange (RFC 8693), strictly, and misbehaves on
 * request.
 */
import * as Effect from "effect/Effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** What the endpoint was asked. */
export interface Asked {
  readonly authorization: string | undefined
  readonly form: { readonly [name: string]: string }
}

/** How it answers. A function answers by itself. */
export type Mode = "issue" | "slow" | "hangUp" | ((response: ServerResponse) => void)

const bodyOf = async (request: IncomingMessage) => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of request) chunks.push(chunk)
  return Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()))
}

export const json = (status: number, body: unknown) => (response: ServerResponse) => {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" })
  response.end(typeof body === "string" ? body : JSON.stringify(body))
}

const accessToken = "urn:ietf:params:oauth:token-type:access_token"

/** Issues `<audience> for <subject>`; a subject in `lapsed` gets `invalid_grant`. */
const issue = ({ form }: Asked, lapsed: ReadonlySet<string>, expiresIn: number) => {
  const { audience = "", grant_type, subject_token = "", subject_token_type } = form
  if (grant_type === "client_credentials") {
    return json(200, { access_token: `${audience} for the workload`, token_type: "Bearer", expires_in: expiresIn })
  }
  if (grant_type !== "urn:ietf:params:oauth:grant-type:token-exchange")
    return json(400, { error: "unsupported_grant_type" })
  if (subject_token_type !== accessToken) return json(400, { error: "invalid_request" })
  if (lapsed.has(subject_token)) {
    return json(400, { error: "invalid_grant", error_description: `the token ${subject_token} has expired` })
  }
  return json(200, {
    access_token: `${audience} for ${subject_token}`,
    issued_token_type: accessToken,
    token_type: "Bearer",
    expires_in: expiresIn
  })
}

/** Serves until the scope closes. */
export const make = Effect.gen(function* () {
  const asked: Array<Asked> = []
  const lapsed = new Set<string>()
  const state: { mode: Mode; expiresIn: number } = { mode: "issue", expiresIn: 300 }
  const server = createServer((request, response) => {
    const answer = async () => {
      const each: Asked = { authorization: request.headers.authorization, form: await bodyOf(request) }
      asked.push(each)
      const { mode } = state
      if (mode === "hangUp") return void request.socket.destroy()
      if (mode === "slow") return
      if (mode === "issue") return issue(each, lapsed, state.expiresIn)(response)
      mode(response)
    }
    void answer()
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
    () =>
      Effect.promise(() => {
        server.closeAllConnections()
        return new Promise<void>((resolve) => server.close(() => resolve()))
      })
  )
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
  return { url, asked, lapsed, state }
})
