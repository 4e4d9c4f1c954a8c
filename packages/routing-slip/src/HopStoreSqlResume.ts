/** How steps that are set aside go on, as an operator wants it: tried again, or one of them skipped. */
import * as Storable from "@tenon/core/Storable"
import type { Row, Statement } from "@tenon/messaging/Transactions"
import type { Skip } from "./HopStore.ts"
import { now } from "./HopStoreSqlClaim.ts"

/**
 * A row for each step that is set aside, and whether it goes on. To skip, $3 says who wants it and $4 which step;
 * without one it is the only step that is halted. What is set aside at this moment is not among those that are counted
 * here, and stays shown.
 */
const sql = `with asked as (select step, phase from tenon.slip_hops
    where tenant_id = $1 and correlation_id = $2 and (status = 'halted' or status = 'suspended' and $3::text is null)),
  resumed as (update tenon.slip_hops as h set status = 'waiting', due_at = ${now}, pending_at = ${now},
    published_at = '-infinity', claims = 0, failures = 0, skipped_by = $3
    from asked as a where h.tenant_id = $1 and h.correlation_id = $2 and h.step = a.step and h.phase = a.phase
      and h.status in ('halted', 'suspended')
      and ($3::text is null or a.step = $4 or $4::text is null and (select count(*) from asked) = 1)
    returning h.step),
  left_aside as (select count(*) as count from tenon.slip_hops
    where tenant_id = $1 and correlation_id = $2 and status = 'suspended' and $3::text is not null),
  shown as (update tenon.slips set halted = halted - r.count,
    status = case halted - r.count when 0 then stands when l.count then 'suspended' else status end
    from left_aside as l, (select count(*) as count from resumed) as r
    where tenant_id = $1 and correlation_id = $2 and r.count > 0)
  select step, step in (select step from resumed) as resumed from asked order by step`

const textOrNull = (text: string | undefined) => (text === undefined ? null : Storable.clean(text))

/** Has what is set aside tried again; or, with `skip`, one of what is halted skipped. */
export const resuming = (tenantId: string, correlationId: string, skip?: Skip): Statement => ({
  sql,
  params: [tenantId, correlationId, textOrNull(skip?.by), textOrNull(skip?.step)]
})

/** The steps that were set aside, and whether any of them goes on. */
export const resumed = (rows: ReadonlyArray<Row>) => ({
  isAny: rows.some((row) => row["resumed"] === true),
  asked: rows.map((row) => String(row["step"]))
})
