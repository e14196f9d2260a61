// SPDX-License-Identifier: MIT
// What the facts about ZooKeeper servers mean for locks on them. Pure: facts in, findings out.
import { spoken } from './bounded.ts'
import { type Finding, failed, notTried, ok, warning } from './report.ts'

/** What one server answered to four letter words; null when it did not. What is not allowed is answered with a sentence that says so. */
export interface ServerFacts {
  readonly server: string
  readonly srvr: string | null
  readonly mntr: string | null
  readonly conf: string | null
}

const WORDS = 'allow the words srvr, mntr and conf (4lw.commands.whitelist)'
const OLDEST: readonly [number, number] = [3, 6]

export function judgeVersions(all: readonly ServerFacts[]): Finding {
  const versions = all.flatMap(({ srvr }) => /^Zookeeper version: (\d+\.\d+\.\d+)/m.exec(srvr ?? '')?.[1] ?? [])
  const [first] = versions
  if (first === undefined) return notTried(`the servers do not tell: ${WORDS}`)
  const old = versions.find((version) => {
    const [major = 0, minor = 0] = version.split('.').map(Number)
    return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])
  })
  if (old !== undefined) return failed(`${old} is too old`, `install ${OLDEST.join('.')} or later`)
  return ok([...new Set(versions)].join(', '))
}

/** Who of those that we were told about serves, and as what. */
export function judgeServers(all: readonly ServerFacts[]): Finding {
  const silent = all.filter(({ srvr }) => srvr === null).map(({ server }) => server)
  const modes = all.flatMap(({ srvr }) => /^Mode: (\w+)/m.exec(srvr ?? '')?.[1] ?? [])
  const shut = all.filter(({ srvr }) => /not currently serving/.test(srvr ?? '')).map(({ server }) => server)
  const figures = { servers: all.length, silent: silent.length, serving: modes.length }
  const away = [...silent.map((server) => `${server} does not answer`), ...shut.map((server) => `${server} has no quorum`)]
  if (away.length > 0)
    return warning(
      `${away.join(', ')}; ${modes.length} of ${all.length} serve`,
      'bring them back: each one fewer brings the end of the quorum nearer',
      figures,
    )
  if (modes.length === 0) return notTried(`the servers do not tell: ${WORDS}`)
  if (modes.includes('standalone')) {
    if (all.length > 1)
      return failed(
        'servers of their own, which know nothing of each other, are named as one ensemble',
        'name one of them, or join them to an ensemble',
        figures,
      )
    return ok('one server alone: while it is down nobody gets a lock', figures)
  }
  const leader = all.find(({ srvr }) => /^Mode: leader/m.test(srvr ?? ''))
  const followers = /^zk_synced_followers\t(\d+)/m.exec(leader?.mntr ?? '')?.[1]
  const known = `${modes.length} of ${all.length} serve${followers === undefined ? '' : `, ${followers} in step with the leader`}`
  if (all.length === 1)
    return warning(
      `${known}: it belongs to an ensemble, whose others are not named`,
      'name all servers in the URL: else its going is the end of the locks',
      figures,
    )
  return ok(known, figures)
}

/** What was granted is what counts: servers keep time-outs within limits of theirs. */
export function judgeSession(askedMs: number, grantedMs: number, all: readonly ServerFacts[]): Finding {
  const figures = { askedMs, grantedMs }
  const tick = all.map(({ conf }) => Number(/^tickTime=(\d+)/m.exec(conf ?? '')?.[1] ?? Number.NaN)).find((ms) => !Number.isNaN(ms))
  if (tick !== undefined && grantedMs < 2 * tick)
    return warning(
      `${spoken(grantedMs)} are less than two ticks (${tick} ms): a deadline can come too late when a server dies`,
      `ask for a lease of ${2 * tick} ms or more`,
      figures,
    )
  if (grantedMs === askedMs) return ok(`${spoken(grantedMs)}, as asked for`, figures)
  const meaning = grantedMs < askedMs ? 'shorter cuts and pauses already lose locks' : 'what the dead held is free later'
  return warning(
    `asked for ${spoken(askedMs)}, granted ${spoken(grantedMs)}: ${meaning}`,
    'change minSessionTimeout and maxSessionTimeout, or ?lease=',
    figures,
  )
}

const SLOW_MS = 50

export function judgeWrites({ p50, p99 }: { readonly p50: number; readonly p99: number }): Finding {
  const found = `p50 ${spoken(p50)}, p99 ${spoken(p99)}`
  const figures = { p50Ms: p50, p99Ms: p99 }
  if (p50 > SLOW_MS) return warning(found, 'each lock costs two: a disk of its own for dataLogDir, or servers that are nearer', figures)
  return ok(found, figures)
}
