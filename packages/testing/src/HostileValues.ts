/** What attackers and broken clients put into requests: texts, values and whole bodies. */

/**
 * Text that is code elsewhere, that no store holds, or that is mistaken for something. None of it is a key of a row.
 */
export const texts: ReadonlyArray<string> = [
  "'; drop table widgets; --",
  `" or 1=1 --`,
  "') or ('1'='1",
  "x' union select current_setting('app.tenant_id') --",
  "1; select pg_sleep(9)",
  "\\'; reset role; --",
  "%' or '%'='",
  "$1",
  `{"$gt":""}`,
  `{x,"y"}`,
  "${7*7}",
  "<script>alert(1)</script>",
  "../../etc/passwd",
  "__proto__",
  "1e999",
  "-0x1",
  "9223372036854775808",
  "99999-99-99T99:99:99Z",
  "\u202e\u2028",
  "a\u0000b",
  "\ud800"
]

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`

/** Values for any field, as JSON. */
export const values: ReadonlyArray<string> = [
  ...texts.map((each) => JSON.stringify(each)),
  JSON.stringify("long ".repeat(20_000)),
  "null",
  "true",
  "-1",
  "1.5",
  "1e308",
  "1e400",
  "9007199254740993",
  "[]",
  "{}",
  `{"$ne":null}`,
  `["'; --",null,{"a":1}]`,
  `{"__proto__":{"admin":true},"x":"'::jsonb"}`,
  nested(1_000)
]

/** Percent-encoded forms that no text has. */
export const rawSegments: ReadonlyArray<string> = ["%", "%ff", "%00", "%ED%A0%80", "%2e%2e%2f", "x".repeat(400)]

/** A body that is none, and its headers where they are what is wrong with it. */
export interface BrokenBody {
  readonly name: string
  readonly body: string | Uint8Array<ArrayBuffer>
  readonly headers?: { readonly [name: string]: string }
}

const type = (contentType: string) => ({ "content-type": contentType })

/** Bodies that are refused wherever an object is expected; `sound` is one that would be accepted. */
export const brokenBodies = (sound: string): ReadonlyArray<BrokenBody> => {
  const inner = sound.slice(1, -1)
  const and = (member: string) => `{${[...(inner === "" ? [] : [inner]), member].join()}}`
  return [
    { name: "half an object", body: sound.slice(0, -1) },
    { name: "a member twice", body: and(`"x":1,"x":2`) },
    { name: "two values", body: `${sound}{}` },
    { name: "single quotes", body: "{'a':'b'}" },
    { name: "bad UTF-8", body: Uint8Array.from([0x22, 0xff, 0xfe, 0x22]) },
    { name: "null", body: "null" },
    { name: "a list", body: `[${sound}]` },
    { name: "a string", body: `"x"` },
    { name: "an unknown field", body: and(`"noSuchField":true`) },
    { name: "a tenant", body: and(`"tenantId":"another","tenant_id":"another"`) },
    { name: "__proto__", body: and(`"__proto__":{"admin":true}`) },
    { name: "escaped __proto__", body: and(`"\\u005f_proto__":{"x":1}`) },
    { name: "constructor", body: and(`"constructor":{"prototype":{"x":1}}`) },
    { name: "very deep nesting", body: and(`"deep":${nested(100_000)}`) },
    { name: "no type", body: sound, headers: type("") },
    { name: "a form", body: "a=b", headers: type("application/x-www-form-urlencoded") },
    { name: "XML", body: "<a/>", headers: type("text/xml") },
    { name: "Latin-1", body: sound, headers: type("application/json; charset=latin1") },
    { name: "gzip that is none", body: sound, headers: { "content-encoding": "gzip" } }
  ]
}

const cursor = (json: string) => Buffer.from(json).toString("base64url")

/** Cursors that no page gave. */
export const cursors: ReadonlyArray<string> = [
  "eyJ",
  ...[
    `{"order":"id","after":[1,{"a":1}]}`,
    `{"order":"id; --","after":["a"]}`,
    `{"after":null}`,
    "[]",
    nested(500)
  ].map(cursor)
]

/** Cursors that a page might have given, had a row such a key. */
export const oddCursors: ReadonlyArray<string> = texts.map((each) =>
  cursor(JSON.stringify({ order: "id", after: [each] }))
)

/** Operators that no filter has. */
export const operators: ReadonlyArray<string> = ["like", "", "$ne", "eq or 1=1", "in][x"]

/** Tokens made of a caller's own that no door may take for one; `undefined` stands for none at all. */
export const forgeries = (own: string): ReadonlyArray<string | undefined> => {
  const [header = "", payload = "", signature = ""] = own.split(".")
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const claims = { sub: "ada", tenant_id: "another", tenantId: "another", roles: ["admin"], exp: 4_102_444_800 }
  return [
    undefined,
    "Bearer ",
    "Bearer abc",
    "Bearer a.b.c",
    `Basic ${Buffer.from("a:b").toString("base64")}`,
    `Bearer ${encoded({ alg: "none" })}.${encoded(claims)}.`,
    `Bearer ${encoded({ alg: "HS256" })}.${encoded(claims)}.AAAA`,
    `Bearer ${own.slice(0, -6)}AAAAAA`,
    `Bearer ${own}x`,
    "Bearer tenon_' or 1=1 --",
    ...(signature === "" ? [] : [`Bearer ${header}.${payload}.`, `Bearer ${header}.${encoded(claims)}.${signature}`])
  ]
}
