// SPDX-License-Identifier: MIT
// What a user may say of a space on Redis, and how it is recorded there.
import type { Preference } from '../../core/backend.ts'
import { invalid } from '../../core/errors.ts'
import type { RedisClient } from './connection.ts'

export interface RedisOptions {
  /** A connected client of node-redis or ioredis: one server, Sentinel or Cluster. It stays the caller's to close. */
  readonly client: RedisClient
  /** Another client of the same library for messages. Default: `client` itself where it speaks RESP3, else a duplicate of it, which is ours. */
  readonly subscriber?: RedisClient | undefined
  /** Those who name the same space exclude each other. Default `default`. */
  readonly space?: string | undefined
  /** What the keys begin with. Default `holdfast`. */
  readonly prefix?: string | undefined
  /** Who goes first among requests that conflict; recorded in the space. Default: what is recorded there, else whoever came first. */
  readonly prefer?: Preference | undefined
  /**
   * Milliseconds after which a process that is not heard of has lost its locks; recorded in the space. Default: what is recorded there, else
   * 10,000.
   */
  readonly lease?: number | undefined
  /**
   * What is found out about the server at the start. `warn` only warns of what makes it unsafe, `refuse` refuses what can lose locks silently
   * (an `allkeys-*` eviction policy) and warns of the rest, `off` does not look. Default `refuse`.
   */
  readonly checks?: 'warn' | 'refuse' | 'off' | undefined
  /**
   * Ask for nothing until a server that was started anew has run for one lease: it may have forgotten locks whose holders still count on
   * them. For servers that do not keep their data. Default false.
   */
  readonly coldStartGrace?: boolean | undefined
  /** Milliseconds that connecting may take, and that a new request waits for a server that cannot be reached. Default 5,000. */
  readonly connectTimeout?: number | undefined
}

/** The options, checked and complete. */
export interface Settings {
  /** The first of the space's keys: the others begin with it. */
  readonly hash: string
  /** Null: as it is recorded. */
  readonly prefer: Preference | null
  readonly leaseMs: number | null
  readonly checks: 'warn' | 'refuse' | 'off'
  readonly coldStartGrace: boolean
  readonly connectTimeoutMs: number
}

export const DEFAULT_LEASE_MS = 10_000
const SHORTEST_LEASE_MS = 200
const LONGEST_LEASE_MS = 3_600_000

/** @throws LockError `LOCK_INVALID` */
export function settingsOf(options: Omit<RedisOptions, 'client'>): Settings {
  const {
    space = 'default',
    prefix = 'holdfast',
    prefer,
    lease,
    checks = 'refuse',
    coldStartGrace = false,
    connectTimeout = 5_000,
  } = options
  checkWord('space', space)
  checkWord('prefix', prefix)
  if (prefer !== undefined && prefer !== 'first-come' && prefer !== 'writers') {
    throw invalid(`prefer is "first-come" or "writers", not ${JSON.stringify(prefer)}.`)
  }
  if (lease !== undefined && !(Number.isInteger(lease) && lease >= SHORTEST_LEASE_MS && lease <= LONGEST_LEASE_MS)) {
    throw invalid(`lease is a whole number of milliseconds, from ${SHORTEST_LEASE_MS} to ${LONGEST_LEASE_MS}, not ${String(lease)}.`)
  }
  if (checks !== 'warn' && checks !== 'refuse' && checks !== 'off') {
    throw invalid(`checks is "warn", "refuse" or "off", not ${JSON.stringify(checks)}.`)
  }
  if (typeof coldStartGrace !== 'boolean') throw invalid('coldStartGrace is true or false.')
  if (!(typeof connectTimeout === 'number' && connectTimeout > 0 && connectTimeout < 2 ** 31)) {
    throw invalid(`connectTimeout is a number of milliseconds, more than 0, not ${String(connectTimeout)}.`)
  }
  const hash = `${prefix}:{${space}}`
  return { hash, prefer: prefer ?? null, leaseMs: lease ?? null, checks, coldStartGrace, connectTimeoutMs: connectTimeout }
}

/** The braces mark what a cluster places keys by, and only the first pair counts. */
function checkWord(what: string, word: unknown): void {
  if (typeof word !== 'string' || word === '' || /[{}\0]/.test(word)) throw invalid(`${what} is a word without "{", "}" and NUL.`)
}

/** What all users of a space have in common. */
export interface Policy {
  readonly prefer: Preference
  readonly leaseMs: number
}

/** The layout of the keys: a client that knows another one must not touch them. */
const LAYOUT = '1'

export function writePolicy({ prefer, leaseMs }: Policy): string {
  return `${LAYOUT}|${prefer}|${leaseMs}`
}

/**
 * The policy of a space that has one, for a user who wants these settings.
 *
 * @throws LockError `LOCK_INVALID` where they differ.
 */
export function joinPolicy(recorded: string, settings: Settings): Policy {
  const [layout, prefer, lease] = recorded.split('|')
  if (layout !== LAYOUT) {
    throw invalid(
      `The space ${settings.hash} has the layout ${JSON.stringify(recorded)} of another version of Holdfast; this one knows ${LAYOUT}.`,
    )
  }
  const leaseMs = Number(lease)
  if ((settings.prefer ?? prefer) !== prefer || (settings.leaseMs ?? leaseMs) !== leaseMs) {
    const wanted = `prefer "${settings.prefer ?? prefer}" and a lease of ${settings.leaseMs ?? leaseMs} ms`
    throw invalid(`The space ${settings.hash} has prefer "${prefer}" and a lease of ${leaseMs} ms, and cannot be used with ${wanted}.`)
  }
  return { prefer: prefer as Preference, leaseMs }
}
