// SPDX-License-Identifier: MIT
// What a user may say of a space on ZooKeeper.
import type { Preference } from '../../core/backend.ts'
import { invalid } from '../../core/errors.ts'
import { type Acl, PERMISSIONS } from './wire/operations.ts'
import type { Address, AuthInfo } from './wire/session.ts'

/** Where the servers are, and who we are to them. */
export interface ZooKeeperPlace {
  /** `host:port`, several with commas between them or as a list. The port is 2181 where none is given. */
  readonly servers: string | readonly string[]
  /** Who we are: scheme and credentials, such as `{ scheme: 'digest', credentials: 'user:password' }`. */
  readonly auth?: readonly { readonly scheme: string; readonly credentials: string }[] | undefined
  /**
   * Who may use what is created: `creator`, those with the same `auth`; `open`, everybody; or a list. Default: `creator` where `auth` is
   * given, else `open`.
   */
  readonly acl?: 'creator' | 'open' | readonly Acl[] | undefined
  /**
   * Milliseconds after which a process that is not heard of has lost its locks: the session's time-out. The servers limit it (by default to 2 to
   * 20 ticks, 4 to 40 s). Default 10,000.
   */
  readonly lease?: number | undefined
  /** Milliseconds that connecting may take, and that a new request waits for servers that cannot be reached. Default 5,000. */
  readonly connectTimeout?: number | undefined
}

export interface ZooKeeperOptions extends ZooKeeperPlace {
  /** The path under which the space lies; those who name the same exclude each other. Default `/holdfast`. */
  readonly root?: string | undefined
  /** Who goes first among requests that conflict; recorded in the space. Default: what is recorded there, else whoever came first. */
  readonly prefer?: Preference | undefined
}

/** Checked and complete. */
export interface PlaceSettings {
  readonly servers: readonly Address[]
  readonly auth: readonly AuthInfo[]
  readonly acl: readonly Acl[]
  readonly leaseMs: number
  readonly connectTimeoutMs: number
}

export interface Settings extends PlaceSettings {
  /** Without a slash at its end: '' is the root. */
  readonly root: string
  /** Null: as it is recorded. */
  readonly prefer: Preference | null
}

const DEFAULT_PORT = 2181
const SHORTEST_LEASE_MS = 200
const LONGEST_LEASE_MS = 3_600_000

/** @throws LockError `LOCK_INVALID` */
export function settingsOf(options: ZooKeeperOptions): Settings {
  const { root = '/holdfast', prefer } = options
  if (prefer !== undefined && prefer !== 'first-come' && prefer !== 'writers') {
    throw invalid(`prefer is "first-come" or "writers", not ${JSON.stringify(prefer)}.`)
  }
  return { ...placeSettingsOf(options), root: checkNodePath('root', root), prefer: prefer ?? null }
}

/** @throws LockError `LOCK_INVALID` */
export function placeSettingsOf(options: ZooKeeperPlace): PlaceSettings {
  const { servers, auth = [], lease = 10_000, connectTimeout = 5_000 } = options
  const { acl = auth.length > 0 ? 'creator' : 'open' } = options
  const list = typeof servers === 'string' ? servers.split(',') : servers
  if (!Array.isArray(list) || list.length === 0) throw invalid('servers is "host:port", with commas between several, or a list of such.')
  if (!(Number.isInteger(lease) && lease >= SHORTEST_LEASE_MS && lease <= LONGEST_LEASE_MS)) {
    throw invalid(`lease is a whole number of milliseconds, from ${SHORTEST_LEASE_MS} to ${LONGEST_LEASE_MS}, not ${String(lease)}.`)
  }
  if (!(typeof connectTimeout === 'number' && connectTimeout > 0 && connectTimeout < 2 ** 31)) {
    throw invalid(`connectTimeout is a number of milliseconds, more than 0, not ${String(connectTimeout)}.`)
  }
  return {
    servers: list.map(addressOf),
    auth: auth.map(authOf),
    acl: aclOf(acl, auth.length > 0),
    leaseMs: lease,
    connectTimeoutMs: connectTimeout,
  }
}

function addressOf(text: unknown): Address {
  const [, bracketed, plain, port = DEFAULT_PORT] =
    (typeof text === 'string' && /^\s*(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]\s/@]+))(?::(\d{1,5}))?\s*$/.exec(text)) || []
  const host = bracketed ?? plain
  const number = Number(port)
  if (host === undefined || number < 1 || number > 65_535) throw invalid(`Not a server: ${JSON.stringify(text)}. It is written host:port.`)
  return { host, port: number }
}

function authOf(one: { readonly scheme: string; readonly credentials: string }): AuthInfo {
  if (typeof one?.scheme !== 'string' || typeof one.credentials !== 'string' || one.scheme === '') {
    throw invalid('auth is a list of { scheme, credentials }, both text.')
  }
  return { scheme: one.scheme, credentials: Buffer.from(one.credentials) }
}

function aclOf(acl: unknown, known: boolean): readonly Acl[] {
  if (acl === 'open') return [{ perms: PERMISSIONS.all, scheme: 'world', id: 'anyone' }]
  if (acl === 'creator') {
    if (!known) throw invalid('acl "creator" needs auth: without it there is nobody to whom the nodes could belong.')
    return [{ perms: PERMISSIONS.all, scheme: 'auth', id: '' }]
  }
  const list = acl as readonly Acl[]
  const good = (one: Acl): boolean =>
    Number.isInteger(one?.perms) &&
    one.perms > 0 &&
    one.perms <= PERMISSIONS.all &&
    typeof one.scheme === 'string' &&
    typeof one.id === 'string'
  if (!Array.isArray(list) || list.length === 0 || !list.every(good)) {
    throw invalid('acl is "creator", "open", or a list of { perms (1 to 31), scheme, id }.')
  }
  return list
}

/** A path as ZooKeeper allows it; '' for its root. @throws LockError `LOCK_INVALID` */
export function checkNodePath(what: string, path: unknown): string {
  if (path === '/' || path === '') return ''
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what ZooKeeper refuses.
  const forbidden = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/
  const good = typeof path === 'string' && /^(?:\/[^/]+)+$/.test(path) && !forbidden.test(path) && !/\/\.\.?(?:\/|$)/.test(path)
  if (!good) throw invalid(`${what} is a path of ZooKeeper's, such as "/holdfast", not ${JSON.stringify(path)}.`)
  return path as string
}
