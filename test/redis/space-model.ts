// SPDX-License-Identifier: MIT
// The scripts against the oracle of the lock table: sessions that ask, try, give back, weaken, die and come back, step by random step, and
// after every step the same requests hold their locks on both sides. What a step does follows from its numbers and from what is there,
// so a run can be repeated, and shortened.
import { Model, ModelRequest, type Universe } from '../core/lock-table-model.ts'
import type { Answer, ScriptedSpace } from './scripted-space.ts'

/** A kind of step, and two numbers by which it picks from what is there. */
export interface Step {
  readonly kind: StepKind
  readonly a: number
  readonly b: number
}

const WEIGHTS = {
  ask: 36,
  try: 10,
  goes: 32,
  downgrade: 6,
  'ask again': 3,
  'ask too late': 2,
  heartbeat: 3,
  'raise the epoch': 2,
  expire: 2,
  'end the session': 1,
  audit: 2,
  inspect: 1,
  'move the clock': 1,
}
type StepKind = keyof typeof WEIGHTS

const SESSIONS = 4
/** So many requests at once at most: more of them would mostly wait. */
const CROWD = 30

const DECK = Object.entries(WEIGHTS).flatMap(([kind, weight]) => Array<StepKind>(weight).fill(kind as StepKind))

export function randomSteps(next: () => number, count: number): Step[] {
  return Array.from({ length: count }, () => ({ kind: DECK[next() % DECK.length]!, a: next(), b: next() }))
}

interface Session {
  readonly id: string
  epoch: number
}

class SpaceRequest extends ModelRequest {
  readonly session: Session
  readonly name: string
  /** As the server told it. */
  token: bigint | null = null

  constructor(number: number, session: Session, shape: number, writes: boolean) {
    super(number, shape, writes)
    this.session = session
    // Of different lengths, and one the beginning of another.
    this.name = `${number}`
  }
}

/** Both sides at once; throws where they differ. */
export class Comparison {
  grants = 0
  private readonly space: ScriptedSpace
  private readonly universe: Universe
  private readonly preferWriters: boolean
  private readonly model: Model
  private readonly sessions: Session[] = []
  private requests: SpaceRequest[] = []
  private numbers = 0
  private highest = 0n
  /** Sessions that the server is to declare dead. */
  private dying = new Set<string>()

  constructor(space: ScriptedSpace, universe: Universe, preferWriters: boolean) {
    this.space = space
    this.universe = universe
    this.preferWriters = preferWriters
    this.model = new Model(universe, preferWriters, () => {})
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (let place = 0; place < SESSIONS; place++) await this.begin(place)
    for (const step of steps) await this.step(step)
    while (this.requests.length > 0) await this.step({ kind: 'goes', a: 0, b: 0 })
    for (const { id } of this.sessions) await this.space.endSession(id)
    await this.space.tidyUp()
    same('what is left at the end', await this.space.remains(), [])
  }

  private async step({ kind, a, b }: Step): Promise<void> {
    const session = this.sessions[a % SESSIONS]!
    const request = this.requests.length > 0 ? this.requests[b % this.requests.length]! : null
    const asks = kind === 'ask' || kind === 'try'
    if (asks && this.requests.length < CROWD) await this.ask(session, b % this.universe.count, kind === 'ask')
    else if (kind === 'goes' || asks) await this.goes(request)
    else if (kind === 'downgrade') await this.downgrade(request)
    else if (kind === 'ask again') await this.askAgain(request)
    else if (kind === 'ask too late') await this.askTooLate(session, b % this.universe.count)
    else if (kind === 'heartbeat') await this.heartbeat(session)
    else if (kind === 'raise the epoch') await this.raiseEpoch(session)
    else if (kind === 'expire' || kind === 'end the session') await this.dies(a % SESSIONS, kind === 'expire')
    else if (kind === 'audit') await this.audit(session)
    else if (kind === 'inspect') await this.inspect()
    else if (this.highest > 0n) await this.space.client.hincrby(this.space.hash, '#t', b % 1_000_000)
    await this.compare()
  }

  private async compare(): Promise<void> {
    await this.space.tidyUp()
    const before = this.highest
    for (const { session, text } of await this.space.settled()) {
      if (text === 'expired') {
        same(`session ${session} was to die`, this.dying.delete(session), true)
        continue
      }
      const [id, token] = text.split(' ')
      const request = this.requests.find(({ name }) => name === id)
      // A session that is being reaped may be granted what it waited for, on its way out.
      if (request === undefined && !this.sessions.some((other) => other.id === session)) continue
      same(`the session that hears of ${id}`, session, request?.session.id)
      same(`${id} had been granted`, request!.token, null)
      this.granted(request!, token!, before)
    }
    same('sessions yet to die', [...this.dying], [])
    for (const request of this.requests) same(`${request.name} holds its lock`, request.token !== null, request.granted)
  }

  /** Tokens rise from step to step: nothing that conflicts can be granted within one. */
  private granted(request: SpaceRequest, text: string, before: bigint): void {
    same('digits of a token', text.length, 16)
    request.token = BigInt(text)
    same(`the token ${text} is above ${before}`, request.token > before, true)
    if (request.token > this.highest) this.highest = request.token
    this.grants++
  }

  private askFor(request: SpaceRequest, wait: boolean, epoch: number = request.session.epoch): Promise<Answer> {
    const claims = this.universe.claims[request.shape]!
    const aside = this.preferWriters && claims.write.length === 0
    return this.space.ask({ session: request.session.id, epoch: digits(epoch), id: request.name, claims, wait, aside })
  }

  private newRequest(session: Session, shape: number): SpaceRequest {
    this.numbers++
    return new SpaceRequest(this.numbers, session, shape, this.universe.claims[shape]!.write.length > 0)
  }

  private async ask(session: Session, shape: number, wait: boolean): Promise<void> {
    const request = this.newRequest(session, shape)
    const before = this.highest
    const [state, token] = await this.askFor(request, wait)
    const stays = wait ? this.model.enter(request) || true : this.model.tryEnter(request)
    same(`the answer to ${request.name}`, state, request.granted ? 1 : wait ? 2 : 0)
    if (state === 1) this.granted(request, String(token), before)
    if (stays) this.requests.push(request)
  }

  private async askAgain(request: SpaceRequest | null): Promise<void> {
    if (request === null) return
    const answer = await this.askFor(request, true)
    same('the second answer', answer[0], request.token === null ? 2 : 1)
    if (request.token !== null) same('the second token', BigInt(answer[1]!), request.token)
  }

  private async askTooLate(session: Session, shape: number): Promise<void> {
    const request = this.newRequest(session, shape)
    same('an earlier epoch', await this.askFor(request, true, session.epoch - 1), [-2])
    same('an unknown session', await this.askFor(this.newRequest({ id: `${session.id}z`, epoch: 1 }, shape), true), [-1])
    same('nothing to give back', await this.space.release(session.id, request.name, this.universe.claims[shape]!), 0)
  }

  private async goes(request: SpaceRequest | null): Promise<void> {
    if (request === null) return
    const { session, name, shape } = request
    const stranger = this.sessions.find((other) => other !== session)!
    same("another session's release", await this.space.release(stranger.id, name, this.universe.claims[shape]!), 0)
    // Whose weakening was answered on a connection that is no more may give back what it had before.
    const known = request.id % 3 === 0 ? shape % this.universe.count : shape
    const answer = await this.space.release(session.id, name, this.universe.claims[known]!)
    same(`${name} was there`, answer > 0, true)
    this.forget((other) => other === request)
  }

  private async downgrade(request: SpaceRequest | null): Promise<void> {
    if (request === null || request.shape >= this.universe.count) return
    const to = this.universe.claims[request.shape + this.universe.count]!
    const answer = await this.space.downgrade(request.session.id, request.name, to)
    same(`${request.name} could be weakened`, answer > 0, request.granted)
    if (request.granted) this.model.weaken(request)
  }

  private async heartbeat(session: Session): Promise<void> {
    const own = this.requests.filter((request) => request.session === session)
    const [state, next, , ...pairs] = await this.space.heartbeat(session.id, digits(session.epoch), [...own.map(({ name }) => name), 'x'])
    same('the heartbeat', [state, Number(next) > 0], [1, true])
    const holders = own.filter(({ granted }) => granted).flatMap(({ name, token }) => [name, String(token)])
    same('what the heartbeat tells', pairs, [...holders, 'x', ''])
    same('an old heartbeat', await this.space.heartbeat(session.id, digits(session.epoch - 1)), [-2])
  }

  private async raiseEpoch(session: Session): Promise<void> {
    session.epoch++
    same('the next epoch', await this.space.open(session.id, digits(session.epoch), true), [1])
    same('an old epoch', await this.space.open(session.id, digits(session.epoch - 1), true), [-2])
  }

  private async dies(place: number, expires: boolean): Promise<void> {
    const session = this.sessions[place]!
    this.dying.add(session.id)
    if (expires) {
      await this.space.expire(session.id)
      same('a request of the dead', await this.askFor(this.newRequest(session, 0), true), [-1])
      same('the heartbeat of the dead', await this.space.heartbeat(session.id, digits(session.epoch)), [-1])
    } else await this.space.endSession(session.id)
    same('the dead stay dead', await this.space.open(session.id, digits(session.epoch + 1), true), [-1])
    this.forget((request) => request.session === session)
    await this.begin(place)
  }

  private async begin(place: number): Promise<void> {
    this.numbers++
    const session = { id: (this.numbers * 7919).toString(16), epoch: 1 }
    this.sessions[place] = session
    same('a new session', await this.space.open(session.id, digits(1)), [1])
  }

  private async audit(session: Session): Promise<void> {
    const found = await this.space.audit(session.id, digits(session.epoch))
    const own = this.requests.filter((request) => request.session === session)
    same('the audit', sorted(found), sorted(own.map(({ name, token }) => [name, token === null ? '' : String(token)])))
  }

  private async inspect(): Promise<void> {
    const { records, owners } = await this.space.inspect()
    const seen = [...records].map(([id, record]) => [id, record[0], record.slice(17, record.indexOf('\0'))])
    same(
      'the inspection',
      sorted(seen),
      sorted(this.requests.map(({ name, token, session }) => [name, token === null ? '-' : '+', session.id])),
    )
    const busy = new Set(this.requests.map(({ session }) => session.id))
    same('the owners', [...owners.keys()].sort(), [...busy].sort())
  }

  private forget(which: (request: SpaceRequest) => boolean): void {
    for (const request of this.requests.filter(which)) this.model.remove(request)
    this.requests = this.requests.filter((request) => !which(request))
  }
}

/** The shortest list found that still fails. */
export async function shortened(steps: readonly Step[], fails: (shorter: readonly Step[]) => Promise<boolean>): Promise<readonly Step[]> {
  let best = steps
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.length; ) {
      const shorter = [...best.slice(0, start), ...best.slice(start + size)]
      if (await fails(shorter)) best = shorter
      else start += size
    }
  }
  return best
}

/** Paths of which one is the beginning of another, or that hold bytes which sort before and after the separators. */
export const ODD_PATHS: readonly string[] = [
  '/a',
  '/a\u0001',
  '/a\u0001/b',
  '/aa',
  '/a/b',
  '/a b',
  '/a/\u0001',
  '/é',
  '/e\u0301',
  '/\u{10ffff}',
  '/a5',
  '/[(+-',
]

function digits(epoch: number): string {
  return String(epoch).padStart(8, '0')
}

function sorted(rows: Iterable<readonly unknown[]>): string[] {
  return Array.from(rows, (row) => JSON.stringify(row)).sort()
}

function same(what: string, actual: unknown, expected: unknown): void {
  const [is, ought] = [show(actual), show(expected)]
  if (is !== ought) throw new Error(`${what}: ${is}, and should be ${ought}`)
}

function show(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? 'undefined'
}
