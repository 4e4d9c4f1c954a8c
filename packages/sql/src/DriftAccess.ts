/** The part of `Drift` that isolation rests on (T1, T2): row security, policies, grants, roles, views. */
import type * as Catalogue from "./Catalogue.ts"
import type { Forms } from "./CatalogueForms.ts"
import type * as DatabaseModel from "./DatabaseModel.ts"
import * as DdlRender from "./DdlRender.ts"
import type { Finding } from "./Drift.ts"
import * as SqlName from "./SqlName.ts"

const everyone = "PUBLIC"

/** The roles, and what they may do in the schemas. */
export const roles = (model: DatabaseModel.Model, live: Catalogue.Catalogue): ReadonlyArray<Finding> =>
  [model.roles.app, model.roles.relay].flatMap((name): ReadonlyArray<Finding> => {
    const place = `role ${name}`
    const alter = `alter role ${SqlName.quote(name)}`
    const role = live.roles.find((each) => each.name === name)
    if (role === undefined) return [{ place, problem: "the role is missing", mend: "Apply the migrations" }]
    return [
      ...(role.superuser
        ? [{ place, problem: "it is a superuser, whom row security does not bind", mend: `${alter} nosuperuser` }]
        : []),
      ...(role.bypasses ? [{ place, problem: "it bypasses row security", mend: `${alter} nobypassrls` }] : []),
      ...(role.makesRoles && !role.superuser
        ? [{ place, problem: "it may create roles, and grant itself others", mend: `${alter} nocreaterole` }]
        : []),
      ...(role.replicates && !role.superuser
        ? [{ place, problem: "it may replicate, which reads every tenant's rows", mend: `${alter} noreplication` }]
        : []),
      ...(role.login ? [{ place, problem: "it can log in", mend: `${alter} nologin, and grant it to the login` }] : []),
      ...role.escapes.map((other) => ({
        place,
        problem: `it is a member of ${other}, which owns tables or escapes row security`,
        mend: `revoke ${SqlName.quote(other)} from ${SqlName.quote(name)}`
      })),
      ...role.reaches.map((other) => ({
        place,
        problem: `it is a member of ${other}, which reaches further than its grants`,
        mend: `revoke ${SqlName.quote(other)} from ${SqlName.quote(name)}`
      })),
      ...live.schemas
        .filter((each) => each.role === name)
        .flatMap((schema) => {
          const wanted = DdlRender.rolesBySchema(model).some(([each, of]) => each === schema.name && of.includes(name))
          return [
            ...(wanted && !schema.usage
              ? [
                  {
                    place: `schema ${schema.name}`,
                    problem: `${name} may not use it`,
                    mend: `grant usage on schema ${SqlName.quote(schema.name)} to ${SqlName.quote(name)}`
                  }
                ]
              : []),
            ...(schema.create && !role.superuser
              ? [
                  {
                    place: `schema ${schema.name}`,
                    problem: `${name} may create tables in it, and would own them`,
                    mend: `revoke create on schema ${SqlName.quote(schema.name)} from ${SqlName.quote(name)}, public`
                  }
                ]
              : [])
          ]
        })
    ]
  })

/** Row security, policies, grants and the owner of one table. */
export const table = (
  place: string,
  model: DatabaseModel.Model,
  wanted: DatabaseModel.Table,
  live: Catalogue.Relation,
  forms: Forms
): ReadonlyArray<Finding> => [...holes(place, model, wanted, live, forms), ...missingGrants(place, model, wanted, live)]

/** Those of them through which somebody could see or change too much. */
export const holes = (
  place: string,
  model: DatabaseModel.Model,
  wanted: DatabaseModel.Table,
  live: Catalogue.Relation,
  forms: Forms
): ReadonlyArray<Finding> => [
  ...(Object.values(model.roles).includes(live.owner)
    ? [{ place, problem: `${live.owner} owns it`, mend: `alter table ${SqlName.qualified(wanted)} owner to …` }]
    : []),
  ...rowSecurity(place, wanted, live),
  ...policies(place, model, wanted, live, forms),
  ...furtherGrants(place, model, wanted, live),
  ...live.inherited.map(({ privilege, role, via }) => ({
    place,
    problem: `${role} may ${privilege} as a member of ${via} and should not`,
    mend: `revoke ${SqlName.quote(via)} from ${SqlName.quote(role)}`
  })),
  ...exclusions(place, wanted, live)
]

/** One that spans tenants reveals what others have: a row is refused for theirs. */
const exclusions = (
  place: string,
  { tenantColumn: tenant, ...table }: DatabaseModel.Table,
  live: Catalogue.Relation
): ReadonlyArray<Finding> =>
  live.constraints
    .filter(({ columns, type }) => type === "x" && tenant !== undefined && !columns.includes(tenant))
    .map(({ columns, name }) => ({
      place,
      problem: `the exclusion constraint ${name} (${columns.join(", ")}) leaves out the tenant, so it reveals other tenants' values`,
      mend: `alter table ${SqlName.qualified(table)} drop constraint ${SqlName.quote(name)}, and let it begin with ${tenant} with =`
    }))

const rowSecurity = (place: string, wanted: DatabaseModel.Table, live: Catalogue.Relation): ReadonlyArray<Finding> => {
  const alter = `alter table ${SqlName.qualified(wanted)}`
  if (wanted.tenantColumn === undefined) {
    return live.secured
      ? [
          {
            place,
            problem: "row security is enabled and it has no tenant",
            mend: `${alter} disable row level security`
          }
        ]
      : []
  }
  return [
    ...(live.secured
      ? []
      : [
          {
            place,
            problem: "row security is not enabled: every tenant's rows are open",
            mend: `${alter} enable row level security`
          }
        ]),
    ...(live.forced
      ? []
      : [
          {
            place,
            problem: "row security is not forced, so it does not bind the owner",
            mend: `${alter} force row level security`
          }
        ])
  ]
}

const policies = (
  place: string,
  model: DatabaseModel.Model,
  wanted: DatabaseModel.Table,
  live: Catalogue.Relation,
  forms: Forms
): ReadonlyArray<Finding> => [
  ...wanted.policies.flatMap((policy): ReadonlyArray<Finding> => {
    const found = live.policies.find(({ name }) => name === policy.name)
    if (found === undefined)
      return [
        {
          place,
          problem: `the policy ${policy.name} is missing`,
          mend: DdlRender.createPolicy(model, wanted, policy).replaceAll("\n ", "")
        }
      ]
    const rows = forms.policy(wanted, policy)
    const fits =
      found.permissive &&
      found.command === "*" &&
      found.roles.length === 1 &&
      found.roles[0] === model.roles[policy.role] &&
      found.using === rows &&
      found.check === rows
    return fits
      ? []
      : [
          {
            place,
            problem: `the policy ${policy.name} differs: to ${found.roles.join(", ")}, command ${found.command}, using ${found.using ?? "nothing"}, with check ${found.check ?? "nothing"}`,
            mend: `Drop it and create it again: ${DdlRender.createPolicy(model, wanted, policy).replaceAll("\n ", "")}`
          }
        ]
  }),
  ...live.policies
    .filter(({ name }) => !wanted.policies.some((policy) => policy.name === name))
    .map(({ name, permissive }) => ({
      place,
      problem: `the policy ${name} is not declared${permissive ? ", and permissive policies open what others close" : ""}`,
      mend: `drop policy ${SqlName.quote(name)} on ${SqlName.qualified(wanted)}`
    }))
]

/** Each role, what it should be granted on a table, and what it is granted. */
const grantsOf = (model: DatabaseModel.Model, wanted: DatabaseModel.Table, live: Catalogue.Relation) =>
  [...Object.entries(model.roles), ["", everyone] as const].map(([role, name]) => ({
    name,
    who: name === everyone ? "public" : SqlName.quote(name),
    should: wanted.grants.find((each) => each.role === role)?.privileges ?? [],
    found: live.grants.filter((each) => each.role === name)
  }))

const missingGrants = (
  place: string,
  model: DatabaseModel.Model,
  wanted: DatabaseModel.Table,
  live: Catalogue.Relation
): ReadonlyArray<Finding> =>
  grantsOf(model, wanted, live).flatMap(({ found, name, should, who }) =>
    should
      .filter((each) => !found.some(({ column, privilege }) => column === null && privilege === each))
      .map((each) => ({
        place,
        problem: `${name} may not ${each}`,
        mend: `grant ${each} on ${SqlName.qualified(wanted)} to ${who}`
      }))
  )

const furtherGrants = (
  place: string,
  model: DatabaseModel.Model,
  wanted: DatabaseModel.Table,
  live: Catalogue.Relation
): ReadonlyArray<Finding> =>
  grantsOf(model, wanted, live).flatMap(({ found, name, should, who }) => [
    ...found
      .filter(({ privilege, column }) => column !== null || !(should as ReadonlyArray<string>).includes(privilege))
      .map(({ privilege, column }) => ({
        place,
        problem: `${name} may ${privilege}${column === null ? "" : ` ${column}`} and should not`,
        mend: `revoke ${privilege}${column === null ? "" : ` (${SqlName.quote(column)})`} on ${SqlName.qualified(wanted)} from ${who}`
      })),
    ...found
      .filter(({ grantable }) => grantable)
      .map(({ privilege }) => ({
        place,
        problem: `${name} may pass on ${privilege}`,
        mend: `revoke grant option for ${privilege} on ${SqlName.qualified(wanted)} from ${who}`
      }))
  ])

/** What is there beside the model: tables, views and functions through which one of the roles could see too much. */
export const unknown = (model: DatabaseModel.Model, live: Catalogue.Catalogue): ReadonlyArray<Finding> => {
  const known = new Set(model.tables.map((each) => `${each.schema}.${each.name}`))
  const names = [...Object.values(model.roles), everyone]
  const open = (relation: Catalogue.Relation) => relation.grants.some(({ role }) => names.includes(role))
  return [
    ...live.relations
      .filter((each) => !known.has(`${each.schema}.${each.name}`))
      .flatMap((each): ReadonlyArray<Finding> => {
        const place = `${each.schema}.${each.name}`
        if (each.kind === "v") {
          return each.invoker
            ? []
            : [
                {
                  place,
                  problem: "the view reads as its owner, past row security",
                  mend: `alter view ${SqlName.qualified(each)} set (security_invoker = true)`
                }
              ]
        }
        if (!open(each)) return []
        if (each.kind === "m")
          return [
            {
              place,
              problem: "a materialised view has no row security and is open to the application",
              mend: "Revoke the grant, or make it a table with row security"
            }
          ]
        return each.secured && each.forced && each.policies.length > 0
          ? []
          : [
              {
                place,
                problem: "the table is not declared, has no forced row security and is open to the application",
                mend: "Declare a resource for it, revoke the grant, or enable and force row security with a policy"
              }
            ]
      }),
    ...live.definers.map(({ schema, name, owner }) => ({
      place: `${schema}.${name}`,
      problem: `the function runs as ${owner}, past what binds the application`,
      mend: "Make it `security invoker`, or revoke execute from public and from the roles"
    }))
  ]
}
