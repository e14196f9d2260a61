// SPDX-License-Identifier: MIT
// What is found out about a server before it is trusted with locks: that this user may do what locks need, that the keys are ours, that the
// server will not throw keys away, and what a crash of it would cost.
import { LockError } from '../../core/errors.ts'
import type { Connection } from './connection.ts'
import { asLockError, isRefusal } from './failures.ts'
import type { Settings } from './options.ts'

const OLDEST: readonly [number, number] = [6, 2]

const INFO = "return redis.call('INFO')"

/**
 * Every command of the scripts, in a form that changes nothing: a script that is refused half-way would leave a mess. Answers nothing, or the
 * key and what the server said.
 */
const PROBE = `
local tries = {
  { 1, 'HMGET', KEYS[1], '#v' }, { 1, 'HGET', KEYS[1], '#v' }, { 1, 'HDEL', KEYS[1], 'probe' }, { 1, 'TIME' },
  { 1, 'UNLINK', KEYS[1] .. ':probe' },
  { 1, 'PUBLISH', KEYS[1] .. ':probe', '' },
}
for i = 2, 5 do
  tries[#tries + 1] = { i, 'ZADD', KEYS[i], 'XX', 0, 'probe' }
  tries[#tries + 1] = { i, 'ZREM', KEYS[i], 'probe' }
  tries[#tries + 1] = { i, 'ZCARD', KEYS[i] }
  tries[#tries + 1] = { i, 'ZSCORE', KEYS[i], 'probe' }
  tries[#tries + 1] = { i, 'ZCOUNT', KEYS[i], 0, 0 }
  tries[#tries + 1] = { i, 'ZRANGE', KEYS[i], 0, 0 }
  tries[#tries + 1] = { i, 'ZRANGEBYLEX', KEYS[i], '[a', '[a', 'LIMIT', 0, 1 }
  tries[#tries + 1] = { i, 'ZRANGEBYSCORE', KEYS[i], 0, 0, 'LIMIT', 0, 1 }
end
for _, try in ipairs(tries) do
  local answer = redis.pcall(unpack(try, 2))
  if type(answer) == 'table' and answer.err then return { KEYS[try[1]], try[2], answer.err } end
end
return {}
`

const warned = new Set<string>()

/**
 * Looks at the server, and warns of what is risky.
 *
 * @throws LockError where it cannot be used; whatever the connection rejects with.
 */
export async function checkServer(connection: Connection, { hash, checks, coldStartGrace }: Settings): Promise<void> {
  if (checks === 'off') return
  const keys = [hash, `${hash}:owned`, `${hash}:queue`, `${hash}:sessions`, `${hash}:todo`]
  const [info, save, probed] = await Promise.all([
    infoOf(connection, hash),
    connection.send(['CONFIG', 'GET', 'save'], hash).then(configured, () => undefined),
    connection.send(['EVAL', PROBE, '5', ...keys], hash).catch((error: unknown) => error),
  ])
  checkVersion(info, connection.place)
  if (info.get('role') === 'slave') throw asLockError(new Error('READONLY'), connection.place, hash)
  if (probed instanceof Error) throw probed
  const [key, command, message] = probed as readonly string[]
  if (message !== undefined) throw asLockError(new Error(`${message}, for ${command} on ${key}`), connection.place, hash)
  checkEviction(info, checks, connection.place)
  if (Number(info.get('connected_slaves') ?? 0) > 0 && !info.has('min_slaves_good_slaves')) {
    warn(
      'HOLDFAST_REDIS_REPLICAS',
      connection.place,
      'it has replicas and no min-replicas-to-write: a failover can give a lock away that is held. Tokens still rise.',
    )
  }
  if (connection.staysBehind) {
    const advice = 'turn on failoverDetector'
    warn(
      'HOLDFAST_REDIS_FAILOVER',
      connection.place,
      `after a failover, this client may go on with the former primary for long; ${advice}.`,
    )
  }
  if (info.get('aof_enabled') === '0' && save === '' && !coldStartGrace) {
    const advice = 'turn on appendonly, or use coldStartGrace'
    warn(
      'HOLDFAST_REDIS_NOT_PERSISTENT',
      connection.place,
      `it keeps nothing: when it is started anew, it has forgotten all locks; ${advice}.`,
    )
  }
}

/** Milliseconds until the server has run for one lease: by then all who held a lock of its life before have lost it. */
export async function coldStart(connection: Connection, hash: string, leaseMs: number): Promise<number> {
  const uptime = Number((await infoOf(connection, hash)).get('uptime_in_seconds') ?? 0)
  // Counted in seconds of the wall clock that have begun.
  return Math.max(0, leaseMs - (uptime - 1) * 1_000)
}

/** Empty for a user who may not ask. By a script, since that is led to the right node of a cluster by its key. */
async function infoOf(connection: Connection, hash: string): Promise<ReadonlyMap<string, string>> {
  let text = ''
  try {
    text = String(await connection.send(['EVAL', INFO, '1', hash], hash))
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
  return parseInfo(text)
}

/** The lines of INFO by name. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':'))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}

/** A map or a list, as the client likes. */
function configured(answer: unknown): string | undefined {
  const value: unknown = Array.isArray(answer) ? answer[1] : (answer as { save?: unknown } | null)?.save
  return typeof value === 'string' ? value : undefined
}

/** @throws LockError `LOCK_UNSUPPORTED` for a server that is too old; one that does not say how old it is may pass. */
export function checkVersion(info: ReadonlyMap<string, string>, place: string): void {
  const version = info.get('redis_version')
  if (version === undefined) return
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return
  throw new LockError('LOCK_UNSUPPORTED', `Redis at ${place} has version ${version}; locks need ${OLDEST.join('.')} or later.`)
}

function checkEviction(info: ReadonlyMap<string, string>, checks: 'warn' | 'refuse', place: string): void {
  const policy = info.get('maxmemory_policy') ?? ''
  if (!policy.startsWith('allkeys-')) return
  const what = `its maxmemory-policy is ${policy}: when memory runs short it throws locks away that are held. Set noeviction or volatile-lru`
  if (checks === 'warn') warn('HOLDFAST_REDIS_EVICTION', place, `${what}.`)
  else throw new LockError('LOCK_UNSUPPORTED', `Redis at ${place} cannot be used: ${what}, or take the risk with checks: 'warn'.`)
}

/** Once for each server and process. */
function warn(code: string, place: string, what: string): void {
  if (warned.has(code + place)) return
  warned.add(code + place)
  process.emitWarning(`Redis at ${place}: ${what}`, { type: 'HoldfastWarning', code })
}
