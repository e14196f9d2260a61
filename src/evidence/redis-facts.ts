// SPDX-License-Identifier: MIT
// What the facts about a Redis server mean for locks on it. Pure: facts in, findings out.
import type { LockErrorCode } from '../core/errors.ts'
import { spoken } from './bounded.ts'
import { type CheckName, type Finding, failed, notTried, ok, warning } from './report.ts'

export interface RedisFacts {
  /** What INFO says; null for a user who may not ask. */
  readonly info: ReadonlyMap<string, string> | null
  /** Settings; null where this user may not ask. */
  readonly save: string | null
  readonly appendfsync: string | null
  readonly minReplicas: number | null
  /** What the engine itself has against the server or this user. */
  readonly refusal: { readonly code: LockErrorCode; readonly message: string } | null
  readonly roundTripMs: { readonly p50: number; readonly p99: number } | null
}

/** The findings, each with the name of its check. */
export function judgeRedis(facts: RedisFacts): [CheckName, Finding][] {
  const { info, refusal, roundTripMs } = facts
  const unknown = notTried('this user may not ask (grant +info)')
  const known = (judge: (all: ReadonlyMap<string, string>) => Finding): Finding => (info === null ? unknown : judge(info))
  const findings: [CheckName, Finding][] = [
    ['version', known(judgeVersion)],
    ['replication', known((all) => judgeReplication(all, facts.minReplicas))],
    ['eviction', known(judgeEviction)],
    ['memory', known(judgeMemory)],
    ['persistence', known((all) => judgePersistence(all, facts))],
  ]
  if (info?.get('cluster_enabled') === '1') findings.push(['cluster', CLUSTER])
  const explained = findings.some(([, { outcome }]) => outcome === 'failed')
  findings.push(['rights', judgeRefusal(refusal, explained)])
  if (roundTripMs !== null) findings.push(['latency', judgeRoundTrip(roundTripMs)])
  return findings
}

const OLDEST: readonly [number, number] = [6, 2]

function judgeVersion(info: ReadonlyMap<string, string>): Finding {
  const version = info.get('redis_version') ?? ''
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const oldest = OLDEST.join('.')
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) return failed(`${version} is too old`, `install ${oldest} or later`)
  const valkey = info.get('valkey_version')
  return ok(valkey === undefined ? version : `Valkey ${valkey}`)
}

function judgeReplication(info: ReadonlyMap<string, string>, minReplicas: number | null): Finding {
  if (info.get('role') === 'slave') {
    const primary = `${info.get('master_host')}:${info.get('master_port')}`
    return failed(`it is a replica of ${primary}, which cannot lock`, `connect to the primary, ${primary}, by Sentinel if it moves`)
  }
  const replicas = Number(info.get('connected_slaves') ?? 0)
  const good = Number(info.get('min_slaves_good_slaves') ?? Number.NaN)
  // Told only where min-replicas-to-write is set.
  if (!Number.isNaN(good)) {
    if (minReplicas !== null && good < minReplicas)
      return failed(
        `${good} good replicas, and min-replicas-to-write asks for ${minReplicas}: it refuses to write`,
        'bring the replicas back',
      )
    return ok(`a primary with ${good} good replicas, and min-replicas-to-write`, { replicas: good })
  }
  if (replicas === 0) return ok('alone: no failover can forget a lock, and while it is down nobody gets one', { replicas })
  return warning(
    `${replicas} ${replicas === 1 ? 'replica' : 'replicas'} and no min-replicas-to-write: a failover can give a lock away that is held`,
    'CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 1',
    { replicas },
  )
}

function judgeEviction(info: ReadonlyMap<string, string>): Finding {
  const policy = info.get('maxmemory_policy') ?? 'unknown'
  if (policy.startsWith('allkeys-'))
    return failed(
      `maxmemory-policy is ${policy}: when memory runs short it throws locks away that are held`,
      'CONFIG SET maxmemory-policy noeviction',
    )
  return ok(`maxmemory-policy ${policy} leaves locks alone`)
}

function judgeMemory(info: ReadonlyMap<string, string>): Finding {
  const [used, most] = [Number(info.get('used_memory') ?? 0), Number(info.get('maxmemory') ?? 0)]
  if (most === 0) return ok('no limit (maxmemory 0)')
  const part = Math.round((100 * used) / most)
  const figures = { usedPercent: part }
  if (part >= 90) return warning(`${part} % of maxmemory are used: when it is full, new locks are refused`, 'raise maxmemory', figures)
  return ok(`${part} % of maxmemory are used`, figures)
}

const APPEND = 'CONFIG SET appendonly yes, and appendfsync everysec'

function judgePersistence(info: ReadonlyMap<string, string>, { save, appendfsync }: RedisFacts): Finding {
  if (info.get('aof_enabled') === '1') {
    if (info.get('aof_last_write_status') === 'err') return failed('it cannot append to its file: it refuses to write', 'look at its disk')
    if (appendfsync === 'no')
      return warning('appendonly, with appendfsync no: a power cut forgets the locks of half a minute', 'CONFIG SET appendfsync everysec')
    return ok(`appendonly${appendfsync === null ? '' : `, appendfsync ${appendfsync}`}`)
  }
  if (save === '')
    return warning(
      'it keeps nothing: started anew, it has forgotten all locks, while their holders still count on them',
      `${APPEND}, or let all clients use coldStartGrace`,
    )
  return warning(`snapshots at most${save === null ? '' : ` (save ${save})`}: a crash forgets the locks since the last one`, APPEND)
}

const CLUSTER: Finding = warning(
  'a node of a Cluster: a URL reaches this node alone, and fails when the slot of the space moves',
  'use a cluster client of your own: redisBackend({ client: createCluster(…) })',
)

/** @param explained another check has said why already. */
function judgeRefusal(refusal: RedisFacts['refusal'], explained: boolean): Finding {
  if (refusal === null) return ok('this user may run every command that locks need')
  if (explained && refusal.code !== 'LOCK_DENIED') return notTried('the server cannot be used, see above')
  if (refusal.code === 'LOCK_DENIED') return failed(refusal.message, 'ACL SETUSER with these rights: docs/redis.md has the line')
  return failed(refusal.message, 'see the message')
}

const SLOW_MS = 50

function judgeRoundTrip({ p50, p99 }: { readonly p50: number; readonly p99: number }): Finding {
  const found = `p50 ${spoken(p50)}, p99 ${spoken(p99)}`
  const figures = { p50Ms: p50, p99Ms: p99 }
  if (p50 > SLOW_MS) return warning(found, 'taking a free lock costs one, giving it back another: use a server that is nearer', figures)
  return ok(found, figures)
}

/** One look at the server's clock. */
export interface TimeSample {
  /** Nanoseconds of our CLOCK_BOOTTIME, which nobody sets, around the question. */
  readonly sentAt: bigint
  readonly answeredAt: bigint
  /** Microseconds of the server's wall clock. */
  readonly serverUs: bigint
  /** Milliseconds of our wall clock, when it had answered. */
  readonly wallMs: number
}

const JUMP_MS = 50
const APART_MS = 60_000

/** Leases are measured by the server's clock: it may be wrong, and must not jump. */
export function judgeClock(samples: readonly TimeSample[]): Finding {
  const [first] = samples
  const last = samples.at(-1)
  if (first === undefined || last === undefined) return notTried('the server did not tell its time')
  let jump = 0
  for (const [i, now] of samples.entries()) {
    const before = samples[i - 1]
    if (before === undefined) continue
    // How far the two clocks went apart from one look to the next, beyond what the time on the way explains.
    const theirs = Number(now.serverUs - before.serverUs) / 1e3
    const ours = Number(middle(now) - middle(before)) / 1e6
    const onTheWay = Number(now.answeredAt - now.sentAt + before.answeredAt - before.sentAt) / 2e6
    const apart = theirs - ours
    const beyond = Math.max(0, Math.abs(apart) - onTheWay) * Math.sign(apart)
    if (Math.abs(beyond) > Math.abs(jump)) jump = beyond
  }
  const ahead = Number(last.serverUs) / 1e3 - last.wallMs
  const watched = Number(last.answeredAt - first.sentAt) / 1e6
  const figures = { jumpMs: jump, aheadMs: ahead, watchedMs: watched }
  const slew = 'let chrony or ntpd slew the clock of the server, and never step it'
  if (Math.abs(jump) > JUMP_MS)
    return warning(
      `it jumped by ${spoken(Math.abs(jump))} ${jump > 0 ? 'ahead: leases run out early' : 'back: the dead keep their locks for longer'}`,
      slew,
      figures,
    )
  const found = `steady for ${spoken(watched)}, ${spoken(Math.abs(ahead))} ${ahead < 0 ? 'behind' : 'ahead of'} ours`
  if (Math.abs(ahead) > APART_MS)
    return warning(found, 'set one of the two: after a failover tokens follow the clock of the new server', figures)
  return ok(found, figures)
}

function middle({ sentAt, answeredAt }: TimeSample): bigint {
  return (sentAt + answeredAt) / 2n
}
