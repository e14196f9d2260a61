// SPDX-License-Identifier: MIT
// Barriers, broadcasts and gatherings, in groups of every size, with messages that take their time; and what is heard when ranks do not agree, or die.
import { describe, expect, test } from 'vitest'
import { Collectives } from '../../src/communicators/collectives.ts'
import { Mesh } from '../support/mesh.ts'
import { generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const code = (error: { code?: string }): string => error.code ?? String(error)

function gather(size: number, random?: () => number): { mesh: Mesh; ranks: Collectives[] } {
  const mesh = new Mesh(size, { dice: random })
  return { mesh, ranks: mesh.ranks.map((rank) => new Collectives(rank)) }
}

describe('Collective calls', () => {
  test.each([1, 2, 3, 4, 5, 8, 9, 13])('give every one of %i ranks what it is due, whatever the root', async (size) => {
    const { ranks, mesh } = gather(size, generator(size))
    const all = Array.from({ length: size }, (_, rank) => bytes(rank, rank))
    for (let root = 0; root < size; root++) {
      const heard = await Promise.all(ranks.map((rank, at) => rank.broadcast(root, at === root ? bytes(7, root) : null)))
      for (const one of heard) expect([...one]).toEqual([7, root])
      const given = await Promise.all(ranks.map((rank, at) => rank.gather(root, all[at]!)))
      expect(given.map((one) => one?.map((each) => [...each]) ?? null)).toEqual(
        given.map((_, at) => (at === root ? all.map((each) => [...each]) : null)),
      )
    }
    await Promise.all(ranks.map((rank) => rank.barrier()))
    for (const rank of mesh.ranks) expect(rank.kept).toBe(0)
  })

  test('let nobody out of a barrier before all are in', async () => {
    const random = generator(1)
    const { ranks } = gather(6, random)
    for (let round = 0; round < scaled(50); round++) {
      let inside = 0
      await Promise.all(
        ranks.map(async (rank) => {
          for (let turns = random() % 5; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
          inside++
          await rank.barrier()
          expect(inside).toBe(6)
        }),
      )
    }
  })

  test('do not mix, however far one rank is ahead of the others', async () => {
    const { ranks } = gather(5, generator(3))
    const heard = await Promise.all(
      ranks.map(async (rank, at) => {
        const mine: number[] = []
        // All at once: the calls of one rank are told apart by their order.
        const calls = Array.from({ length: 40 }, (_, n) => rank.broadcast(n % 5, n % 5 === at ? bytes(n) : null))
        for (const call of calls) mine.push((await call)[0]!)
        return mine
      }),
    )
    for (const mine of heard) expect(mine).toEqual(Array.from({ length: 40 }, (_, n) => n))
  })

  test.each<[string, (rank: Collectives, at: number) => Promise<unknown>]>([
    ['kinds', (rank: Collectives, at: number) => (at === 2 ? rank.gather(0, bytes(1)) : rank.barrier())],
    ['roots', (rank: Collectives, at: number) => rank.broadcast(at === 0 ? 0 : 1, bytes(at))],
  ])('that differ in their %s fail on every rank, in place of waiting for ever', async (_, call) => {
    const { ranks, mesh } = gather(4)
    const first = Promise.allSettled(ranks.map(call))
    await mesh.quiet()
    // Who was done before it showed hears of it at the next call.
    const second = await Promise.all(ranks.map((rank) => rank.barrier().then(() => 'fine', code)))
    expect(second).toEqual(['LOCK_INVALID', 'LOCK_INVALID', 'LOCK_INVALID', 'LOCK_INVALID'])
    expect((await first).some(({ status }) => status === 'rejected')).toBe(true)
  })

  test.each([
    ['dies', 'LOCK_UNAVAILABLE', (mesh: Mesh) => mesh.kill(3)],
    ['leaves', 'LOCK_UNAVAILABLE', (mesh: Mesh) => void mesh.ranks[3]!.leave()],
  ])('fail on every rank when one %s', async (_, expected, go) => {
    const { ranks, mesh } = gather(6, generator(5))
    const others = ranks.filter((_, at) => at !== 3)
    const calls = Promise.all(others.map((rank) => rank.barrier().then(() => 'fine', code)))
    await mesh.quiet()
    go(mesh)
    expect(await calls).toEqual(others.map(() => expected))
    expect(await Promise.all(others.map((rank) => rank.barrier().then(() => 'fine', code)))).toEqual(others.map(() => expected))
  })

  test('that were done are done, also when a rank leaves right behind them', async () => {
    for (let seed = 0; seed < scaled(20); seed++) {
      const { ranks, mesh } = gather(7, generator(seed))
      const heard = await Promise.all(
        ranks.map(async (rank, at) => {
          const value = await rank.broadcast(2, bytes(9))
          void mesh.ranks[at]!.leave()
          return value[0]
        }),
      )
      expect(heard, `seed ${seed}`).toEqual(ranks.map(() => 9))
    }
  })

  test('that are done without a rank are done, though it dies meanwhile', async () => {
    const { ranks, mesh } = gather(3)
    mesh.hold(0, 2)
    const all = ranks.map((rank) => rank.broadcast(0, bytes(6)))
    await Promise.all([all[0], all[1]])
    mesh.kill(1)
    await mesh.quiet()
    mesh.letGo(0, 2)
    expect((await all[2]!)[0]).toBe(6)
  })

  test('that were answered are answered, also when the next one fails behind the answer', async () => {
    const { ranks, mesh } = gather(3)
    const first = ranks.map((rank) => rank.broadcast(0, bytes(4)))
    await first[0]
    // The value and the failure come to rank 2 in one turn.
    mesh.hold(0, 2)
    void mesh.ranks[1]!.leave()
    const second = ranks[0]!.barrier().then(() => 'fine', code)
    await mesh.quiet()
    mesh.letGo(0, 2)
    expect((await first[2]!)[0]).toBe(4)
    expect(await second).toBe('LOCK_UNAVAILABLE')
  })

  test('refuse a root that is no rank, and anything after they were closed', async () => {
    const { ranks } = gather(2)
    await expect(ranks[0]!.broadcast(2, null)).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    await expect(ranks[0]!.gather(0.5, bytes())).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    ranks[0]!.close()
    await expect(ranks[0]!.barrier()).rejects.toMatchObject({ code: 'LOCK_CLOSED' })
  })

  test('take no harm from bytes that make no sense', async () => {
    const { ranks, mesh } = gather(2)
    for (const forged of [bytes(), bytes(1, 2, 3), new Uint8Array(9).fill(254)]) mesh.forge(1, 0, forged)
    await mesh.quiet()
    await expect(ranks[0]!.barrier()).rejects.toMatchObject({ code: 'LOCK_INVALID' })
  })
})
