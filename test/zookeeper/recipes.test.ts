// SPDX-License-Identifier: MIT
// Locks that programs in Python and Java share: kazoo and Curator themselves are asked whether they do.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  type RecipeKind,
  type RecipeLease,
  type RecipeLock,
  type ZooKeeperRecipes,
  zookeeperRecipes,
} from '../../src/backends/zookeeper/recipes/index.ts'
import { isPending } from '../support/pending.ts'
import { Curator, type CuratorClient } from './curator.ts'
import { Kazoo, type KazooClient } from './kazoo.ts'
import type { NeighbourLock } from './neighbour.ts'
import { startZooKeeper, type ZooKeeperServer } from './server.ts'

let server: ZooKeeperServer
let kazoo: Kazoo
let curator: Curator
/** Looks at nodes, and is kazoo's client too. */
let python: KazooClient
let java: CuratorClient

beforeAll(async () => {
  ;[server, kazoo, curator] = await Promise.all([startZooKeeper(), Kazoo.start(), Curator.start()])
  ;[python, java] = await Promise.all([kazoo.connect(server.address), curator.connect(server.address)])
})
afterAll(async () => {
  await Promise.all([kazoo?.kill(), curator?.kill()])
  await server?.stop()
})

const KINDS: readonly RecipeKind[] = ['lock', 'read', 'write']

let paths = 0
const aPath = (): string => `/neighbours/path-${++paths}`

/** Resolves when so many nodes are in line. */
async function inLine(path: string, count: number): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end; ) {
    if ((await python.children(path)).length === count) return
  }
  throw new Error(`There are ${await python.children(path)} in line, and not ${count}.`)
}

/** What a library's locks are called; by the kind that is held, those that have to wait; and a line of those who ask, in groups that share. */
const LIBRARIES = {
  kazoo: {
    theirs: (kind: RecipeKind, path: string): Promise<NeighbourLock> =>
      python.lock(path, { kind: ({ lock: 'Lock', read: 'ReadLock', write: 'WriteLock' } as const)[kind] }),
    keepsOut: { lock: ['lock', 'read', 'write'], read: ['write'], write: ['lock', 'read', 'write'] },
    // In 2.8.0 readers wait for later writers too, so theirs come last.
    line: [
      ['our read'],
      ['their write'],
      ['our read', 'our read'],
      ['our write'],
      ['our write'],
      ['their write'],
      ['their read', 'their read'],
    ],
  },
  curator: {
    theirs: (kind: RecipeKind, path: string): Promise<NeighbourLock> =>
      java.lock(path, { kind: ({ lock: 'InterProcessMutex', read: 'ReadLock', write: 'WriteLock' } as const)[kind] }),
    keepsOut: { lock: ['lock'], read: ['write'], write: ['read', 'write'] },
    line: [
      ['their read', 'our read'],
      ['their write'],
      ['our read', 'their read', 'our read'],
      ['our write'],
      ['their write'],
      ['our read'],
    ],
  },
} as const

function ourLock(recipes: ZooKeeperRecipes, kind: RecipeKind, path: string): RecipeLock {
  if (kind === 'lock') return recipes.lock(path)
  return kind === 'read' ? recipes.readLock(path) : recipes.writeLock(path)
}

describe.each(['kazoo', 'curator'] as const)('The locks of %s', (dialect) => {
  const { theirs, keepsOut, line } = LIBRARIES[dialect]
  let recipes: ZooKeeperRecipes
  beforeAll(async () => {
    recipes = await zookeeperRecipes({ servers: server.address, dialect })
  })
  afterAll(() => recipes.close())
  const ours = (kind: RecipeKind, path: string): RecipeLock => ourLock(recipes, kind, path)

  test.each(KINDS.flatMap((held) => KINDS.map((tried) => ({ held, tried }))))(
    'exclude each other as the library’s own do: $held is held, $tried is tried',
    async ({ held, tried }) => {
      const free = !(keepsOut[held] as readonly RecipeKind[]).includes(tried)
      const path = aPath()
      const theirHeld = await theirs(held, path)
      const theirTried = await theirs(tried, path)
      const theyTry = async (): Promise<boolean> => {
        const got = await theirTried.acquire({ timeoutMs: 0 })
        if (got) await theirTried.release()
        return got
      }
      const weTry = async (): Promise<boolean> => {
        const made = (await python.get(path))!.stat.cversion
        const lease = await ours(tried, path).tryAcquire()
        await lease?.release()
        // In vain, it makes no node at all.
        if (lease === null) expect((await python.get(path))!.stat.cversion).toBe(made)
        return lease !== null
      }
      await theirHeld.acquire()
      expect({ theirs: await theyTry(), ours: await weTry() }).toEqual({ theirs: free, ours: free })
      expect(await python.children(path)).toHaveLength(1)
      await theirHeld.release()
      const lease = await ours(held, path).acquire()
      expect({ theirs: await theyTry(), ours: await weTry() }).toEqual({ theirs: free, ours: free })
      expect(await python.children(path)).toEqual([lease.node.slice(path.length + 1)])
      await lease.release()
      expect(await python.children(path)).toEqual([])
    },
  )

  test.each(KINDS.flatMap((held) => keepsOut[held].map((waiting) => ({ held, waiting }))))(
    'go from hand to hand: $held is released, $waiting is waited for',
    async ({ held, waiting }) => {
      const path = aPath()
      const theirHeld = await theirs(held, path)
      const theirWaiting = await theirs(waiting, path)
      await theirHeld.acquire()
      const we = ours(waiting, path).acquire({ timeout: 10_000 })
      await inLine(path, 2)
      expect(await isPending(we)).toBe(true)
      await theirHeld.release()
      await (await we).release()
      const lease = await ours(held, path).acquire()
      const they = theirWaiting.acquire({ timeoutMs: 10_000 })
      await inLine(path, 2)
      expect(await isPending(they)).toBe(true)
      await lease.release()
      expect(await they).toBe(true)
      await theirWaiting.release()
    },
  )

  test('are given in the order in which they were asked for, whoever asks; readers come in together', async () => {
    const path = aPath()
    const first = await ours('write', path).acquire()
    const groups = line.map((who) => new Group(who.length))
    const inside = new Set<Group>()
    const entered: Group[] = []
    const enter = async (group: Group, leave: () => Promise<unknown>): Promise<void> => {
      inside.add(group)
      expect([...inside]).toEqual([group])
      if (!entered.includes(group)) entered.push(group)
      // All of a group are in at the same time, before the first of them leaves.
      await group.meet()
      inside.delete(group)
      await leave()
    }
    const tokens: bigint[] = []
    const done: Promise<void>[] = []
    for (const [i, members] of line.entries()) {
      for (const who of members) {
        const kind = who.endsWith('read') ? 'read' : 'write'
        if (who.startsWith('our')) {
          const come = async (got: Promise<RecipeLease>): Promise<void> => {
            const lease = await got
            if (members.length === 1) tokens.push(lease.token)
            await enter(groups[i]!, () => lease.release())
          }
          done.push(come(ours(kind, path).acquire({ timeout: 20_000 })))
        } else {
          const lock = await theirs(kind, path)
          done.push(lock.acquire({ timeoutMs: 20_000 }).then(() => enter(groups[i]!, () => lock.release())))
        }
        await inLine(path, done.length + 1)
      }
    }
    await first.release()
    await Promise.all(done)
    expect(entered).toEqual(groups)
    expect([first.token, ...tokens]).toEqual([first.token, ...tokens].sort((a, b) => (a < b ? -1 : 1)))
  })

  test.each(KINDS)('have the nodes that the library makes: %s', async (kind) => {
    const look = async (path: string): Promise<unknown> => {
      const [name, ...others] = await python.children(path)
      expect(others).toEqual([])
      const node = await python.get(`${path}/${name}`)
      const above = path.slice(0, path.lastIndexOf('/'))
      return {
        name: name!.replaceAll(/[0-9a-f]{8}(-?)(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}/g, 'ID$1'),
        data: node!.data,
        acls: await python.acls(`${path}/${name}`),
        ephemeral: node!.stat.ephemeralOwner !== 0n,
        directories: await Promise.all([path, above].map(async (at) => [(await python.get(at))!.data, await python.acls(at)])),
      }
    }
    const [their, our] = [`${aPath()}/a/b`, `${aPath()}/a/b`]
    const lock = await theirs(kind, their)
    await lock.acquire()
    const lease = await ours(kind, our).acquire()
    expect(await look(our)).toEqual(await look(their))
    const node = await python.get(lease.node)
    expect(node!.stat.czxid).toBe(lease.token)
    expect(JSON.parse(JSON.stringify(lease))).toEqual({ path: our, kind, state: 'held', token: `${lease.token}`, node: lease.node })
    await lock.release()
    await lease.release()
  })

  test('are not waited for any more when the time is up or the signal aborts, and nothing is left behind', async () => {
    const path = aPath()
    const lock = await theirs('write', path)
    await lock.acquire()
    const before = await python.children(path)
    const abort = new AbortController()
    const waiting = ours('read', path).acquire({ signal: abort.signal })
    const impatient = ours('write', path).acquire({ timeout: 50 })
    const third = ours('write', path).acquire({ timeout: 10_000 })
    await inLine(path, 4)
    await expect(impatient).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    await inLine(path, 3)
    abort.abort('changed my mind')
    await expect(waiting).rejects.toBe('changed my mind')
    await inLine(path, 2)
    expect(await isPending(third)).toBe(true)
    await expect(ours('read', path).acquire({ signal: abort.signal })).rejects.toBe('changed my mind')
    await expect(ours('write', path).acquire({ timeout: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    await lock.release()
    expect(await python.children(path)).not.toEqual(before)
    await (await third).release()
    expect(await python.children(path)).toEqual([])
  })

  test('are got in the shortest of times where they are free', async () => {
    await (await ours('write', aPath()).acquire({ timeout: 1 })).release()
    await (await ours('write', aPath()).acquire({ timeout: 0 })).release()
  })

  test('tell who has them and who waits, in order', async () => {
    const path = aPath()
    const named = await zookeeperRecipes({ servers: server.address, dialect, identifier: 'node-1, Zürich' })
    onTestFinished(() => named.close())
    const [held, lock] = [await named.readLock(path).acquire(), await theirs('write', path)]
    const waiting = lock.acquire()
    await inLine(path, 2)
    const contenders = await ours('write', path).contenders()
    expect(contenders.map(({ node }) => node.slice(-10))).toEqual(['0000000000', '0000000001'])
    expect(contenders[0]).toEqual({ node: held.node.slice(path.length + 1), identifier: 'node-1, Zürich' })
    if (dialect === 'kazoo') {
      expect(await (lock as Awaited<ReturnType<KazooClient['lock']>>).contenders()).toEqual(contenders.map(({ identifier }) => identifier))
      expect(await ours('lock', path).contenders()).toEqual(contenders.slice(1))
    }
    await held.release()
    await waiting
    await lock.release()
    expect(await ours('write', path).contenders()).toEqual([])
    expect(await ours('write', aPath()).contenders()).toEqual([])
  })

  test('exclude the tasks of one program too, in the order in which they ask', async () => {
    const path = aPath()
    const lock = ours('write', path)
    const got: number[] = []
    let inside = 0
    const task = async (i: number): Promise<void> => {
      await using lease: RecipeLease = await lock.acquire()
      expect([lease.state, lease.valid, ++inside]).toEqual(['held', true, 1])
      got.push(i)
      await python.children(path)
      inside--
    }
    await ours('write', path)
      .tryAcquire()
      .then((lease) => lease?.release())
    await Promise.all(Array.from({ length: 8 }, (_, i) => task(i)))
    expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })
})

/** Those who can be in at the same time. */
class Group {
  private missing: number
  private tell: () => void = () => {}
  private readonly complete: Promise<void> = new Promise((resolve) => {
    this.tell = resolve
  })

  constructor(size: number) {
    this.missing = size
  }

  /** Resolves when all have come. */
  meet(): Promise<void> {
    if (--this.missing === 0) this.tell()
    return this.complete
  }
}
