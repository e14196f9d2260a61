// SPDX-License-Identifier: MIT
// The scripts of one lock space, called one by one, without the client that normally stands before them.
import { Redis } from 'ioredis'
import { SCRIPTS, type ScriptName } from '../../src/backends/redis/scripts.ts'
import type { Claims } from '../../src/core/claims.ts'
import { MODES } from '../../src/core/mode.ts'

export type Answer = readonly (number | string)[]

/** What a session was told on its channel. */
export interface Message {
  readonly session: string
  readonly text: string
}

export interface Ask {
  readonly session: string
  readonly epoch: string
  readonly id: string
  readonly claims: Claims
  readonly wait: boolean
  /** A pure reader of a space that prefers writers. */
  readonly aside?: boolean
  readonly name?: string
}

export const POLICY = '1|first-come|1000000'

export class ScriptedSpace {
  readonly hash: string
  readonly keys: readonly string[]
  /** In µs. Long, so that nothing expires unless it is made to. */
  readonly lease: string
  readonly client: Redis
  /** What was heard since the last `settled()`. */
  heard: Message[] = []
  private readonly listener: Redis
  private readonly shas = new Map<ScriptName, string>()
  private marks = 0
  private marked: (() => void) | null = null

  constructor(port: number, space = 'test', lease = '1000000000') {
    this.hash = `holdfast:{${space}}`
    this.keys = [this.hash, `${this.hash}:owned`, `${this.hash}:queue`, `${this.hash}:sessions`, `${this.hash}:todo`]
    this.lease = lease
    this.client = new Redis(port, { lazyConnect: true })
    this.listener = new Redis(port, { lazyConnect: true })
  }

  /** `change` may spoil or weaken a script before the server gets it. */
  async connect(change: (source: string) => string = (source) => source): Promise<this> {
    await this.client.connect()
    await this.listener.connect()
    for (const { name, source } of Object.values(SCRIPTS)) {
      this.shas.set(name, (await this.client.script('LOAD', change(source))) as string)
    }
    this.listener.on('pmessage', (_pattern, channel, text) => {
      const session = channel.slice(this.hash.length + 1)
      if (session === 'mark') this.marked?.()
      else this.heard.push({ session, text })
    })
    await this.listener.psubscribe(`${this.hash.replace('{', '\\{')}:*`)
    return this
  }

  close(): void {
    this.client.disconnect()
    this.listener.disconnect()
  }

  run(name: ScriptName, ...args: readonly string[]): Promise<unknown> {
    return this.client.call('EVALSHA', this.shas.get(name)!, '5', ...this.keys, ...args)
  }

  /** Resolves when everything published so far has been heard. */
  async settled(): Promise<readonly Message[]> {
    const mark = new Promise<void>((resolve) => {
      this.marked = resolve
    })
    this.marks++
    await this.client.publish(`${this.hash}:mark`, `${this.marks}`)
    await mark
    const heard = this.heard
    this.heard = []
    return heard
  }

  async open(session: string, epoch: string, mustExist = false): Promise<Answer> {
    const owner = JSON.stringify({ pid: 1, host: 'somewhere', command: 'a test that drives the scripts without a client' })
    return (await this.run('open-session', session, epoch, this.lease, owner, POLICY, mustExist ? '1' : '0')) as Answer
  }

  async ask({ session, epoch, id, claims, wait, aside = false, name = '' }: Ask): Promise<Answer> {
    const blob = `${name}\0${claims.list.map(({ key }) => key).join('\0')}`
    const fields = ['#t', `@${session}`, `r${id}`, ...fieldsOf(claims)]
    const flags = [wait ? '1' : '0', aside ? '1' : '0']
    return (await this.run('acquire', session, epoch, id, ...flags, this.lease, modesOf(claims), blob, ...fields)) as Answer
  }

  async release(session: string, id: string, claims: Claims): Promise<number> {
    return (await this.run('release', session, id, this.lease, modesOf(claims), `r${id}`, ...fieldsOf(claims))) as number
  }

  async downgrade(session: string, id: string, to: Claims): Promise<number> {
    return (await this.run('downgrade', session, id, this.lease, modesOf(to))) as number
  }

  async heartbeat(session: string, epoch: string, ids: readonly string[] = []): Promise<Answer> {
    return (await this.run('heartbeat', session, epoch, this.lease, ...ids)) as Answer
  }

  /** Everything the server has for the session: id and token, '' for one that waits. */
  async audit(session: string, epoch: string, page = 3): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for (let last = ''; ; ) {
      const [state, ...pairs] = (await this.run('audit', session, epoch, this.lease, last, `${page}`)) as [number, ...string[]]
      if (state !== 1) throw new Error(`The session ${session} is not there: ${state}`)
      for (let i = 0; i < pairs.length; i += 2) found.set(pairs[i]!, pairs[i + 1]!)
      if (pairs.length < 2 * page) return found
      last = pairs.at(-2)!
    }
  }

  /** Records by id, and owners by session. */
  async inspect(page = 3): Promise<{ readonly records: Map<string, string>; readonly owners: Map<string, string> }> {
    const records = new Map<string, string>()
    const owners = new Map<string, string>()
    for (let last = ''; ; ) {
      const [next, requests, sessions] = (await this.run('inspect', this.lease, last, `${page}`)) as [string, string[], string[]]
      for (let i = 0; i < requests.length; i += 2) records.set(requests[i]!, requests[i + 1]!)
      for (let i = 0; i < sessions.length; i += 3) owners.set(sessions[i]!, sessions[i + 1]!)
      if (next === '') return { records, owners }
      last = next
    }
  }

  async endSession(session: string): Promise<number> {
    return (await this.run('close-session', session, this.lease)) as number
  }

  async tidy(): Promise<readonly [number, number]> {
    return (await this.run('tidy', this.lease)) as [number, number]
  }

  /** Until nothing is left to do; answers how many runs it took. */
  async tidyUp(): Promise<number> {
    for (let runs = 1; ; runs++) if ((await this.tidy())[1] === 1) return runs
  }

  /** As if the session had not been heard of for longer than its lease. */
  async expire(session: string): Promise<void> {
    const record = (await this.client.hget(this.hash, `@${session}`))!
    await this.client
      .multi()
      .hset(this.hash, `@${session}`, `${'1'.padStart(16, '0')}${record.slice(16)}`)
      .zadd(this.keys[3]!, 1, session)
      .exec()
  }

  /** What is left in the space beyond its stamp and its policy. */
  async remains(): Promise<readonly string[]> {
    const fields = await this.client.hkeys(this.hash)
    const others = await Promise.all(this.keys.slice(1).map(async (key) => ((await this.client.zcard(key)) > 0 ? [key] : [])))
    return [...fields.filter((field) => field !== '#t' && field !== '#v'), ...others.flat()]
  }
}

export function modesOf(claims: Claims): string {
  return claims.list.map(({ mode }) => MODES.indexOf(mode) + 1).join('')
}

function fieldsOf(claims: Claims): string[] {
  return claims.list.map(({ key }) => `n${key}`)
}
