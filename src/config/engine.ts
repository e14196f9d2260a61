// SPDX-License-Identifier: MIT
// From a URL that was taken apart to an engine: one that is opened, or one that may be.
import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { defaultDirectory, makePrivate } from '../backends/file/directory.ts'
import { asLockError } from '../backends/file/failures.ts'
import { memoryBackend } from '../backends/memory.ts'
import type { Backend, Preference } from '../core/backend.ts'
import type { Candidate } from './agreed.ts'
import type { RedisUrl } from './redis-url.ts'
import type { EngineUrl, FileUrl, MemoryUrl } from './url.ts'
import type { ZooKeeperUrl } from './zookeeper-url.ts'

/** What is said beside the URL, for all engines of a configuration. */
export interface EngineDefaults {
  /** Where the URL names no space, root or directory. */
  readonly space?: string | undefined
  readonly prefer?: Preference | undefined
  /** What relative directories are relative to. Default: the working directory. */
  readonly base?: string | undefined
  /** Milliseconds that connecting may take. Default: the engine's own. */
  readonly timeoutMs?: number | undefined
}

/** Connects. Rejects as the engine does. */
export async function openEngine(url: EngineUrl, defaults: EngineDefaults = {}): Promise<Backend> {
  if (isRedis(url)) return redis(url, defaults)
  if (isZooKeeper(url)) return zookeeper(url, defaults)
  const prefer = url.prefer ?? defaults.prefer
  if (isFile(url)) {
    const { fileBackend } = await import('../backends/file/index.ts')
    const directory = directoryOf(url, defaults)
    if (url.directory === undefined && directory !== undefined) ownFolder(defaultDirectory())
    return fileBackend({ directory, prefer })
  }
  return memoryBackend({ ...(prefer && { prefer }), ...(url.name !== undefined && { name: url.name }) })
}

/** The same as one of several that may serve. Not for memory, which has no place that others could find. */
export function candidateOf(url: Exclude<EngineUrl, MemoryUrl>, defaults: EngineDefaults & { readonly timeoutMs: number }): Candidate {
  const { timeoutMs } = defaults
  const shown = shownAs(url, defaults)
  return { digest: digestOf(shown), shown, timeoutMs, prepare: () => prepare(url), open: () => openEngine(url, defaults) }
}

/** Where it is, written in one way, without who asks and what else is said: those who read the same here mean the same place. */
export function shownAs(url: EngineUrl, defaults: EngineDefaults = {}): string {
  if (isRedis(url)) return shownRedis(url, defaults)
  if (isZooKeeper(url)) return `zookeeper://${url.hosts.map(lower).sort().join(',')}${rootOf(url, defaults.space)}`
  if (isFile(url)) return `file:${directoryOf(url, defaults) ?? defaultDirectory()}`
  return `memory:${url.name ?? ''}`
}

/** The URL that was taken apart, with all that is said beside it in it. */
export function wholeUrl(text: string, url: EngineUrl, defaults: EngineDefaults): string {
  const { space, prefer } = defaults
  const [place = '', query] = text.split('?', 2)
  const root = isZooKeeper(url) && url.root === undefined && space !== undefined ? rootOf(url, space) : ''
  const directory = isFile(url) ? directoryOf(url, defaults) : undefined
  const words = [
    ...(query === undefined ? [] : [query]),
    ...(isRedis(url) && url.space === undefined && space !== undefined ? [`space=${encodeURIComponent(space)}`] : []),
    ...(url.prefer === undefined && prefer !== undefined ? [`prefer=${prefer}`] : []),
  ]
  const where = directory === undefined ? `${place.replace(/\/$/, '')}${encodeURI(root)}` : `file:${encodedPath(directory)}`
  return words.length === 0 ? where : `${where}?${words.join('&')}`
}

function encodedPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

function shownRedis({ scheme, host = 'localhost', port = 6379, path, db = 0, space, prefix }: RedisUrl, defaults: EngineDefaults): string {
  const server = `//${host.includes(':') ? `[${lower(host)}]` : lower(host)}:${port}${db === 0 ? '' : `/${db}`}`
  const words = {
    ...(path !== undefined && db !== 0 && { db }),
    space: space ?? defaults.space ?? 'default',
    ...(prefix !== undefined && { prefix }),
  }
  const query = Object.entries(words).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  return `${scheme}:${path ?? server}?${query.join('&')}`
}

function lower(host: string): string {
  return host.toLowerCase()
}

async function redis({ scheme, ...place }: RedisUrl, { space, prefer, timeoutMs }: EngineDefaults): Promise<Backend> {
  const { connectRedis } = await import('../backends/redis/index.ts')
  return connectRedis({
    ...(space !== undefined && { space }),
    ...(prefer && { prefer }),
    ...(timeoutMs !== undefined && { connectTimeout: timeoutMs }),
    ...place,
    tls: scheme === 'rediss',
  })
}

async function zookeeper(url: ZooKeeperUrl, { space, prefer, timeoutMs }: EngineDefaults): Promise<Backend> {
  const { zookeeperBackend } = await import('../backends/zookeeper/index.ts')
  const { username, password, hosts, lease } = url
  const auth = username === undefined ? [] : [{ scheme: 'digest', credentials: `${username}:${password}` }]
  return zookeeperBackend({
    servers: hosts,
    root: rootOf(url, space),
    prefer: url.prefer ?? prefer,
    lease,
    auth,
    connectTimeout: timeoutMs,
  })
}

function rootOf({ root }: ZooKeeperUrl, space: string | undefined): string {
  return root ?? (space === undefined ? '/holdfast' : `/holdfast/${space}`)
}

/** The default directory is the user's own; spaces that have a name lie in it. Undefined is itself. */
function directoryOf({ directory }: FileUrl, { space, base = '.' }: EngineDefaults): string | undefined {
  if (directory !== undefined) return resolve(base, directory)
  return space === undefined ? undefined : join(defaultDirectory(), 'spaces', encodeURIComponent(space))
}

function ownFolder(path: string): void {
  try {
    makePrivate(path)
  } catch (error) {
    throw asLockError(error, path)
  }
}

async function prepare(url: EngineUrl): Promise<void> {
  if (!isRedis(url)) return
  const { loadClient } = await import('../backends/redis/load-client.ts')
  await loadClient()
}

function digestOf(place: string): string {
  return createHash('sha256').update(place).digest('hex').slice(0, 16)
}

function isRedis(url: EngineUrl): url is RedisUrl {
  return url.scheme === 'redis' || url.scheme === 'rediss'
}

function isZooKeeper(url: EngineUrl): url is ZooKeeperUrl {
  return url.scheme === 'zookeeper'
}

function isFile(url: EngineUrl): url is FileUrl {
  return url.scheme === 'file'
}
