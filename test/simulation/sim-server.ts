// SPDX-License-Identifier: MIT
// A Redis server of the world: it runs the model of the scripts, command by command, and passes messages on. It can freeze, be started anew with or
// without its data, and give way to a replica that has not got the last writes.
import { SCRIPTS, type ScriptName } from '../../src/backends/redis/scripts.ts'
import { type ScriptFlaws, ScriptsModel } from './scripts-model.ts'
import type { ServerEnd, SimLink } from './sim-link.ts'
import { SpaceState } from './space-state.ts'
import type { World } from './world.ts'

/** Of the server's clock when the world begins. */
const CLOCK_US = 1_700_000_000_000_000

const SHAS: ReadonlyMap<string, ScriptName> = new Map(Object.values(SCRIPTS).map(({ sha, name }) => [sha, name]))
const SOURCES: ReadonlyMap<string, ScriptName> = new Map(Object.values(SCRIPTS).map(({ source, name }) => [source, name]))

/** What became of a request that the server granted. */
export interface Granted {
  /** µs of the world. */
  readonly at: number
  /** The server has lost it, or the session's last heartbeat, with its last writes. */
  forgotten: boolean
}

export class SimServer implements ServerEnd {
  isUp = true
  state: SpaceState
  /** By id of the request and token. */
  readonly granted: Map<string, Granted> = new Map()
  private readonly world: World
  private readonly drift: number
  private readonly flaws: ScriptFlaws
  private scripts: ScriptsModel
  private frozen = false
  private steppedUs = 0
  /** By its own clock. */
  private startedAtUs = 0
  /** Not read yet. */
  private inbox: (() => void)[] = []
  private readonly links = new Set<SimLink>()
  private subscribers = new Map<string, Set<SimLink>>()
  private known = new Set<string>(SHAS.keys())
  /** What a replica has that is cut off. */
  private replica: SpaceState | null = null

  constructor(world: World, drift: number, flaws: ScriptFlaws) {
    this.world = world
    this.drift = drift
    this.flaws = flaws
    this.state = new SpaceState((session, text) => this.publish(session, text))
    this.scripts = this.scriptsOf(this.state)
  }

  /** TIME, in µs. */
  clock(): number {
    return CLOCK_US + this.steppedUs + Math.floor(this.world.now * (1 + this.drift))
  }

  receive(link: SimLink, command: readonly string[]): void {
    if (!this.isUp) {
      link.closeByServer()
      return
    }
    if (command[0] === 'HELLO') this.links.add(link)
    // From before a restart.
    if (!this.links.has(link)) return
    if (this.frozen) this.inbox.push(() => this.execute(link, command))
    else this.execute(link, command)
  }

  closed(link: SimLink): void {
    this.links.delete(link)
    for (const links of this.subscribers.values()) links.delete(link)
  }

  freeze(): void {
    this.frozen = true
    this.world.note('the server freezes')
  }

  thaw(): void {
    if (!this.frozen) return
    this.frozen = false
    this.world.note('the server thaws')
    for (const execute of this.inbox.splice(0)) execute()
  }

  /** Somebody sets its clock. */
  step(us: number): void {
    this.steppedUs += us
    this.world.note(`the server's clock is set ${us / 1_000} ms ahead`)
  }

  /** From here on the replica gets nothing. */
  cutReplica(): void {
    this.replica = this.state.copy()
    this.world.note('the replica is cut off')
  }

  /** It dies: everything that it knew is lost, or nothing. */
  die(keepsData: boolean): void {
    this.end(keepsData ? this.state : new SpaceState(this.state.tell))
    this.world.note(`the server dies ${keepsData ? 'and keeps its data' : 'with its data'}`)
  }

  /** The replica will take its place. Without one that was cut off, it has everything. */
  failOver(): void {
    this.end(this.replica ?? this.state)
    this.replica = null
    this.world.note('the server dies, and its replica takes over')
  }

  start(): void {
    if (this.isUp) return
    this.isUp = true
    this.startedAtUs = this.clock()
    this.world.note('there is a server again')
  }

  /** Nobody holds anything, or waits, and nothing is left of those who did. */
  get isEmpty(): boolean {
    const { requests, nodes, queue, todo } = this.state
    return requests.size + nodes.size + queue.size + todo.size === 0
  }

  private scriptsOf(state: SpaceState): ScriptsModel {
    return new ScriptsModel(state, () => this.clock(), this.flaws)
  }

  private end(next: SpaceState): void {
    this.isUp = false
    this.frozen = false
    this.inbox = []
    this.subscribers = new Map()
    this.known = new Set()
    for (const link of this.links) link.closeByServer()
    this.links.clear()
    if (next === this.state) return
    const before = this.state
    this.state = next
    this.scripts = this.scriptsOf(next)
    for (const [name, grant] of this.granted) {
      const id = name.slice(0, name.indexOf(' '))
      const request = before.requests.get(id)
      if (request === undefined) continue
      const [earlier, later] = [before, next].map(({ sessions }) => sessions.get(request.session)?.expiry ?? 0) as [number, number]
      if (!next.requests.get(id)?.granted || later < earlier) grant.forgotten = true
    }
  }

  private execute(link: SimLink, command: readonly string[]): void {
    const [word, first = '', , ...rest] = command
    if (word === 'HELLO') {
      for (const channel of command.slice(1)) this.subscribe(link, channel)
      this.answer(link, 'OK')
    } else if (word === 'SUBSCRIBE') {
      this.subscribe(link, first)
      this.answer(link, 1)
    } else if (word === 'UNSUBSCRIBE') {
      this.subscribers.get(first)?.delete(link)
      this.answer(link, 0)
    } else if (word === 'ZCARD') this.answer(link, this.state.todo.size)
    else if (word === 'EVALSHA' && !this.known.has(first)) link.reply({ kind: 'error', message: 'NOSCRIPT No matching script.' })
    else if (word === 'EVALSHA') this.run(link, SHAS.get(first)!, rest.slice(5))
    else if (SOURCES.has(first)) {
      const name = SOURCES.get(first)!
      this.known.add(SCRIPTS[name].sha)
      this.run(link, name, rest.slice(5))
    } else {
      const seconds = Math.floor(this.clock() / 1e6) - Math.floor(this.startedAtUs / 1e6)
      this.answer(link, `uptime_in_seconds:${seconds}\r\n`)
    }
  }

  private run(link: SimLink, name: ScriptName, args: readonly string[]): void {
    const answer = this.scripts.run(name, args)
    const [state, token] = name === 'acquire' ? (answer as readonly unknown[]) : []
    if (state === 1) this.note(`${args[2]} ${token}`)
    if (this.world.diary !== null) this.world.note(`        ${name} ${args.slice(0, 3).join(' ')} -> ${JSON.stringify(answer)}`)
    this.answer(link, answer)
  }

  /** The first time counts: who asks again is told of it again. */
  private note(grant: string): void {
    if (!this.granted.has(grant)) this.granted.set(grant, { at: this.world.now, forgotten: false })
  }

  private publish(session: string, text: string): void {
    if (text !== 'expired') this.note(text)
    this.world.note(`        ${session} is told ${text}`)
    const channel = `${SPACE}:${session}`
    for (const link of this.subscribers.get(channel) ?? []) link.reply({ kind: 'message', channel, text })
  }

  private subscribe(link: SimLink, channel: string): void {
    const links = this.subscribers.get(channel)
    if (links === undefined) this.subscribers.set(channel, new Set([link]))
    else links.add(link)
  }

  private answer(link: SimLink, value: unknown): void {
    link.reply({ kind: 'answer', value })
  }
}

/** The first key of the space that all use. */
const SPACE = 'holdfast:{default}'
