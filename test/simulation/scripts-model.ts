// SPDX-License-Identifier: MIT
// The scripts of the Redis engine as a server without Redis: the same arguments, the same answers. What is true of the shared part holds here:
// it follows the Lua, and scripts-model.test.ts holds it to that.
import type { ScriptName } from '../../src/backends/redis/scripts.ts'
import { digits, EXCLUDES, type RequestRecord, type SpaceState } from './space-state.ts'

type Value = string | number | readonly Value[]
export type ScriptAnswer = Value

/** Rules of the scripts that can be left out, to see that somebody notices. */
export interface ScriptFlaws {
  /** What was sent in an earlier epoch is accepted. */
  readonly epochs?: boolean
  /** Heartbeats tell nothing of the requests that they ask about. */
  readonly news?: boolean
  /** Sessions last for this part of what their owners count on. */
  readonly lifetime?: number
}

type Args = readonly string[]

export class ScriptsModel {
  readonly state: SpaceState
  private readonly clock: () => number
  private readonly flaws: ScriptFlaws

  /** @param clock µs, as TIME tells them. */
  constructor(state: SpaceState, clock: () => number, flaws: ScriptFlaws = {}) {
    this.state = state
    this.clock = clock
    this.flaws = flaws
  }

  run(name: ScriptName, args: Args): ScriptAnswer {
    switch (name) {
      case 'acquire':
        return this.acquire(args)
      case 'audit':
        return this.audit(args)
      case 'close-session':
        return this.closeSession(args)
      case 'downgrade':
        return this.downgrade(args)
      case 'heartbeat':
        return this.heartbeat(args)
      case 'inspect':
        return this.inspect(args)
      case 'open-session':
        return this.openSession(args)
      case 'release':
        return this.release(args)
      case 'tidy':
        return this.tidy(args)
    }
  }

  private acquire([session = '', epoch = '', id = '', wait, stands, lease, modesText = '', nameAndPaths = '']: Args): ScriptAnswer {
    const { state } = this
    const known = state.sessions.get(session)
    if (known === undefined) return [-1]
    let now = this.clock()
    let token = now
    if (now <= state.last) {
      token = state.last + 1
      if (state.last - now < Number(lease)) now = state.last
    }
    if (known.expiry <= now) return [-1]
    if (known.epoch !== epoch && !this.flaws.epochs) return [-2]
    const before = state.requests.get(id)
    if (before !== undefined) return before.granted ? [1, digits(before.stamp)] : [2, 0, 2]

    const modes = Array.from(modesText, Number)
    const [name = '', ...paths] = nameAndPaths.split('\0')
    const request: RequestRecord = { granted: false, stamp: 0, session, modes, aside: 0, name, paths, closed: 0 }
    const enter = (stamp: number): ScriptAnswer => {
      Object.assign(request, { granted: true, stamp })
      state.enter(request)
      state.requests.set(id, request)
      state.own(session, id)
      return [1, digits(stamp)]
    }
    if (paths.every((path, i) => isFree(state.nodes.get(path), modes[i]!))) {
      state.last = token
      const answer = enter(token)
      state.save()
      return answer
    }

    state.start(Number(lease), 0, now)
    state.resume()
    state.reap()
    const at = state.obstacle(request)
    if (at > 0 && wait === '0') return [0, state.finish()]
    request.stamp = state.stamp()
    if (at === 0) {
      const answer = enter(request.stamp)
      state.finish()
      return answer
    }
    state.own(session, id)
    state.requests.set(id, request)
    if (stands === '1') state.standAside(id, request, at)
    else {
      for (let i = 0; i < paths.length; i++) {
        const [path, mode] = [paths[i]!, modes[i]!]
        if (state.clear(path, mode)) state.add(path, mode, 1)
        else {
          state.add(path, 5 + mode, 1)
          state.enqueue(path, mode, request.stamp, id)
          request.closed++
        }
      }
    }
    const more = state.finish()
    return [2, state.nextExpiry(), more]
  }

  private release([session, id = '', lease, modes]: Args): ScriptAnswer {
    const { state } = this
    const request = state.requests.get(id)
    if (request === undefined || request.session !== session) return 0
    if (request.granted && request.modes.join('') === modes && request.paths.every((path) => nobodyWaits(state.nodes.get(path)))) {
      // As the whole of what follows, but that nothing is tidied up.
      state.start(Number(lease), 0, 0)
      state.leave(id, request)
      state.save()
      return 1
    }
    state.start(Number(lease), this.clock())
    state.resume()
    const still = state.requests.get(id)
    if (still !== undefined) state.leave(id, still)
    return state.finish()
  }

  private downgrade([session, id = '', lease, modesText = '']: Args): ScriptAnswer {
    const { state } = this
    state.start(Number(lease), this.clock())
    state.resume()
    const request = state.requests.get(id)
    if (request === undefined || request.session !== session || !request.granted) {
      state.save()
      return 0
    }
    const modes = Array.from(modesText, Number)
    for (let i = 0; i < request.paths.length; i++) {
      state.add(request.paths[i]!, request.modes[i]!, -1)
      state.add(request.paths[i]!, modes[i]!, 1)
    }
    request.modes = modes
    for (const path of request.paths) state.advance(path)
    return state.finish()
  }

  private heartbeat([session = '', epoch = '', leaseText, ...ids]: Args): ScriptAnswer {
    const { state } = this
    const lease = Number(leaseText)
    state.start(lease, this.clock())
    const alive = this.alive(session, epoch)
    if (alive !== 1) return [alive]
    const known = state.sessions.get(session)!
    known.expiry = this.expiryOf(lease)
    known.epoch = epoch
    state.resume()
    state.reap()
    const more = state.finish()
    const answer: Value[] = [1, state.nextExpiry(), more]
    if (this.flaws.news) return answer
    for (const id of ids) {
      const request = state.requests.get(id)
      if (request === undefined || request.granted) answer.push(id, request === undefined ? '' : digits(request.stamp))
    }
    return answer
  }

  private audit([session = '', epoch = '', lease, after = '', count]: Args): ScriptAnswer {
    const { state } = this
    state.start(Number(lease), this.clock())
    const alive = this.alive(session, epoch)
    if (alive !== 1) return [alive]
    const ids = [...(state.owned.get(session) ?? [])].sort().filter((id) => id > after)
    return [
      1,
      ...ids.slice(0, Number(count)).flatMap((id) => {
        const request = state.requests.get(id)
        return [id, request?.granted ? digits(request.stamp) : '']
      }),
    ]
  }

  private openSession([session = '', epoch = '', leaseText, owner = '', policy = '', mustExist]: Args): ScriptAnswer {
    const { state } = this
    const lease = Number(leaseText)
    const before = state.policy
    state.policy ??= policy
    state.start(lease, this.clock())
    if (before !== null && before !== policy) {
      state.resume()
      state.reap()
      state.save()
      if (state.sessions.size > 0) return [-3, before]
      state.policy = policy
    }
    const known = state.sessions.get(session)
    if (known !== undefined) {
      if (known.expiry <= state.now) return [-1]
      if (known.epoch > epoch) return [-2]
    } else if (mustExist === '1') return [-1]
    state.sessions.set(session, { expiry: this.expiryOf(lease), epoch, owner })
    return [1]
  }

  private closeSession([session = '', lease]: Args): ScriptAnswer {
    const { state } = this
    state.start(Number(lease), this.clock())
    const known = state.sessions.get(session)
    if (known !== undefined) {
      Object.assign(known, { expiry: 0, epoch: '99999999' })
      state.resume()
      state.reap()
    }
    return state.finish()
  }

  private tidy([lease]: Args): ScriptAnswer {
    const { state } = this
    state.start(Number(lease), this.clock())
    state.resume()
    state.reap()
    const more = state.finish()
    return [state.nextExpiry(), more]
  }

  private inspect([lease, after = '', count]: Args): ScriptAnswer {
    const { state } = this
    state.start(Number(lease), this.clock())
    const all = [...state.sessions.keys()].map((session) => `${session}\x01${' '.repeat(64)}`)
    for (const [session, ids] of state.owned) for (const id of ids) all.push(`${session}\0${id}`)
    const entries = all
      .sort()
      .filter((entry) => entry > after)
      .slice(0, Number(count))
    const requests: string[] = []
    const owners: (string | number)[] = []
    const seen = new Set<string>()
    for (const entry of entries) {
      const stop = entry.indexOf('\0')
      if (stop === -1) continue
      const session = entry.slice(0, stop)
      const left = (state.sessions.get(session)?.expiry ?? 0) - state.now
      if (left <= 0) continue
      if (!seen.has(session)) owners.push(session, state.sessions.get(session)!.owner, left)
      seen.add(session)
      const id = entry.slice(stop + 1)
      const request = state.requests.get(id)
      if (request !== undefined) requests.push(id, compose(request))
    }
    return [entries.length === Number(count) ? entries.at(-1)! : '', requests, owners]
  }

  private alive(session: string, epoch: string): 1 | -1 | -2 {
    const known = this.state.sessions.get(session)
    if (known === undefined || known.expiry <= this.state.now) return -1
    return known.epoch === epoch || this.flaws.epochs ? 1 : -2
  }

  private expiryOf(lease: number): number {
    return this.state.now + lease * (this.flaws.lifetime ?? 1)
  }
}

/** The fast path of acquire.lua: nobody waits at the node, and nothing there excludes the mode. */
function isFree(counts: readonly number[] | undefined, mode: number): boolean {
  return counts === undefined || (nobodyWaits(counts) && EXCLUDES[mode]!.every((other) => counts[other] === 0))
}

function nobodyWaits(counts: readonly number[] | undefined): boolean {
  return counts === undefined || counts.slice(6).every((count) => count === 0)
}

function compose({ granted, stamp, session, modes, aside, name, paths }: RequestRecord): string {
  const head = `${granted ? '+' : '-'}${digits(stamp)}${session}`
  return [head, modes.join(''), aside === 0 ? '' : String(aside), name, ...paths].join('\0')
}
