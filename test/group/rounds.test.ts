// SPDX-License-Identifier: MIT
// Random rounds of random groups: messages take their time, blocks throw, ranks die. Whoever lives hears the same of every round, and nobody waits for ever.
import { describe, expect, test } from 'vitest'
import { WindowController } from '../../src/group/window-controller.ts'
import { Mesh } from '../support/mesh.ts'
import { freshSeed, generator } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'

const ROUNDS = 6

interface Plan {
  readonly writer: number
  readonly form: 'alone' | 'fence' | 'handle' | 'open'
  /** The rank whose block throws; -1 for none. */
  readonly thrower: number
}

async function play(seed: number): Promise<void> {
  const random = generator(seed)
  const size = 1 + (random() % 5)
  const mesh = new Mesh(size, { dice: random })
  const victim = random() % 3 === 0 && size > 1 ? random() % size : -1
  const killedAfter = random() % 200
  const master = random() % size
  const plans: Plan[] = Array.from({ length: ROUNDS }, () => ({
    writer: random() % size,
    form: (['alone', 'fence', 'handle', 'open'] as const)[random() % 4]!,
    thrower: random() % 3 === 0 ? random() % size : -1,
  }))
  const controllers = mesh.ranks.map((rank) => new WindowController(rank, { master, prefer: 'writers' }))
  let writing = 0
  let killed = false
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  const act = async (controller: WindowController, { writer: rank, form, thrower }: Plan, n: number): Promise<unknown> => {
    const write = async (): Promise<number> => {
      writing++
      if (!killed) expect(writing).toBe(1)
      for (let turns = random() % 3; turns > 0; turns--) await turn()
      writing--
      return n
    }
    const mayThrow = (): void => {
      if (controller.rank === thrower) throw Object.assign(new Error(`round ${n}`), { code: 'THROWN' })
    }
    if (form === 'alone')
      return await controller.singleWrite({ rank }, async () => {
        const result = await write()
        mayThrow()
        return result
      })
    if (form === 'fence')
      return await controller.singleWrite({ rank }, async (fence) => {
        if (!fence.access) mayThrow()
        fence.guard()
        fence.share(await write())
        mayThrow()
        return 'not this'
      })
    if (form === 'handle')
      return await controller.singleWrite({ rank, handle: n }, async (handle) => {
        expect(handle).toBe(rank === controller.rank ? n : null)
        mayThrow()
        return handle === null ? null : await write()
      })
    const fence = await controller.singleWrite({ rank })
    if (fence.access) fence.share(await write())
    const value = await fence.collect()
    await fence.release()
    return value
  }

  const heard: string[][] = mesh.ranks.map(() => [])
  const all = Promise.all(
    controllers.map(async (controller, at) => {
      for (const [n, plan] of plans.entries()) {
        const outcome = act(controller, plan, n).then(
          (value) => `value ${String(value)}`,
          (error: Error & { code?: string }) => `error ${error.code ?? error.stack} ${error.code === 'THROWN' ? error.message : ''}`,
        )
        heard[at]!.push(await outcome)
      }
    }),
  )
  if (victim >= 0) {
    for (let turns = 0; turns < killedAfter; turns++) await turn()
    // Here its code lives on, in its block perhaps, while others write: that is no fault.
    killed = true
    mesh.kill(victim)
  }
  await Promise.race([
    victim < 0 ? all : Promise.race([all, everybodyElse(heard, victim)]),
    new Promise((_, reject) =>
      setTimeout(() => reject(new Error(`Somebody waits for ever: ${JSON.stringify({ heard, plans, victim, master })}`)), 5_000),
    ),
  ])
  // A rank whose own block threw hears that, also where the round has failed for another reason.
  const common = heard.map((one, at) => one.map((words, n) => (plans[n]!.thrower === at && words.startsWith('error') ? null : words)))
  const living = heard.filter((_, at) => at !== victim)
  for (const n of plans.keys()) {
    const outcomes = common.filter((_, at) => at !== victim).map((one) => one[n])
    expect(new Set(outcomes.filter((words) => words !== null)).size, `round ${n}: ${outcomes}`).toBeLessThan(2)
  }
  for (const [n, words] of living[0]!.entries()) {
    const { thrower, form, writer } = plans[n]!
    const throws = thrower >= 0 && (form === 'fence' || form === 'handle' || (form === 'alone' && thrower === writer))
    if (victim < 0) expect(words.trim()).toBe(throws ? `error THROWN round ${n}` : `value ${n}`)
    else expect([`error THROWN round ${n}`, `value ${n}`, 'error LOCK_UNAVAILABLE', 'error LOCK_LOST']).toContain(words.trim())
  }
}

async function everybodyElse(heard: readonly string[][], victim: number): Promise<void> {
  while (heard.some((one, at) => at !== victim && one.length < ROUNDS)) await new Promise((resolve) => setImmediate(resolve))
}

describe('Rounds', () => {
  test('end alike on every rank that lives, whatever happens in them', { timeout: patience(120_000) }, async () => {
    const first = freshSeed()
    for (let seed = first; seed < first + scaled(120); seed++) {
      try {
        await play(seed)
      } catch (error) {
        throw new Error(`HOLDFAST_TEST_SEED=${seed}: ${(error as Error).message}`, { cause: error })
      }
    }
  })
})
