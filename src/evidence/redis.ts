// SPDX-License-Identifier: MIT
// Asks a Redis server what can break locks on it, over a connection of our own. What the answers mean, redis-facts.ts decides.
import { randomBytes } from 'node:crypto'
import { checkServer } from '../backends/redis/checks.ts'
import type { Connection, Endpoint } from '../backends/redis/connection.ts'
import { asLockError, isRefusal, silent } from '../backends/redis/failures.ts'
import { within as inTime } from '../backends/redis/link.ts'
import { loadClient, openClient } from '../backends/redis/load-client.ts'
import { type Settings, settingsOf } from '../backends/redis/options.ts'
import type { RedisUrl } from '../config/redis-url.ts'
import { bootNow } from '../native/clock.ts'
import { percentile } from './bounded.ts'
import type { Opening } from './hands.ts'
import { judgeClock, judgeRedis, type RedisFacts, type TimeSample } from './redis-facts.ts'
import { type Findings, failed, ok } from './report.ts'
import { type Survey, withParameter } from './survey.ts'

const CONNECT_MS = 5_000
const ANSWER_MS = 2_000
const ROUND_TRIPS = 30
const SAMPLE_EVERY_MS = 200
/** In the space beside: short enough to be waited for, long enough for a busy machine. */
const SHORT_LEASE_MS = 2_000

export class RedisSurvey implements Survey {
  readonly notProved: readonly string[] = [
    'what a failover does while locks are held: the later lease has the larger token',
    'that the clock of the server takes no jump at another time',
    'what a holder does that is paused for longer than its lease: tokens are for that',
  ]
  killPlace?: { readonly opening: Opening; readonly remark: string }
  private readonly url: string
  private readonly endpoint: Endpoint
  private readonly place: string
  private readonly settings: Settings
  /** The space beside, if it may be used. */
  private readonly scratch: string = `holdfast-verify-${randomBytes(6).toString('hex')}`
  private connection: Connection | null = null
  private sampling: NodeJS.Timeout | null = null
  private readonly samples: TimeSample[] = []

  constructor(url: string, parsed: RedisUrl) {
    const { scheme, host = 'localhost', port = 6379, path, username, password, db, space, prefix, prefer, lease } = parsed
    this.url = url
    this.place = path ?? `${host}:${port}`
    this.settings = settingsOf({ space, prefix, prefer, lease, checks: 'warn' })
    this.endpoint = {
      host,
      port,
      path,
      tls: scheme === 'rediss',
      username,
      password,
      db,
      connectTimeoutMs: CONNECT_MS,
      silenceMs: CONNECT_MS,
    }
  }

  async before(findings: Findings): Promise<boolean> {
    const { place, settings } = this
    let connection: Connection
    try {
      connection = await this.connect()
    } catch (error) {
      const { message } = asLockError(error, place, settings.hash)
      findings.add('reach', failed(message, 'see that the server runs, can be reached from here, and lets this user in'))
      return false
    }
    this.connection = connection
    try {
      const facts = await this.ask(connection)
      findings.add('reach', ok(`Redis at ${connection.place}`))
      for (const [name, finding] of judgeRedis(facts)) findings.add(name, finding)
      if (findings.failed.length > 0) return false
      this.sampling = setInterval(() => void this.sample(connection).catch(() => {}), SAMPLE_EVERY_MS).unref()
      await this.chooseKillPlace(connection, facts)
      return true
    } catch (error) {
      findings.add('reach', failed(asLockError(error, place, settings.hash).message, 'see that the server is not overloaded or frozen'))
      return false
    }
  }

  after(): Promise<void> {
    return Promise.resolve()
  }

  async last(findings: Findings): Promise<void> {
    if (this.connection !== null) await this.sample(this.connection).catch(() => {})
    findings.add('clock', judgeClock(this.samples))
  }

  async close(): Promise<void> {
    const { connection } = this
    this.connection = null
    if (this.sampling !== null) clearInterval(this.sampling)
    if (connection === null) return
    if (this.killPlace !== undefined) {
      const hash = this.hashOf(this.scratch)
      const keys = [hash, `${hash}:owned`, `${hash}:queue`, `${hash}:sessions`, `${hash}:todo`]
      await this.send(connection, ['UNLINK', ...keys]).catch(() => {})
    }
    connection.close()
  }

  private async connect(): Promise<Connection> {
    await loadClient()
    const opening = openClient(this.endpoint)
    try {
      return await inTime(opening, CONNECT_MS, () => silent(this.place, CONNECT_MS))
    } catch (error) {
      opening.then(
        (late) => late.close(),
        () => {},
      )
      throw error
    }
  }

  private async ask(connection: Connection): Promise<RedisFacts> {
    const [info, save, appendfsync, minReplicas] = await Promise.all([
      this.info(connection),
      this.configured(connection, 'save'),
      this.configured(connection, 'appendfsync'),
      this.configured(connection, 'min-replicas-to-write'),
    ])
    const refusal = await this.refusal(connection, this.settings)
    const times: number[] = []
    for (let i = 0; i < ROUND_TRIPS && refusal === null; i++) times.push(await this.sample(connection))
    const trips = times.slice(3)
    return {
      info,
      save,
      appendfsync,
      minReplicas: minReplicas === null ? null : Number(minReplicas),
      refusal,
      roundTripMs: trips.length === 0 ? null : { p50: percentile(trips, 50), p99: percentile(trips, 99) },
    }
  }

  /** Null for a user who may not ask. */
  private async info(connection: Connection): Promise<ReadonlyMap<string, string> | null> {
    try {
      const lines = String(await this.send(connection, ['INFO'])).split('\r\n')
      return new Map(
        lines.filter((line) => line.includes(':')).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
      )
    } catch (error) {
      if (isRefusal(error)) return null
      throw error
    }
  }

  private async configured(connection: Connection, name: string): Promise<string | null> {
    try {
      const answer = await this.send(connection, ['CONFIG', 'GET', name])
      const value: unknown = Array.isArray(answer) ? answer[1] : (answer as Record<string, unknown> | null)?.[name]
      return typeof value === 'string' ? value : null
    } catch (error) {
      if (isRefusal(error)) return null
      throw error
    }
  }

  /** What the engine itself has against this server, this user, or what lies at the keys of the space. */
  private async refusal(connection: Connection, settings: Settings): Promise<RedisFacts['refusal']> {
    try {
      await inTime(checkServer(connection, settings), ANSWER_MS, () => silent(connection.place, ANSWER_MS))
      return null
    } catch (error) {
      const known = asLockError(error, connection.place, settings.hash)
      return { code: known.code, message: known.message }
    }
  }

  /** In the space itself where its leases are short; else beside it, if this user may go there. */
  private async chooseKillPlace(connection: Connection, { info }: RedisFacts): Promise<void> {
    const recorded = String((await this.send(connection, ['HGET', this.settings.hash, '#v'])) ?? '').split('|')[2]
    const leaseMs = Number(recorded ?? this.settings.leaseMs ?? Number.NaN)
    if (leaseMs <= 1.5 * SHORT_LEASE_MS || info?.get('cluster_enabled') === '1') return
    const beside = { ...this.settings, hash: this.hashOf(this.scratch) }
    if ((await this.refusal(connection, beside)) !== null) return
    const url = withParameter(withParameter(this.url, 'space', this.scratch), 'lease', `${SHORT_LEASE_MS}ms`)
    this.killPlace = { opening: { url }, remark: `, in a space beside this one whose leases last ${SHORT_LEASE_MS / 1_000} s` }
  }

  private hashOf(space: string): string {
    const { hash } = this.settings
    return `${hash.slice(0, hash.indexOf('{'))}{${space}}`
  }

  /** Answers how long it took, in milliseconds. */
  private async sample(connection: Connection): Promise<number> {
    const sentAt = bootNow()
    const answer = (await this.send(connection, ['TIME'])) as readonly string[]
    const answeredAt = bootNow()
    const serverUs = BigInt(answer[0]!) * 1_000_000n + BigInt(answer[1]!)
    this.samples.push({ sentAt, answeredAt, serverUs, wallMs: Date.now() })
    return Number(answeredAt - sentAt) / 1e6
  }

  private send(connection: Connection, command: readonly string[]): Promise<unknown> {
    return inTime(connection.send(command, this.settings.hash), ANSWER_MS, () => silent(connection.place, ANSWER_MS))
  }
}
