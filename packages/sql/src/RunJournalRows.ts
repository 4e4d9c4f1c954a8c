/** Rows of `tenon.run_journal`: a row for each write, of as many operations as came together. */
import type { Operation, RunKey } from "@tenon/core/RunJournal"
import type { Row, Statement } from "./TenantSql.ts"

/** The rows of a run, whose key is in `$1` to `$3`. */
export const where = "tenant_id = $1 and workflow = $2 and key = $3"

/** A run's key, as `where` has it. */
export const keyOf = ({ key, tenantId, workflow }: RunKey): ReadonlyArray<string> => [tenantId, workflow, key]

/** The journal of a run, in its order. */
export const select = (run: RunKey): Statement => ({
  sql: `select operations from tenon.run_journal where ${where} order by seq`,
  params: keyOf(run)
})

/** An insert of what a run did after `offset` operations, for each row of `source`. The run is in `$1` to `$3`. */
export const insert = (offset: number, operations: ReadonlyArray<Operation>, source: string, first: number) => ({
  sql:
    "insert into tenon.run_journal (tenant_id, workflow, key, seq, length, operations) " +
    `select $1, $2, $3, $${first}::bigint, $${first + 1}::bigint, $${first + 2} from ${source}`,
  params: [offset, operations.length, textOf(operations)]
})

/** Operations as a row holds them. */
export const textOf = (operations: ReadonlyArray<Operation>): string => JSON.stringify(operations)

/** Operations, from their rows. */
export const operationsOf = (rows: ReadonlyArray<Row>): ReadonlyArray<Operation> =>
  rows.flatMap((row) => JSON.parse(String(row["operations"])) as ReadonlyArray<Operation>)
