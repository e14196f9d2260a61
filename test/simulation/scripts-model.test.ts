// SPDX-License-Identifier: MIT
// The simulation's server against the real scripts: random histories are run on both, and every answer and message is the same. The histories, and
// the oracle that stands behind them, are those of the scripts' own test.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ScriptName } from '../../src/backends/redis/scripts.ts'
import { randomShapes, treeOf, universeOf } from '../core/lock-table-model.ts'
import { type Message, ScriptedSpace } from '../redis/scripted-space.ts'
import { type RedisServer, startRedis } from '../redis/server.ts'
import { Comparison, ODD_PATHS, randomSteps, type Step, shortened } from '../redis/space-model.ts'
import { freshSeed, generator } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { type ScriptFlaws, ScriptsModel } from './scripts-model.ts'
import { SpaceState } from './space-state.ts'

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

const ROUNDS = scaled(8)
const STEPS = 150
/** So many µs pass on the model's clock with each script. */
const PACE_US = 50

/** Runs each script on the server and on the model. */
class Both extends ScriptedSpace {
  private readonly told: Message[] = []
  private readonly state = new SpaceState((session, text) => void this.told.push({ session, text }))
  private readonly model: ScriptsModel
  private clock = 1_700_000_000_000_000
  /** Stamps of the server, and those of the model. */
  private readonly stamps = new Map<string, string>()
  private highest = ''

  constructor(port: number, budget: number | null, flaws: ScriptFlaws) {
    super(port, 'both')
    this.model = new ScriptsModel(this.state, () => (this.clock += PACE_US), flaws)
    if (budget !== null) this.state.budgetOfRun = budget
    const { client } = this
    const hincrby = client.hincrby.bind(client)
    // Some step moves the last stamp.
    client.hincrby = ((key: string, field: string, by: number) => {
      this.state.last += by
      return hincrby(key, field, by)
    }) as typeof client.hincrby
  }

  override async run(name: ScriptName, ...args: readonly string[]): Promise<unknown> {
    const real = await super.run(name, ...args)
    this.compare(`${name} ${args.join(' ')}`, real, this.model.run(name, args))
    return real
  }

  override async settled(): Promise<readonly Message[]> {
    const heard = await super.settled()
    this.compare('messages', heard, this.told.splice(0))
    return heard
  }

  override async expire(session: string): Promise<void> {
    this.state.sessions.get(session)!.expiry = 1
    await super.expire(session)
  }

  override async remains(): Promise<readonly string[]> {
    const { sessions, requests, owned, nodes, queue, todo } = this.state
    this.compare(
      'what remains',
      0,
      [sessions, requests, owned, nodes, queue, todo].reduce((sum, { size }) => sum + size, 0),
    )
    return super.remains()
  }

  private compare(what: string, real: unknown, modelled: unknown): void {
    const [is, ought] = [JSON.stringify(modelled), JSON.stringify(real)]
    // Times differ, and stamps are times: what matters is which are the same, and that they rise.
    const blank = (text: string): string => text.replace(/\d{16}/g, '#').replace(/(?<=[,[])\d{2,15}(?=[,\]])/g, '@')
    if (blank(is) !== blank(ought)) throw new Error(`${what}: the model says ${is}, and the server ${ought}`)
    const [its, the] = [is, ought].map((text) => text.match(/\d{16}/g) ?? []) as unknown as [string[], string[]]
    for (const [i, stamp] of the.entries()) {
      const known = this.stamps.get(stamp)
      if (known === undefined && stamp > this.highest && its[i]! <= (this.stamps.get(this.highest) ?? ''))
        throw new Error(`${what}: ${its[i]} does not rise`)
      if (known !== undefined && known !== its[i]) throw new Error(`${what}: ${its[i]}, and it was ${known}`)
      this.stamps.set(stamp, its[i]!)
      if (stamp > this.highest) this.highest = stamp
    }
  }
}

const idle = (source: string): string => source.replace(/local budget = \d+/, 'local budget = 1')

async function play(steps: readonly Step[], seed: number, writers: boolean, isIdle: boolean, flaws: ScriptFlaws): Promise<void> {
  const next = generator(seed)
  const paths = [treeOf(2, 2), treeOf(2, 3), [...ODD_PATHS]][next() % 3]!
  const universe = universeOf([...randomShapes(next, paths, 40), { read: ['/'], write: ['/a'] }, { read: ['/a'], write: ['/a/b'] }])
  const space = await new Both(server.port, isIdle ? 1 : null, flaws).connect(isIdle ? idle : undefined)
  try {
    await space.client.flushall()
    await new Comparison(space, universe, writers).run(steps)
  } finally {
    space.close()
  }
}

async function check(writers: boolean, isIdle: boolean, flaws: ScriptFlaws = {}): Promise<void> {
  const first = freshSeed()
  for (let seed = first; seed < first + ROUNDS; seed++) {
    const steps = randomSteps(generator(seed), STEPS)
    const outcome = (some: readonly Step[]): Promise<unknown> => play(some, seed, writers, isIdle, flaws).then(() => null, String)
    if ((await outcome(steps)) === null) continue
    const short = await shortened(steps, async (some) => (await outcome(some)) !== null)
    throw new Error(`HOLDFAST_TEST_SEED=${seed}: ${await outcome(short)}\n${short.map((step) => JSON.stringify(step)).join('\n')}`)
  }
}

describe.each([
  ['first come, first served', false],
  ['writers first', true],
])('%s: the model of the scripts answers as the scripts do', (_name, writers) => {
  test('when every script has time for all there is to do.', () => check(writers, false), patience(120_000))

  test('when each leaves nearly everything to the next.', () => check(writers, true), patience(120_000))
})

test('A model that leaves out a rule is found out.', async () => {
  for (const flaws of [{ epochs: true }, { news: true }]) await expect(check(false, false, flaws)).rejects.toThrow(/the model says/)
})
