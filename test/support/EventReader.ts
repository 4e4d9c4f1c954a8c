/** Reads server-sent events from a real server, and hangs up when told to. */

/** An event as a client sees it. */
export interface Seen {
  readonly id: string
  readonly event: string
  readonly data: { readonly [member: string]: unknown }
}

/** What a connection came to. */
export interface Connection {
  readonly status: number
  readonly contentType: string
  readonly seen: ReadonlyArray<Seen>
  /** Whether the server ended it. */
  readonly ended: boolean
}

const parse = (block: string): Seen | undefined => {
  const fields = new Map(
    block.split("\n").map((line) => {
      const [name = "", ...rest] = line.split(": ")
      return [name, rest.join(": ")] as const
    })
  )
  const event = fields.get("event")
  return event === undefined
    ? undefined
    : { id: fields.get("id") ?? "", event, data: JSON.parse(fields.get("data") ?? "{}") }
}

/** Reads until the server ends the answer, or `enough` says so of what has come. */
export const read = async (
  url: string,
  options: {
    readonly token?: string
    readonly lastEventId?: string
    readonly enough?: (seen: ReadonlyArray<Seen>) => boolean
  }
): Promise<Connection> => {
  const response = await fetch(url, {
    headers: {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(options.lastEventId === undefined ? {} : { "last-event-id": options.lastEventId })
    }
  })
  const seen: Array<Seen> = []
  const { status } = response
  const contentType = response.headers.get("content-type") ?? ""
  if (status !== 200 || response.body === null) return { status, contentType, seen, ended: true }
  let text = ""
  const decoder = new TextDecoder()
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true })
    for (let at = text.indexOf("\n\n"); at !== -1; at = text.indexOf("\n\n")) {
      const event = parse(text.slice(0, at))
      text = text.slice(at + 2)
      if (event !== undefined) seen.push(event)
      // Leaving the loop closes the connection.
      if (options.enough?.(seen) === true) return { status, contentType, seen, ended: false }
    }
  }
  return { status, contentType, seen, ended: true }
}
