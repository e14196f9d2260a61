// SPDX-License-Identifier: MIT
// The place in a redis: or rediss: URL.
//
//     "//" [ [ USER ] [ ":" PASSWORD ] "@" ] [ HOST [ ":" PORT ] ] [ "/" DB ]     a server; HOST may be [IPv6], default localhost:6379
//     "/" PATH                                                                      a socket of this machine
//
// Parameters: space, prefix, prefer, lease (`1500ms`, `10s`, `2m`), db.
import type { Preference } from '../core/backend.ts'
import { bad, decoded, duration, parameters, preference, quoted } from './url-syntax.ts'

/** `redis://host` is a server, `rediss://host` one that is reached by TLS, `redis:/run/redis.sock` a socket of this machine. */
export interface RedisUrl {
  readonly scheme: 'redis' | 'rediss'
  readonly host?: string
  readonly port?: number
  readonly path?: string
  readonly username?: string
  readonly password?: string
  readonly db?: number
  readonly space?: string
  readonly prefix?: string
  readonly prefer?: Preference
  /** Milliseconds. */
  readonly lease?: number
}

const PARAMETERS = ['space', 'prefix', 'prefer', 'lease', 'db'] as const

export function parseRedisUrl(scheme: 'redis' | 'rediss', place: string, query: string | undefined, url: string): RedisUrl {
  const given = query === undefined ? new Map<string, string>() : parameters(query, PARAMETERS, url)
  const where = place.startsWith('//') ? server(place.slice(2), url) : socket(scheme, place, url)
  const db = given.get('db')
  if (db !== undefined && where.db !== undefined) throw bad(`${quoted(url)} gives the database twice.`)
  return { scheme, ...where, ...(db !== undefined && { db: database(db, url) }), ...space(given, url) }
}

function server(text: string, url: string): Omit<RedisUrl, 'scheme'> {
  // A password may hold an "@" that was not written %40, never a "/".
  const slash = text.indexOf('/')
  const authority = slash === -1 ? text : text.slice(0, slash)
  const at = authority.lastIndexOf('@')
  const path = slash === -1 ? '' : text.slice(slash + 1)
  return {
    ...address(authority.slice(at + 1), url),
    ...(at !== -1 && login(authority.slice(0, at), url)),
    ...(path !== '' && { db: database(path, url) }),
  }
}

function address(text: string, url: string): Pick<RedisUrl, 'host' | 'port'> {
  if (text === '') return {}
  const [, six, name, port] = /^(?:\[([0-9a-f:.%]+)\]|([^:[\]]+))?(?::(\d*))?$/i.exec(text) ?? []
  const host = six ?? name
  if (host === undefined)
    throw bad(`${quoted(url)}: after "//" come a host and, if it is not 6379, ":" and a port; an IPv6 address is written [::1].`)
  if (port === undefined || port === '') return { host: decoded(host, url) }
  const number = Number(port)
  if (number < 1 || number > 65_535) throw bad(`${quoted(url)}: ${port} is no port; there are 1 to 65535.`)
  return { host: decoded(host, url), port: number }
}

function login(text: string, url: string): Pick<RedisUrl, 'username' | 'password'> {
  const colon = text.indexOf(':')
  const username = decoded(colon === -1 ? text : text.slice(0, colon), url)
  const password = colon === -1 ? '' : decoded(text.slice(colon + 1), url)
  if (username !== '' && password === '') throw bad(`${quoted(url)} names a user without a password; write redis://USER:PASSWORD@HOST.`)
  return { ...(username !== '' && { username }), ...(password !== '' && { password }) }
}

function socket(scheme: 'redis' | 'rediss', place: string, url: string): Omit<RedisUrl, 'scheme'> {
  if (place === '') return {}
  if (!place.startsWith('/')) throw bad(`${quoted(url)}: did you mean ${scheme}://${place.replace(/^[^@]*@/, '…@')}?`)
  if (scheme === 'rediss') throw bad(`${quoted(url)}: a socket of this machine needs no TLS; write redis: with one "s".`)
  return { path: decoded(place, url) }
}

function database(text: string, url: string): number {
  if (!/^\d{1,5}$/.test(text)) throw bad(`${quoted(url)}: a database is a number, such as redis://localhost/2.`)
  return Number(text)
}

function space(given: ReadonlyMap<string, string>, url: string): Pick<RedisUrl, 'space' | 'prefix' | 'prefer' | 'lease'> {
  const prefer = given.get('prefer')
  const lease = given.get('lease')
  const name = given.get('space')
  const prefix = given.get('prefix')
  for (const word of [name, prefix]) {
    if (word !== undefined && /[{}]/.test(word)) throw bad(`${quoted(url)}: space and prefix hold no "{" or "}".`)
  }
  return {
    ...(name !== undefined && { space: name }),
    ...(prefix !== undefined && { prefix }),
    ...(prefer !== undefined && { prefer: preference(prefer, url) }),
    ...(lease !== undefined && { lease: duration(lease, url) }),
  }
}
