// SPDX-License-Identifier: MIT
// Ranks that die or leave, groups that are aborted, and messages that are none: what is lost is known, what is left goes on, nothing hangs.
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Writer } from '../../src/backends/group/encoding.ts'
import { groupBackend } from '../../src/backends/group/index.ts'
import * as words from '../../src/backends/group/words.ts'
import { LockSpace } from '../../src/index.ts'
import { Mesh } from '../support/mesh.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'

function spacesOn(mesh: Mesh, home = 0): LockSpace[] {
  return mesh.ranks.map((rank) => new LockSpace(groupBackend(rank, { home })))
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: { code?: string }) => String(error.code ?? error),
  )
}

describe('When a rank dies', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  test('its leases are free, and its requests gone', async () => {
    const mesh = new Mesh(4)
    const [home, dying, two, three] = spacesOn(mesh)
    const held = await dying!.lock({ read: '/r', write: ['/w', '/x/y'] })
    const shared = await two!.read('/s')
    void dying!.write('/s').catch(() => {})
    await mesh.quiet()
    const writer = three!.write('/w')
    const reader = three!.read('/s')
    await mesh.quiet()
    mesh.kill(1)
    expect((await writer).token > held.token).toBe(true)
    await (await reader).release()
    await (await writer).release()
    await shared.release()
    const { holders, waiters } = await home!.inspect()
    expect({ holders, waiters }).toEqual({ holders: [], waiters: [] })
    expect(await home!.tryWrite('/')).not.toBeNull()
  })

  test('while a try waits for its answer, the try goes on', async () => {
    // No time passes: nobody is given up for being late.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const mesh = new Mesh(3)
    const [, dying, two] = spacesOn(mesh)
    await dying!.write('/a')
    mesh.hold(0, 1)
    const trying = two!.tryWrite('/a')
    await mesh.quiet()
    mesh.kill(1)
    expect(await trying).not.toBeNull()
  })

  test('in the middle of its own try, nothing is left of it', async () => {
    const mesh = new Mesh(3)
    const [home, holder, dying] = spacesOn(mesh)
    const lease = await holder!.write('/a')
    mesh.hold(0, 1)
    void dying!.tryWrite('/a').catch(() => {})
    await mesh.quiet()
    mesh.kill(2)
    await mesh.quiet()
    mesh.letGo(0, 1)
    await lease.release()
    await mesh.quiet()
    expect(await home!.tryWrite('/')).not.toBeNull()
  })

  test('and it was the home, all leases are lost, and every request fails with LOCK_UNAVAILABLE', async () => {
    const mesh = new Mesh(3)
    const [zero, one, home] = spacesOn(mesh, 2)
    const lease = await zero!.write('/a')
    const reader = await one!.read('/b')
    const waiting = [codeOf(one!.write('/a')), codeOf(zero!.write('/b')), codeOf(one!.tryRead('/c')), codeOf(zero!.inspect())]
    const lost = new Promise((resolve) => lease.signal.addEventListener('abort', () => resolve(lease.signal.reason)))
    mesh.kill(2)
    expect(await lost).toMatchObject({ code: 'LOCK_LOST', cause: { code: 'LOCK_UNAVAILABLE' } })
    expect(String(await lost)).toContain('rank 2, died: it was killed')
    expect([lease.state, lease.valid, reader.state]).toEqual(['lost', false, 'lost'])
    const codes = new Set(await Promise.all(waiting))
    expect([...codes]).toEqual(['LOCK_UNAVAILABLE'])
    expect(await codeOf(one!.write('/x'))).toBe('LOCK_UNAVAILABLE')
    expect(await codeOf(one!.tryWrite('/x'))).toBe('LOCK_UNAVAILABLE')
    expect(await codeOf(one!.inspect())).toBe('LOCK_UNAVAILABLE')
    await lease.release()
    expect([zero!.held, one!.held, one!.waiting]).toEqual([0, 0, 0])
    await Promise.all([zero!.close(), one!.close()])
    void home
  })

  test('that should have admitted the others, they hear of it', async () => {
    const mesh = new Mesh(3)
    const early = new LockSpace(groupBackend(mesh.ranks[1]!, { home: 2 }))
    const waiting = codeOf(early.write('/a'))
    mesh.kill(0)
    expect(await waiting).toBe('LOCK_UNAVAILABLE')
  })
})

describe('When a rank leaves', () => {
  test('what it held is free', async () => {
    const mesh = new Mesh(3)
    const [, leaving, two] = spacesOn(mesh)
    await leaving!.write('/a')
    const waiting = two!.write('/a')
    await mesh.quiet()
    await mesh.ranks[1]!.leave()
    await (await waiting).release()
  })
})

describe('When a group is aborted', () => {
  test('every rank loses its leases and its requests, the home too', async () => {
    const mesh = new Mesh(3)
    const spaces = spacesOn(mesh)
    const leases = await Promise.all(spaces.map((space, rank) => space.write(`/${rank}`)))
    const waiting = spaces.map((space, rank) => codeOf(space.write(`/${(rank + 1) % 3}`)))
    const trying = spaces.map((space, rank) => codeOf(space.tryWrite(`/${(rank + 1) % 3}`)))
    mesh.ranks[1]!.abort('the disk is full')
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['LOCK_UNAVAILABLE']))
    for (const code of await Promise.all(trying)) expect(['LOCK_UNAVAILABLE', 'no error']).toContain(code)
    expect(leases.map(({ state }) => state)).toEqual(['lost', 'lost', 'lost'])
    expect(String(leases[2]!.signal.reason)).toContain('the disk is full')
    for (const space of spaces) expect(await codeOf(space.read('/x'))).toBe('LOCK_UNAVAILABLE')
    await Promise.all(spaces.map((space) => space.close()))
  })
})

describe('A message that is none', () => {
  test('ends the group with a word about who sent what', async () => {
    for (const [from, to] of [
      [1, 0],
      [0, 1],
    ] as const) {
      const mesh = new Mesh(2)
      const spaces = spacesOn(mesh)
      const lease = await spaces[1]!.write('/a')
      const lost = new Promise((resolve) => lease.signal.addEventListener('abort', () => resolve(lease.signal.reason)))
      mesh.forge(from, to, Uint8Array.of(77, 1, 2))
      expect(String(await lost)).toMatch(new RegExp(`rank ${to} does not understand what rank ${from} says about locks`))
    }
  })

  test('may also be made of good words that mean nothing at that moment', async () => {
    const owner = (writer: Writer, json: string): void => {
      writer.byte(words.JOIN)
      writer.text(json)
    }
    const say =
      (...numbers: readonly number[]) =>
      (writer: Writer) => {
        for (const number of numbers) writer.number(number)
      }
    /** From rank 1, which holds /a in seat 0 and waits for /b in seat 1, to the home. */
    const toHome: Record<string, (writer: Writer) => void> = {
      'a second JOIN': (writer) => owner(writer, '{"pid":1,"thread":0,"host":"h","command":"c"}'),
      'a seat that is taken': say(words.ACQUIRE, 0, 0, 0),
      'a seat far away': say(words.ACQUIRE, 3, 0, 0),
      'claims that were never said': say(words.ACQUIRE, 2, 2 * 7, 0),
      'a place for claims that does not exist': say(words.TRY, 2, 2 * words.PLACES + 1, 0),
      'the release of what waits': say(words.RELEASE, 1),
      'the release of nothing': say(words.RELEASE, 9),
      'the weakening of what waits': say(words.WEAKEN, 1),
      'the withdrawal of nothing': say(words.WITHDRAW, 9),
      'the answer to a call that was not made': say(words.PRESENT, 999),
      'a second HELLO': say(words.HELLO, words.VERSION, 0),
      'a WELCOME to rank 0': say(words.WELCOME),
      'a word of the home': say(words.GRANT, 0, 1),
    }
    /** From the home to rank 1. */
    const toGuest: Record<string, (writer: Writer) => void> = {
      'a grant of nothing': say(words.GRANT, 9, 1),
      'a grant of what is held': say(words.GRANT, 0, 1),
      'a refusal of nothing': say(words.BUSY, 9),
      'a refusal of what waits': say(words.BUSY, 1),
      'the end of what nobody withdrew': say(words.GONE, 1),
      'an answer to no question': say(words.SEEN, 9, 0),
      'a second WELCOME': say(words.WELCOME),
      'a word to the home': say(words.RELEASE, 0),
    }
    const cases = [
      ...Object.entries(toHome).map((one) => [...one, 1, 0] as const),
      ...Object.entries(toGuest).map((one) => [...one, 0, 1] as const),
    ]
    for (const [what, write, from, to] of cases) {
      const mesh = new Mesh(2)
      const [home, one] = spacesOn(mesh)
      const lease = await one!.write('/a')
      await home!.write('/b')
      const waiting = codeOf(one!.write('/b'))
      await mesh.quiet()
      const writer = new Writer()
      write(writer)
      mesh.forge(from, to, writer.take())
      await mesh.quiet()
      expect(lease.state, what).toBe('lost')
      expect(await waiting, what).toBe('LOCK_UNAVAILABLE')
    }
  })

  test('may also be the first one: whoever asks before he says who he is, or says it badly', async () => {
    const sentences = [
      (writer: Writer) => writer.byte(words.RELEASE),
      (writer: Writer) => {
        writer.byte(words.JOIN)
        writer.text('no JSON')
      },
      (writer: Writer) => {
        writer.byte(words.JOIN)
        writer.text('{"pid":"1"}')
      },
    ]
    for (const write of sentences) {
      const mesh = new Mesh(2)
      const home = new LockSpace(groupBackend(mesh.ranks[0]!))
      const lease = await home.write('/a')
      const writer = new Writer()
      write(writer)
      mesh.forge(1, 0, writer.take())
      await mesh.quiet()
      expect(lease.state).toBe('lost')
    }
  })

  test('never throws and never lets anybody hang, whatever it is', async () => {
    const seed = freshSeed()
    const next = generator(seed)
    for (let round = 0; round < scaled(150); round++) {
      const mesh = new Mesh(3)
      const spaces = spacesOn(mesh)
      const lease = await spaces[1]!.write('/a')
      const requests = [spaces[1]!.write('/b'), spaces[2]!.write('/a'), spaces[0]!.read('/a'), spaces[2]!.tryRead('/a')].map(codeOf)
      await mesh.quiet()
      const [from, to] = ([[1, 0], [2, 0], [0, 1], [0, 2], [1, 2]] as const)[next() % 5]! // biome-ignore format: pairs
      // Real words, most of the time, with small numbers.
      const bytes = Uint8Array.from({ length: 1 + (next() % 12) }, (_, i) =>
        next() % 4 === 0 ? next() : i === 0 ? next() % 40 : next() % 4,
      )
      mesh.forge(from, to, bytes)
      await mesh.quiet()
      // Either it meant something, or the group is over; in both cases nobody is left waiting.
      await lease.release()
      mesh.ranks[0]!.abort('the test is over')
      const codes = await Promise.all(requests)
      for (const code of codes) expect(['no error', 'LOCK_UNAVAILABLE', 'LOCK_INVALID'], `seed ${seed}, ${bytes}`).toContain(code)
    }
  })
})
