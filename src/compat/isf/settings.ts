// SPDX-License-Identifier: MIT
// What is to be used: which servers, as the environment says it or the program, and how far the users of them agree.
import * as fs from 'node:fs'
import { dirname, resolve } from 'node:path'
import { checkSpaceName } from '../../config/agreement-file.ts'
import { readConfigurationFile } from '../../config/config-file.ts'
import { bad } from '../../config/url-syntax.ts'
import { type Entry, type LockingServer, parseServers, readServers } from './configuration.ts'

/** The library's own. */
const CONFIG_VARIABLE = 'ISF_DISTRIBUTED_LOCK_CONFIG'
export const BLOCK_VARIABLE = 'ISF_DISTRIBUTED_LOCK_BLOCK'
/** Ours. */
const PYTHON_VARIABLE = 'ISF_DISTRIBUTED_LOCK_PYTHON'
export const SCOPE_VARIABLE = 'ISF_DISTRIBUTED_LOCK_SCOPE'
const SPACE_VARIABLE = 'ISF_DISTRIBUTED_LOCK_SPACE'
const AGREEMENT_VARIABLE = 'ISF_DISTRIBUTED_LOCK_AGREEMENT'

export interface IsfOptions {
  /** Take, with every lock, the one that Python programs with data_base.distributed_lock take. Default: `ISF_DISTRIBUTED_LOCK_PYTHON` is `1`. */
  readonly python?: boolean | undefined
  /**
   * `host`: all users are on this host, and fall back together. `network`: users may be on other hosts, so the first server alone is used. Default:
   * `ISF_DISTRIBUTED_LOCK_SCOPE`, else `host` where all servers are on this host, else `network`.
   */
  readonly scope?: 'host' | 'network' | undefined
  /** Users of another space do not meet. Default: `ISF_DISTRIBUTED_LOCK_SPACE`, else `isf`. */
  readonly space?: string | undefined
  /** The folder in which the users agree on a server. Default: `ISF_DISTRIBUTED_LOCK_AGREEMENT`, else `/var/tmp/holdfast-agreement-UID`. */
  readonly agreement?: string | undefined
}

export interface Settings {
  readonly entries: readonly Entry[]
  /** What directories of entries are relative to. */
  readonly base: string
  readonly python: boolean
  readonly scope: 'host' | 'network'
  readonly space: string
  readonly agreement: string | undefined
}

/** What the library does without a configuration. */
const DEFAULT_SERVERS: readonly LockingServer[] = [
  { type: 'redis', config: { host: 'spock', port: 8885, socket_timeout: 1 } },
  { type: 'redis', config: { host: 'localhost', port: 6379, socket_timeout: 1 } },
  { type: 'file' },
]
const DEFAULT_SPACE = 'isf'

/** Locking is turned off, whatever the value. */
export function isBlocked(): boolean {
  return process.env[BLOCK_VARIABLE] !== undefined
}

/** @throws LockError `CONFIG_INVALID` */
export function settingsFromEnvironment(): Settings {
  const named = process.env[CONFIG_VARIABLE]
  const file = named === undefined ? null : resolve(named)
  if (named !== undefined && named !== '' && fs.existsSync(named))
    return settings(parseServers(readConfigurationFile(file!), file!), dirname(file!), {})
  const why =
    named === undefined ? `${CONFIG_VARIABLE} is not set` : `${CONFIG_VARIABLE} names ${JSON.stringify(named)}, which is not there`
  warnOnce(
    `${why}: locks lie on the first that answers of Redis at spock:8885, Redis at localhost:6379, and files. All users on this host use the same; ` +
      'those on other hosts may not. Name a configuration.',
  )
  return settings(readServers(DEFAULT_SERVERS, 'The default configuration'), process.cwd(), { scope: 'host' })
}

/** @throws LockError `CONFIG_INVALID` */
export function settingsOf(servers: unknown, options: IsfOptions): Settings {
  if (typeof options !== 'object' || options === null) throw bad(`updateConfig: the options are an object, not ${String(options)}.`)
  return settings(readServers(servers, 'updateConfig'), process.cwd(), options)
}

/** @param options what is said here counts, else the environment. */
function settings(entries: readonly Entry[], base: string, options: IsfOptions): Settings {
  const { env } = process
  const python = options.python ?? flag(env[PYTHON_VARIABLE])
  if (typeof python !== 'boolean') throw bad('python is true or false.')
  const scope = env[SCOPE_VARIABLE]
  const known = scopeOf(options.scope ?? scope ?? (entries.every(isLocal) ? 'host' : 'network'))
  const space = options.space ?? env[SPACE_VARIABLE] ?? DEFAULT_SPACE
  checkSpaceName(space)
  const agreement = options.agreement ?? env[AGREEMENT_VARIABLE]
  if (agreement !== undefined && (typeof agreement !== 'string' || agreement === '')) throw bad('agreement is the path of a folder.')
  return { entries, base, python, scope: known, space, agreement }
}

function flag(word: string | undefined): boolean {
  if (word === undefined || word === '' || word === '0') return false
  if (word === '1') return true
  throw bad(`${PYTHON_VARIABLE} is 1 or 0, not ${JSON.stringify(word)}.`)
}

function scopeOf(word: unknown): 'host' | 'network' {
  if (word === 'host' || word === 'network') return word
  throw bad(`The scope is "host" or "network", not ${JSON.stringify(word)}.`)
}

/** Nobody on another host can mean the same server by this entry. */
function isLocal({ url }: Entry): boolean {
  if (url.scheme === 'file') return true
  if (url.scheme === 'zookeeper') return url.hosts.every((host) => isLoopback(host.replace(/:\d+$/, '')))
  return url.path !== undefined || isLoopback(url.host ?? 'localhost')
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host)
}

const told = new Set<string>()

function warnOnce(what: string): void {
  if (told.has(what)) return
  told.add(what)
  process.emitWarning(what, { type: 'HoldfastWarning', code: 'HOLDFAST_ISF_DEFAULT' })
}
