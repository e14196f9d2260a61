// SPDX-License-Identifier: MIT
// Asks ZooKeeper servers what can break locks on them: by the four letter words that they allow, and in a session of our own. What the answers
// mean, zookeeper-facts.ts decides.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { asLockError } from '../backends/zookeeper/failures.ts'
import { type Settings, settingsOf } from '../backends/zookeeper/options.ts'
import { answered } from '../backends/zookeeper/wire/errors.ts'
import { create, remove, setData } from '../backends/zookeeper/wire/operations.ts'
import { type Address, ZooKeeperSession } from '../backends/zookeeper/wire/session.ts'
import type { ZooKeeperUrl } from '../config/zookeeper-url.ts'
import { percentile, within } from './bounded.ts'
import type { Opening } from './hands.ts'
import { type Findings, failed, notTried, ok } from './report.ts'
import { type Survey, withParameter } from './survey.ts'
import { judgeServers, judgeSession, judgeVersions, judgeWrites, type ServerFacts } from './zookeeper-facts.ts'

const WORD_MS = 1_000
const ANSWER_MS = 3_000
const WRITES = 20
/** Asked for where a process is to be killed; the servers grant what they allow. */
const SHORT_LEASE_MS = 2_000

export class ZooKeeperSurvey implements Survey {
  readonly notProved: readonly string[] = [
    'what the loss of a server or of the leader does while locks are held',
    'that clocks run at the same speed, within the 30 % that are kept back for it',
    'what a holder does that is paused for longer than its session: tokens are for that',
  ]
  killPlace?: { readonly opening: Opening; readonly remark: string }
  private readonly url: string
  private readonly settings: Settings
  private session: ZooKeeperSession | null = null

  constructor(url: string, { username, password, hosts, root, lease }: ZooKeeperUrl) {
    const auth = username === undefined ? [] : [{ scheme: 'digest', credentials: `${username}:${password}` }]
    this.url = url
    this.settings = settingsOf({ servers: hosts, root, lease, auth })
  }

  async before(findings: Findings): Promise<boolean> {
    const { servers, leaseMs, auth, connectTimeoutMs } = this.settings
    const asked = Promise.all(servers.map(factsOf))
    const none = { suspended() {}, resumed() {}, renewed() {}, ended() {} }
    let session: ZooKeeperSession
    try {
      session = await ZooKeeperSession.open({ servers, auth, timeoutMs: leaseMs, openWithinMs: connectTimeoutMs }, none)
    } catch (error) {
      const place = servers.map(placeOf).join(',')
      findings.add(
        'reach',
        failed(asLockError(error, place).message, 'see that the servers run, have a quorum, and can be reached from here'),
      )
      const facts = await asked
      if (facts.length > 1) findings.add('ensemble', judgeServers(facts))
      return false
    }
    this.session = session
    findings.add('reach', ok(`ZooKeeper at ${session.place}`))
    const facts = await asked
    findings.add('version', judgeVersions(facts))
    findings.add('ensemble', judgeServers(facts))
    findings.add('session', judgeSession(leaseMs, session.timeoutMs, facts))
    if (session.timeoutMs > 1.5 * SHORT_LEASE_MS)
      this.killPlace = {
        opening: { url: withParameter(this.url, 'lease', `${SHORT_LEASE_MS}ms`) },
        remark: ', in a session as short as the servers allow',
      }
    return findings.failed.length === 0
  }

  async after(findings: Findings): Promise<void> {
    const { session, settings } = this
    if (session === null) return
    const { root, acl } = settings
    const place = `${root}/verify-${randomBytes(6).toString('hex')}`
    const ask = <Answer>(what: string, answer: Promise<Answer>): Promise<Answer> => within(ANSWER_MS, what, answer)
    try {
      try {
        await ask('making a container', session.request(create(place, 'container', acl)))
        findings.add('containers', ok('made and removed'))
      } catch (error) {
        if (!answered(error, 'UNIMPLEMENTED')) throw error
        findings.add('containers', failed('the servers do not know them: they are too old', 'install 3.6 or later'))
        return
      }
      // Should nobody be left to remove it, the servers do: a container that was left empty goes, and what is in it goes with the session.
      const node = await ask('making a node', session.request(create(`${place}/n`, 'ephemeral', acl)))
      const times: number[] = []
      for (let i = 0; i < WRITES; i++) {
        const began = performance.now()
        await ask('a write', session.request(setData(node, Buffer.from(String(i)))))
        times.push(performance.now() - began)
      }
      await ask('removing a node', session.request(remove(node)))
      await ask('removing a container', session.request(remove(place)))
      findings.add('writes', judgeWrites({ p50: percentile(times, 50), p99: percentile(times, 99) }))
    } catch (error) {
      findings.add(
        'writes',
        failed(asLockError(error, session.place).message, 'see that the servers have a quorum, and let this user write'),
      )
    }
    findings.add('containers', notTried('nothing could be written'))
  }

  last(): Promise<void> {
    return Promise.resolve()
  }

  async close(): Promise<void> {
    const { session } = this
    this.session = null
    if (session !== null) await within(WORD_MS, 'closing', session.close()).catch(() => {})
  }
}

async function factsOf(server: Address): Promise<ServerFacts> {
  const [srvr, mntr, conf] = await Promise.all(['srvr', 'mntr', 'conf'].map((word) => say(server, word)))
  return { server: placeOf(server), srvr: srvr!, mntr: mntr!, conf: conf! }
}

/** What a server answers to a four letter word; null when it does not in time. */
function say({ host, port }: Address, word: string): Promise<string | null> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect(port, host, () => socket.write(word))
    const timer = setTimeout(() => end(null), WORD_MS)
    const end = (text: string | null): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(text)
    }
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('end', () => end(Buffer.concat(chunks).toString()))
    socket.on('error', () => end(null))
  })
}

function placeOf({ host, port }: Address): string {
  return `${host}:${port}`
}
