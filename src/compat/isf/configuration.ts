// SPDX-License-Identifier: MIT
// A configuration in the format of data_base.distributed_lock: a list of servers, as a YAML file has them or as a program gives them. Times are in seconds there.
import { isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml'
import { ConfigText, startOf } from '../../config/config-text.ts'
import type { RedisUrl } from '../../config/redis-url.ts'
import type { FileUrl } from '../../config/url.ts'
import { parseUrl } from '../../config/url.ts'
import type { ZooKeeperUrl } from '../../config/zookeeper-url.ts'
import { LockError } from '../../core/errors.ts'

/** What redis-py's client takes, as far as it matters here. */
export interface RedisServerConfig {
  readonly host?: string
  readonly port?: number
  readonly db?: number
  readonly username?: string
  readonly password?: string
  /** Seconds. */
  readonly socket_timeout?: number
  /** Seconds for connecting. Default: `socket_timeout`. */
  readonly socket_connect_timeout?: number
  readonly unix_socket_path?: string
  readonly ssl?: boolean
}

/** What kazoo's client takes, as far as it matters here. */
export interface ZooKeeperServerConfig {
  /** `h1`, `h1:2181,h2:2181`, or a list of such; at the end there may be a path that all others lie below (`h1:2181/labs`). */
  readonly hosts?: string | readonly string[]
  /** Of the hosts that name none. Default 2181. */
  readonly port?: number
  /** Seconds for connecting. */
  readonly timeout?: number
}

export interface FileServerConfig {
  /** Where the lock files lie. Default: the user's own lock directory. The Python library takes no notice of it. */
  readonly directory?: string
}

/** An entry of the list, as it is written. */
export type LockingServer =
  | { readonly type: 'redis'; readonly config: RedisServerConfig }
  | { readonly type: 'zookeeper'; readonly config: ZooKeeperServerConfig }
  | { readonly type: 'file'; readonly config?: FileServerConfig | null }

/** The same, understood. */
export interface Entry {
  readonly server: LockingServer
  readonly url: RedisUrl | ZooKeeperUrl | FileUrl
  /** Milliseconds that it may take to answer. */
  readonly timeoutMs: number
}

const TYPES = ['redis', 'zookeeper', 'file'] as const
const ENTRY_KEYS = ['type', 'config'] as const
const REDIS_KEYS = [
  'host',
  'port',
  'db',
  'username',
  'password',
  'socket_timeout',
  'socket_connect_timeout',
  'unix_socket_path',
  'ssl',
] as const
const ZOOKEEPER_KEYS = ['hosts', 'port', 'timeout'] as const
const FILE_KEYS = ['directory'] as const

const DEFAULT_TIMEOUT_MS = 2_000
/** Less is no time for a network. */
const SHORTEST_TIMEOUT_MS = 50
const LONGEST_TIMEOUT_S = 3_600
const HIGHEST_PORT = 65_535
const HIGHEST_DB = 99_999

/**
 * @param file its path, for messages.
 * @throws LockError `CONFIG_INVALID` with file, line and key.
 */
export function parseServers(text: string, file: string): readonly Entry[] {
  return new Reader(text, file).entries()
}

/**
 * @param servers what a program gives.
 * @param where the place that messages name.
 * @throws LockError `CONFIG_INVALID` with the key.
 */
export function readServers(servers: unknown, where: string): readonly Entry[] {
  let text: string | undefined
  try {
    text = JSON.stringify(servers)
  } catch (cause) {
    throw new LockError('CONFIG_INVALID', `${where}: it is no list of servers (${String(cause)}).`, { cause })
  }
  return new Reader(text ?? '', where, false).entries()
}

class Reader extends ConfigText {
  entries(): readonly Entry[] {
    const list = this.contents()
    if (!isSeq<Node>(list))
      throw this.mistaken(list, '', 'a list of servers, such as [{type: redis, config: {host: localhost, port: 6379}}]')
    if (list.items.length === 0) throw this.wrong(startOf(list), '', 'the list is empty: name one server at least.')
    return list.items.map((item, index) => this.entry(item, `[${index}]`))
  }

  private entry(node: Node | null, key: string): Entry {
    if (!isMap(node)) throw this.mistaken(node, key, 'a server, such as {type: file}')
    const given = this.keys(node as YAMLMap<Node, Node | null>, ENTRY_KEYS, key)
    if (!given.has('type')) throw this.wrong(startOf(node), key, 'it has no type: redis, zookeeper or file.')
    const type = this.word(given.get('type'), `${key}.type`, TYPES)
    const place = `${key}.config`
    if (type === 'file') return this.fileEntry(given.get('config'), place)
    const config = given.get('config')
    if (config === undefined) throw this.wrong(startOf(node), key, `it has no config, which says where the ${type} server is.`)
    return type === 'redis' ? this.redisEntry(config, place) : this.zookeeperEntry(config, place)
  }

  private redisEntry(node: Node | null, key: string): Entry {
    const given = this.config(node, key, REDIS_KEYS)
    const host = this.textOf(given, key, 'host', 'the name of a host')
    const port = this.whole(given, key, 'port', 1, HIGHEST_PORT)
    const db = this.whole(given, key, 'db', 0, HIGHEST_DB)
    const username = this.textOf(given, key, 'username', 'the name of a user')
    const password = this.password(given, key)
    const socket_timeout = this.seconds(given, key, 'socket_timeout')
    const socket_connect_timeout = this.seconds(given, key, 'socket_connect_timeout')
    const unix_socket_path = this.textOf(given, key, 'unix_socket_path', 'the path of a socket')
    const ssl = this.flag(given, key, 'ssl')
    const login = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) }
    const common = { ...login, ...(db !== undefined && { db }) }
    const server = { ...(host !== undefined && { host }), ...(port !== undefined && { port }) }
    return {
      server: {
        type: 'redis',
        config: {
          ...server,
          ...common,
          ...(socket_timeout !== undefined && { socket_timeout }),
          ...(socket_connect_timeout !== undefined && { socket_connect_timeout }),
          ...(unix_socket_path !== undefined && { unix_socket_path }),
          ...(ssl !== undefined && { ssl }),
        },
      },
      url:
        unix_socket_path === undefined
          ? { scheme: ssl ? 'rediss' : 'redis', ...server, ...common }
          : { scheme: 'redis', path: unix_socket_path, ...common },
      timeoutMs: milliseconds(socket_connect_timeout ?? socket_timeout),
    }
  }

  private zookeeperEntry(node: Node | null, key: string): Entry {
    const given = this.config(node, key, ZOOKEEPER_KEYS)
    const hosts = this.hosts(given, key)
    const port = this.whole(given, key, 'port', 1, HIGHEST_PORT)
    const timeout = this.seconds(given, key, 'timeout')
    const config = { ...(hosts !== undefined && { hosts }), ...(port !== undefined && { port }), ...(timeout !== undefined && { timeout }) }
    return { server: { type: 'zookeeper', config }, url: this.ensemble(given, key, config), timeoutMs: milliseconds(timeout) }
  }

  /** Its root is what the others lie below; none where nothing is said. */
  private ensemble(given: Given, key: string, { hosts = '127.0.0.1', port = 2181 }: ZooKeeperServerConfig): ZooKeeperUrl {
    const text = typeof hosts === 'string' ? hosts : hosts.join(',')
    const slash = text.indexOf('/')
    const [servers, path] = slash === -1 ? [text, ''] : [text.slice(0, slash), text.slice(slash)]
    const withPorts = servers.split(',').map((host) => {
      const plain = host.trim()
      return plain === '' || /(^|[^:\]]):\d+$|\]:\d+$/.test(plain) ? plain : `${plain}:${port}`
    })
    try {
      return parseUrl(`zookeeper://${withPorts.join(',')}${path === '/' ? '' : path}`) as ZooKeeperUrl
    } catch (error) {
      throw this.because(error, startOf(given.get('hosts') ?? null), `${key}.hosts`)
    }
  }

  private fileEntry(node: Node | null | undefined, key: string): Entry {
    const nothing = node === undefined || node === null || (isScalar(node) && node.value === null)
    const given: Given = nothing ? new Map() : this.config(node, key, FILE_KEYS)
    const directory = this.textOf(given, key, 'directory', 'the path of a folder')
    if (directory?.startsWith('~'))
      throw this.wrong(startOf(given.get('directory')!), `${key}.directory`, '"~" is not expanded here: write the whole path.')
    const config = directory === undefined ? {} : { config: { directory } }
    return {
      server: { type: 'file', ...config },
      url: { scheme: 'file', ...(directory !== undefined && { directory }) },
      timeoutMs: DEFAULT_TIMEOUT_MS,
    }
  }

  private config(node: Node | null, key: string, known: readonly string[]): Given {
    if (!isMap(node)) throw this.mistaken(node, key, `keys and values: {${known.slice(0, 2).join(': …, ')}: …}`)
    return this.keys(node as YAMLMap<Node, Node | null>, known, key)
  }

  private hosts(given: Given, key: string): string | readonly string[] | undefined {
    const node = given.get('hosts')
    if (!isSeq<Node>(node)) return this.textOf(given, key, 'hosts', 'hosts with commas between them, or a list of hosts')
    return node.items.map((item, index) => this.string(item, `${key}.hosts[${index}]`, 'a host, such as zk1:2181'))
  }

  private textOf(given: Given, above: string, name: string, what: string): string | undefined {
    if (!given.has(name)) return undefined
    const node = given.get(name)!
    const text = this.string(node, `${above}.${name}`, what)
    if (text === '' || text.includes('\0')) throw this.wrong(startOf(node), `${above}.${name}`, `it is ${what}, and not empty.`)
    return text
  }

  /** Never shown. */
  private password(given: Given, above: string): string | undefined {
    if (!given.has('password')) return undefined
    const node = given.get('password')!
    if (isScalar(node) && typeof node.value === 'string' && node.value !== '') return node.value
    throw this.wrong(startOf(node), `${above}.password`, 'it is text, and not empty: write it in quotation marks.')
  }

  private flag(given: Given, above: string, name: string): boolean | undefined {
    if (!given.has(name)) return undefined
    const node = given.get(name)!
    if (isScalar(node) && typeof node.value === 'boolean') return node.value
    throw this.mistaken(node, `${above}.${name}`, 'true or false')
  }

  private whole(given: Given, above: string, name: string, least: number, most: number): number | undefined {
    const fits = (number: number): boolean => Number.isInteger(number) && number >= least && number <= most
    return this.number(given, above, name, fits, `a whole number from ${least} to ${most}`)
  }

  private seconds(given: Given, above: string, name: string): number | undefined {
    const fits = (number: number): boolean => number > 0 && number <= LONGEST_TIMEOUT_S
    return this.number(given, above, name, fits, `a number of seconds, more than 0 and up to ${LONGEST_TIMEOUT_S}`)
  }

  private number(given: Given, above: string, name: string, fits: (number: number) => boolean, what: string): number | undefined {
    if (!given.has(name)) return undefined
    const node = given.get(name)!
    if (isScalar(node) && typeof node.value === 'number' && fits(node.value)) return node.value
    throw this.mistaken(node, `${above}.${name}`, what)
  }
}

type Given = ReadonlyMap<string, Node | null>

function milliseconds(seconds: number | undefined): number {
  return seconds === undefined ? DEFAULT_TIMEOUT_MS : Math.max(SHORTEST_TIMEOUT_MS, Math.ceil(seconds * 1_000))
}
