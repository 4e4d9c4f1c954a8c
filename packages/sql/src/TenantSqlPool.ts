/**
 * A bounded set of sessions, lent to one transaction at a time.
 *
 * Plain callbacks, as in `TenantSqlConnection`: a session at hand is lent
 * without a turn of the event loop. Every wait has an end: for a session, for
 * connecting and for an answer.
 */
import type { PoolObserver } from "./PoolMetrics.ts"
import * as SqlFailure from "./SqlFailure.ts"
import * as Connect from "./TenantSqlConnect.ts"
import { type Connection, rollback } from "./TenantSqlConnection.ts"

export interface PoolOptions {
  readonly connect: Connect.ConnectOptions
  readonly maxConnections: number
  /** How many may wait for a session; more are turned away at once. */
  readonly maxWaiting: number
  /** All in milliseconds. */
  readonly acquireTimeout: number
  readonly idleTimeout: number
  readonly maxLifetime: number
  readonly rollbackTimeout: number
  readonly observer: PoolObserver
}

interface Waiter {
  readonly resume: (result: Connection | SqlFailure.SqlFailure) => void
  readonly since: number
  readonly expiresAt: number
}

/** What the pool holds at this moment. */
export interface PoolStats {
  readonly open: number
  readonly idle: number
  readonly opening: number
  readonly waiting: number
}

const sweepEvery = 50
/** Every so many sweeps the observer is told how the pool stands. */
const standsEvery = 20
/** Milliseconds that a flight nobody waits for may take to land before its session is given up. */
export const abandonGrace = 100

const unavailable = (message: string): SqlFailure.Unavailable => new SqlFailure.Unavailable({ message })

export class Pool {
  private readonly options: PoolOptions
  private readonly all = new Set<Connection>()
  private readonly idle: Array<Connection> = []
  private readonly opening = new Set<() => void>()
  private readonly waiters = new Set<Waiter>()
  private readonly timer: NodeJS.Timeout
  private closed = false
  private sweeps = 0

  constructor(options: PoolOptions) {
    this.options = options
    this.timer = setInterval(this.sweep, sweepEvery)
    this.timer.unref()
  }

  get stats(): PoolStats {
    return {
      open: this.all.size,
      idle: this.idle.length,
      opening: this.opening.size,
      waiting: this.waiters.size
    }
  }

  /**
   * Lends a session, in this turn if one is idle. `resume` is called once,
   * unless the returned function takes the request back before.
   */
  acquire(resume: (result: Connection | SqlFailure.SqlFailure) => void): () => void {
    const connection = this.idle.pop()
    if (connection !== undefined) {
      this.options.observer.acquired(0)
      resume(connection)
      return nothing
    }
    if (this.closed) {
      resume(unavailable("the pool is closed"))
      return nothing
    }
    if (this.waiters.size >= this.options.maxWaiting) {
      resume(unavailable(`${this.waiters.size} transactions wait for a connection already`))
      return nothing
    }
    const since = performance.now()
    const waiter: Waiter = { resume, since, expiresAt: since + this.options.acquireTimeout }
    this.waiters.add(waiter)
    this.open()
    return () => {
      this.waiters.delete(waiter)
    }
  }

  private open(): void {
    if (this.closed || this.opening.size >= this.waiters.size) return
    if (this.all.size + this.opening.size >= this.options.maxConnections) return
    let settled = false
    let giveUp: (() => void) | undefined
    giveUp = Connect.connect(this.options.connect, (result) => {
      settled = true
      if (giveUp !== undefined) this.opening.delete(giveUp)
      if (!("_tag" in result)) {
        if (this.closed) return result.close()
        this.all.add(result)
        result.onDead = () => this.lost(result)
        return this.lend(result)
      }
      // One attempt, one disappointed: the others get attempts of their own.
      this.next()?.resume(result)
      this.open()
    })
    if (!settled) this.opening.add(giveUp)
  }

  private next(): Waiter | undefined {
    for (const waiter of this.waiters) {
      this.waiters.delete(waiter)
      this.options.observer.acquired((performance.now() - waiter.since) / 1000)
      return waiter
    }
    return undefined
  }

  private lend(connection: Connection): void {
    const waiter = this.next()
    if (waiter !== undefined) return waiter.resume(connection)
    connection.idleSince = performance.now()
    this.idle.push(connection)
  }

  private lost(connection: Connection): void {
    this.all.delete(connection)
    const index = this.idle.indexOf(connection)
    if (index >= 0) this.idle.splice(index, 1)
    this.open()
  }

  /**
   * Takes a session back, whatever state it is in: one with a flight in the
   * air is waited for, one with an open transaction is rolled back, one that
   * does not come clean is ended. `done` is called when it is settled.
   */
  release(connection: Connection, done: () => void = nothing): void {
    if (connection.dead !== undefined) return done()
    if (connection.busy) {
      connection.abandon(abandonGrace)
      return connection.onIdle(() => this.release(connection, done))
    }
    if (connection.status !== "I") return this.rollback(connection, () => this.release(connection, done))
    if (this.closed || performance.now() - connection.openedAt > this.options.maxLifetime) connection.close()
    else this.lend(connection)
    done()
  }

  /** Ends the transaction open on a session; afterwards it is clean or dead. */
  rollback(connection: Connection, done: () => void): void {
    const options = { hidden: 0, commits: false, deadline: this.options.rollbackTimeout }
    const sent = connection.send([rollback], options, () => {
      // Never a second attempt: a session that will not roll back is ended.
      if (connection.status !== "I") connection.kill("the transaction could not be rolled back")
      done()
    })
    if (!sent) done()
  }

  private readonly sweep = (): void => {
    const now = performance.now()
    if (this.sweeps++ % standsEvery === 0) this.options.observer.stands(this.stats)
    for (const connection of this.all) connection.expire(now)
    for (const waiter of this.waiters) {
      // In order of arrival, so of expiry.
      if (waiter.expiresAt > now) break
      this.waiters.delete(waiter)
      this.options.observer.acquired((now - waiter.since) / 1000)
      waiter.resume(unavailable(`no connection was free within ${this.options.acquireTimeout} ms`))
    }
    // The longest idle are at the front: the last returned is lent first.
    for (let first = this.idle[0]; first && now - first.idleSince > this.options.idleTimeout; first = this.idle[0]) {
      first.close()
    }
  }

  /** Turns waiters away and closes every session; those lent are closed when they come back. */
  close(): void {
    this.closed = true
    clearInterval(this.timer)
    for (const waiter of this.waiters) waiter.resume(unavailable("the pool is closed"))
    this.waiters.clear()
    for (const giveUp of [...this.opening]) giveUp()
    for (const connection of [...this.idle]) connection.close()
    // Nothing sweeps any more, so nothing may be left in the air.
    for (const connection of [...this.all]) connection.kill("the pool was closed")
  }
}

const nothing = (): void => {}
