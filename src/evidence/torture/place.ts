// SPDX-License-Identifier: MIT
// Where a run takes place: whatever a URL names, or a directory or server of its own that is gone afterwards; and by which way each worker goes there.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { RedisUrl } from '../../config/redis-url.ts'
import { parseUrl } from '../../config/url.ts'
import type { ZooKeeperUrl } from '../../config/zookeeper-url.ts'
import { LockError } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import type { LockSpace } from '../../lock-space.ts'
import { type Opening, openSpace } from '../hands.ts'
import { withParameter } from '../survey.ts'
import type { FaultKind } from './fault-kinds.ts'
import { makeOwnFolder } from './own-folder.ts'
import { Passage, type Target } from './passage.ts'
import { startRedisServer } from './redis-server.ts'
import type { OwnServer } from './server.ts'
import { FIRST_TREE, guardedTree } from './tree.ts'
import { startZooKeeperServer } from './zookeeper-server.ts'

export interface Place {
  /** As it may be shown: null for one of our own. */
  readonly url: string | null
  /** In words, such as `a Redis server of its own`. */
  readonly inWords: string
  /** Which faults can be injected there. */
  readonly faults: readonly FaultKind[]
  /** What a lease is meant to last; null where that is not known, or leases do not run out. */
  readonly leaseMs: number | null
  readonly server: OwnServer | null
  /** The key of the root of the tree. */
  root(): Promise<string>
  /** How a worker goes there. */
  openingFor(worker: number): Promise<Opening>
  /** The passages of a worker, if there are any. */
  passages(worker: number): readonly Passage[]
  /** What is left, by other means than locks; empty where we may not look. */
  left(users: 0 | 1): Promise<readonly string[]>
  close(): Promise<void>
}

/** Short, so that much happens in little time; long enough for a busy machine. */
const OWN_LEASE_MS = 1_500
const WORKERS: readonly FaultKind[] = ['kill', 'pause']

/** @throws LockError `CONFIG_INVALID` for a wrong URL; as the server does when one of our own cannot be started. */
export async function placeOf(url: string | undefined): Promise<Place> {
  if (url === undefined) return ownDirectory()
  const own = /^(redis|zookeeper):(\?.*)?$/i.exec(url)
  if (own !== null) return await ownServer(own[1]!.toLowerCase() as 'redis' | 'zookeeper', own[2] ?? '')
  const parsed = parseUrl(url)
  if (parsed.scheme === 'memory') return { ...simple({ url }, []), url, inWords: 'the memory of one process', root: firstTree }
  if (parsed.scheme === 'file') return { ...simple({ url }, WORKERS), url, inWords: url }
  return named(url, parsed as RedisUrl | ZooKeeperUrl)
}

/** A place that is opened in another way than by a URL. */
export function placeWith(opening: Opening): Place {
  return { ...simple(opening, WORKERS), inWords: 'a module', root: firstTree }
}

function ownDirectory(): Place {
  const folder = makeOwnFolder()
  const directory = join(folder.path, 'locks')
  const members = join(directory, 'members')
  return {
    ...simple({ url: `file:${directory.replaceAll(/[%?#]/g, encodeURIComponent)}` }, WORKERS),
    url: null,
    inWords: 'kernel files in a directory of its own',
    root: firstTree,
    left: async (users) => {
      const files = existsSync(members) ? readdirSync(members) : []
      return files.slice(users).map((name) => `the file members/${name}`)
    },
    close: async () => folder.remove(),
  }
}

async function ownServer(scheme: 'redis' | 'zookeeper', query: string): Promise<Place> {
  const urlAt = (port: number): string => {
    const plain = `${scheme}://127.0.0.1:${port}${scheme === 'zookeeper' ? '/torture' : ''}${query}`
    return /[?&]lease=/.test(query) ? plain : withParameter(plain, 'lease', `${OWN_LEASE_MS}ms`)
  }
  // What is wrong with the parameters is said before anything is started.
  parseUrl(urlAt(1))
  const server = await (scheme === 'redis' ? startRedisServer() : startZooKeeperServer())
  const byName = named(urlAt(server.port), parseUrl(urlAt(server.port)) as RedisUrl | ZooKeeperUrl)
  return {
    ...byName,
    url: null,
    inWords: `a ${scheme === 'redis' ? 'Redis' : 'ZooKeeper'} server of its own`,
    faults: [...byName.faults, 'restart', 'freeze'],
    server,
    root: firstTree,
    left: (users) => server.left(users),
    close: async () => {
      await byName.close()
      await server.stop()
    },
  }
}

/** A server that others may use, too. */
function named(url: string, parsed: RedisUrl | ZooKeeperUrl): Place {
  const targets = targetsOf(parsed)
  const ways = new Map<number, readonly Passage[]>()
  const place = simple({ url }, targets === null ? WORKERS : [...WORKERS, 'cut'])
  return {
    ...place,
    url,
    leaseMs: parsed.lease ?? null,
    inWords: `the server at ${parsed.scheme === 'zookeeper' ? parsed.hosts.join(', ') : (parsed.path ?? parsed.host ?? 'localhost')}`,
    async openingFor(worker) {
      if (targets === null) return { url }
      let passages = ways.get(worker)
      if (passages === undefined) {
        passages = await Promise.all(targets.map((target) => Passage.to(target)))
        ways.set(worker, passages)
      }
      return { url: through(url, passages) }
    },
    passages: (worker) => ways.get(worker) ?? [],
    async close() {
      await place.close()
      for (const passage of [...ways.values()].flat()) await passage.close()
    },
  }
}

/** What holds of all places. */
function simple(opening: Opening, faults: readonly FaultKind[]): Place {
  let guard: { readonly locks: LockSpace; readonly lease: Lease | null } | null = null
  return {
    url: null,
    inWords: '',
    faults,
    leaseMs: null,
    server: null,
    async root() {
      const locks = await openSpace(opening)
      const { root, guard: lease } = await guardedTree(locks)
      guard = { locks, lease }
      return root
    },
    openingFor: () => Promise.resolve(opening),
    passages: () => [],
    left: () => Promise.resolve([]),
    async close() {
      await guard?.locks.close({ timeout: 0 })
    },
  }
}

/** Nobody else is there. */
function firstTree(): Promise<string> {
  return Promise.resolve(FIRST_TREE)
}

/** Where passages lead to. Null where there can be none: TLS would notice. */
function targetsOf(parsed: RedisUrl | ZooKeeperUrl): readonly Target[] | null {
  if (parsed.scheme === 'zookeeper') {
    return parsed.hosts.map((host) => {
      const colon = host.lastIndexOf(':')
      return { host: host.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(host.slice(colon + 1)) }
    })
  }
  if (parsed.scheme === 'rediss' || parsed.path !== undefined) return null
  return [{ host: parsed.host ?? 'localhost', port: parsed.port ?? 6379 }]
}

/** The same URL with other hosts: nothing else of it changes. */
function through(url: string, passages: readonly Passage[]): string {
  const [, scheme, authority = '', rest = ''] = /^([^:]*:)\/\/([^/?]*)(.*)$/s.exec(url) ?? []
  if (scheme === undefined) throw new LockError('CONFIG_INVALID', 'The URL names no host.')
  const login = authority.slice(0, authority.lastIndexOf('@') + 1)
  return `${scheme}//${login}${passages.map(({ port }) => `127.0.0.1:${port}`).join(',')}${rest}`
}
