/** Which statements this process sends to PostgreSQL, for tests that count them. */
import { Connection } from "@tenon/sql/TenantSqlConnection"
import * as Effect from "effect/Effect"

/**
 * The texts of the statements that are sent while an effect runs, beside its result. What opens and ends transactions
 * is left out.
 */
export const during = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const sent: Array<string> = []
    const { send } = Connection.prototype
    Connection.prototype.send = function (statements, options, resume) {
      for (const { sql } of statements.slice(options.hidden)) if (!/^(begin|commit|rollback)$/.test(sql)) sent.push(sql)
      return send.call(this, statements, options, resume)
    }
    return effect.pipe(
      Effect.map((result) => ({ result, sent })),
      Effect.ensuring(Effect.sync(() => void (Connection.prototype.send = send)))
    )
  })
