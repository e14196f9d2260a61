// SPDX-License-Identifier: MIT
// Locks among ranks, on a mesh where the test decides what arrives when: who is admitted, what crosses on its way, and who comes first.
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Writer } from '../../src/backends/group/encoding.ts'
import { type GroupBackendOptions, groupBackend } from '../../src/backends/group/index.ts'
import * as words from '../../src/backends/group/words.ts'
import { isLockError, type LockError, LockSpace } from '../../src/index.ts'
import { Mesh } from '../support/mesh.ts'
import { isPending } from '../support/pending.ts'

/** A lock space on each rank. */
function spacesOn<Count extends number>(mesh: Mesh, options?: GroupBackendOptions): LockSpace[] & { length: Count } {
  return mesh.ranks.map((rank) => new LockSpace(groupBackend(rank, options))) as LockSpace[] & { length: Count }
}

async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  return promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error as Error,
  )
}

describe('The ranks of a lock space', () => {
  test('are refused with LOCK_INVALID where they differ from rank 0, and the others are not disturbed', async () => {
    const mesh = new Mesh(4)
    const options = [{}, {}, { prefer: 'writers' }, { name: 'another' }] as const
    const [home, one, two, three] = mesh.ranks.map((rank, i) => new LockSpace(groupBackend(rank, options[i])))
    const lease = await one!.write('/a')
    const refused = await failure(two!.read('/b'))
    expect(refused).toMatchObject({ code: 'LOCK_INVALID' })
    expect(refused.message).toBe(
      'Rank 2 opened this lock space with prefer "writers", home 0, rank 0 with prefer "first-come", home 0: all ranks must agree.',
    )
    expect(await failure(two!.tryRead('/b'))).toMatchObject({ code: 'LOCK_INVALID' })
    expect(await failure(two!.inspect())).toMatchObject({ code: 'LOCK_INVALID' })
    expect(await failure(three!.write('/'))).toMatchObject({ code: 'LOCK_INVALID' })
    await lease.release()
    expect(await home!.tryWrite('/')).not.toBeNull()
    await Promise.all([two!.close(), three!.close()])
  })

  test('are all refused when the rank that is the home to them is none by its own account', async () => {
    const mesh = new Mesh(3)
    const homes = [2, 2, 1]
    const spaces = mesh.ranks.map((rank, i) => new LockSpace(groupBackend(rank, { home: homes[i] })))
    for (const space of spaces) expect(await failure(space.write('/a'))).toMatchObject({ code: 'LOCK_INVALID' })
  })

  test('are refused when they speak another version, as copies of different releases would', async () => {
    const mesh = new Mesh(2)
    const home = new LockSpace(groupBackend(mesh.ranks[0]!))
    const heard: number[] = []
    mesh.ranks[1]!.openChannel({ received: (_, bytes) => heard.push(bytes[0]!), gone() {}, over() {} })
    const hello = new Writer()
    hello.byte(words.HELLO)
    hello.number(words.VERSION + 1)
    hello.text('prefer "first-come", home 0')
    mesh.forge(1, 0, hello.take())
    await mesh.quiet()
    expect(heard).toEqual([words.REFUSED])
    expect(await home.tryWrite('/')).not.toBeNull()
  })

  test('may come late: requests wait for the home, and give up when they are told to', async () => {
    const mesh = new Mesh(3)
    const early = new LockSpace(groupBackend(mesh.ranks[1]!, { home: 2 }))
    const waiting = early.write('/a')
    const trying = early.tryWrite('/b')
    const abort = new AbortController()
    const aborted = failure(early.write('/a', { signal: abort.signal }))
    expect(await failure(early.write('/a', { timeout: 5 }))).toMatchObject({ code: 'LOCK_TIMEOUT' })
    abort.abort('enough')
    expect(await aborted).toBe('enough')
    const rankZero = new LockSpace(groupBackend(mesh.ranks[0]!, { home: 2 }))
    await mesh.quiet()
    expect(await isPending(waiting)).toBe(true)
    const home = new LockSpace(groupBackend(mesh.ranks[2]!, { home: 2 }))
    const lease = await waiting
    expect(await rankZero.tryRead('/a')).toBeNull()
    await lease.release()
    await (await trying)!.release()
    expect(await home.tryWrite('/')).not.toBeNull()
  })

  test('that came early can be told to give up also when they have come to the home just now', async () => {
    const mesh = new Mesh(2)
    const early = new LockSpace(groupBackend(mesh.ranks[1]!))
    const abort = new AbortController()
    const waiting = failure(early.write('/a', { signal: abort.signal }))
    const home = new LockSpace(groupBackend(mesh.ranks[0]!))
    const lease = await home.write('/a')
    await mesh.quiet()
    expect((await home.inspect()).waiters).toHaveLength(1)
    abort.abort('enough')
    expect(await waiting).toBe('enough')
    await mesh.quiet()
    expect((await home.inspect()).waiters).toHaveLength(0)
    await lease.release()
  })

  test('get a clear error for a bad option', () => {
    const [rank] = new Mesh(2).ranks
    for (const options of [{ prefer: 'readers' }, { home: 2 }, { home: -1 }, { home: 0.5 }, { name: 7 }]) {
      expect(() => groupBackend(rank!, options as GroupBackendOptions)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
    }
  })

  test('can open several lock spaces, which know nothing of each other', async () => {
    const mesh = new Mesh(2)
    const first = spacesOn(mesh)
    const second = spacesOn(mesh, { name: 'second', home: 1 })
    const leases = [await first[1]!.write('/a'), await second[0]!.write('/a')]
    expect(await first[0]!.tryRead('/a')).toBeNull()
    expect(await second[1]!.tryRead('/a')).toBeNull()
    for (const lease of leases) await lease.release()
  })
})

describe('A request on its way', () => {
  test('that is withdrawn while its grant comes leaves nothing behind', async () => {
    const mesh = new Mesh(3)
    const [, one, two] = spacesOn(mesh)
    await (await one!.write('/warm')).release()
    mesh.hold(0, 1)
    const abort = new AbortController()
    const pending = failure(one!.write('/a', { signal: abort.signal }))
    await mesh.quiet()
    // Until the request counts as one that waits.
    await pause(20)
    expect(await two!.tryWrite('/a')).toBeNull()
    abort.abort('enough')
    expect(await pending).toBe('enough')
    const lease = await two!.write('/a')
    mesh.letGo(0, 1)
    await mesh.quiet()
    const { holders } = await one!.inspect()
    expect(holders.map(({ token }) => token)).toEqual([lease.token.toString()])
    expect(one!.held).toBe(0)
    await lease.release()
    expect(await one!.tryWrite('/')).not.toBeNull()
  })

  test('that waits, and is withdrawn, lets those behind it go on', async () => {
    const mesh = new Mesh(3)
    const [home, one, two] = spacesOn(mesh)
    const lease = await home!.read('/a')
    const abort = new AbortController()
    const writer = failure(one!.write('/a', { signal: abort.signal }))
    await mesh.quiet()
    const reader = two!.read('/a')
    await pause(20)
    expect(await isPending(reader)).toBe(true)
    abort.abort('enough')
    expect(await writer).toBe('enough')
    await (await reader).release()
    await lease.release()
    expect(await one!.tryWrite('/')).not.toBeNull()
  })

  test('finds a lock free that was given back before it was made, although the news is still on its way', async () => {
    const mesh = new Mesh(3)
    const [home, one, two] = spacesOn(mesh)
    for (const asking of [two!, home!]) {
      const lease = await one!.write('/a')
      mesh.hold(1, 0)
      await lease.release()
      const trying = asking.tryWrite('/a')
      await mesh.quiet()
      mesh.letGo(1, 0)
      const granted = await trying
      expect(granted).not.toBeNull()
      await granted!.release()
    }
  })

  test('does not wait for long for somebody who does not answer', async () => {
    const mesh = new Mesh(3)
    const [home, one, two] = spacesOn(mesh)
    await one!.write('/a')
    mesh.hold(0, 1)
    const began = performance.now()
    expect(await Promise.all([two!.tryWrite('/a'), home!.tryRead('/a')])).toEqual([null, null])
    expect((await two!.inspect()).holders).toHaveLength(1)
    expect(performance.now() - began).toBeLessThan(2_000)
    mesh.letGo(0, 1)
    await mesh.quiet()
    // An answer to a call that is over is nothing bad.
    expect(await two!.tryRead('/a')).toBeNull()
  })

  test('keeps its program alive until it is answered, and a lease does not', async () => {
    const mesh = new Mesh(2)
    const [home, one] = spacesOn(mesh)
    const [atHome, away] = mesh.ranks
    const lease = await home!.write('/a')
    const waiting = one!.write('/a')
    await pause(60)
    expect([atHome!.kept, away!.kept]).toEqual([0, 1])
    await mesh.quiet()
    const third = home!.write('/a')
    await lease.release()
    const granted = await waiting
    await pause(60)
    expect([atHome!.kept, away!.kept]).toEqual([1, 0])
    await granted.release()
    await (await third).release()
    await pause(60)
    expect([atHome!.kept, away!.kept]).toEqual([0, 0])
  })

  test('says again what the home has forgotten, when there are more claims than it remembers', async () => {
    const mesh = new Mesh(2)
    const [, one] = spacesOn(mesh)
    for (let i = 0; i < words.PLACES + 10; i++) await (await one!.write(`/many/${i}`)).release()
    const again = await Promise.all([0, 5, 9, 10, words.PLACES].map((i) => one!.write(`/many/${i}`)))
    const { holders } = await one!.inspect()
    expect(holders.map(({ write }) => write[0])).toEqual(again.map(({ write }) => write[0]))
  })
})

describe('The home', () => {
  test('takes turns with the others, though its own requests need no message', async () => {
    const mesh = new Mesh(3)
    const spaces = spacesOn(mesh)
    const grants = [0, 0, 0]
    let stop = false
    const loops = spaces.map(async (space, rank) => {
      while (!stop) {
        const lease = await space.write('/a/b')
        grants[rank]!++
        await lease.release()
        stop ||= Math.max(...grants) >= 2_000
      }
    })
    await Promise.all(loops)
    expect(Math.min(...grants)).toBeGreaterThan(1_000)
  })

  test('does not make the most of the moments in which another one has nothing on its way', async () => {
    const mesh = new Mesh(2)
    const [home, one] = spacesOn(mesh)
    let stop = false
    let own = 0
    const loop = (async () => {
      for (; !stop; own++) await (await home!.write('/a')).release()
    })()
    await (await one!.write('/a')).release()
    const before = own
    const TIMES = 200
    for (let i = 0; i < TIMES; i++) {
      await (await one!.write('/a')).release()
      for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate)
    }
    stop = true
    await loop
    expect(own - before).toBeLessThan(20 * TIMES)
  })

  test('is heard by others in the end, though it has been alone for long', async () => {
    const mesh = new Mesh(2)
    const [home, one] = spacesOn(mesh)
    let stop = false
    let grants = 0
    const loop = (async () => {
      while (!stop) {
        await (await home!.write('/a')).release()
        grants++
      }
    })()
    await pause(20)
    const before = grants
    await (await one!.write('/a')).release()
    stop = true
    await loop
    expect(before).toBeGreaterThan(0)
  })

  test('keeps the order of its own requests', async () => {
    const mesh = new Mesh(2)
    const [home, one] = spacesOn(mesh)
    await (await one!.write('/a')).release()
    await mesh.quiet()
    await (await home!.write('/b')).release()
    // Made between the turn in which the first one was told to wait and the one in which it is let through.
    const second = new Promise<unknown>((resolve) => setImmediate(() => resolve(home!.tryWrite('/a'))))
    const first = home!.write('/a')
    const lease = await first
    expect(await second).toBeNull()
    await lease.release()
  })

  test('goes on serving when it has closed its own part, until the others have closed theirs', async () => {
    const mesh = new Mesh(3)
    const [home, one, two] = spacesOn(mesh)
    await home!.close()
    const lease = await one!.write('/a')
    expect(await two!.tryWrite('/a')).toBeNull()
    await lease.release()
    await Promise.all([one!.close(), two!.close()])
    const before = mesh.sent
    await mesh.quiet()
    // Its part of the channel is closed now: nobody listens to nonsense.
    mesh.forge(1, 0, Uint8Array.of(99))
    await mesh.quiet()
    expect(mesh.sent).toBeGreaterThan(before)
    const again = spacesOn(mesh)
    expect(await again[1]!.tryWrite('/a')).not.toBeNull()
  })

  test('shows who holds and who waits under the names by which each process knows its own', async () => {
    const mesh = new Mesh(3)
    const [home, one, two] = spacesOn(mesh)
    const lease = await one!.write('/a', { name: 'writes' })
    const error = failure(two!.read('/a', { timeout: 40, name: 'reads' }))
    await mesh.quiet()
    const own = home!.read('/a/b', { name: 'own' })
    await mesh.quiet()
    for (const space of [home!, one!, two!]) {
      const seen = await space.inspect()
      expect(seen.holders.map(({ name, token }) => [name, token])).toEqual([['writes', lease.token.toString()]])
      expect(seen.waiters.map(({ name, waitsFor }) => [name, waitsFor.length])).toEqual([
        ['reads', 1],
        ['own', 1],
      ])
    }
    const timedOut = await error
    expect(isLockError(timedOut, 'LOCK_TIMEOUT') && timedOut.holders.map(({ name }) => name)).toEqual(['writes'])
    // Also those who only wait are in the way of somebody who came after them.
    const behind = failure(two!.write('/a/b', { timeout: 40 }))
    const names = ((await behind) as LockError).holders.map(({ name }) => name)
    expect(names).toEqual(['writes', 'own'])
    await lease.release()
    await (await own).release()
  })
})
