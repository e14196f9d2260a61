// SPDX-License-Identifier: MIT
// The place in a zookeeper: URL.
//
//     "//" [ USER ":" PASSWORD "@" ] HOST [ ":" PORT ] { "," HOST [ ":" PORT ] } [ "/" ROOT ]     HOST may be [IPv6], default port 2181
//
// User and password are those of the scheme `digest`. Parameters: prefer, lease (`1500ms`, `10s`, `2m`).
import type { Preference } from '../core/backend.ts'
import { bad, decoded, duration, parameters, preference, quoted } from './url-syntax.ts'

/** `zookeeper://zk1,zk2,zk3/apps/locks` is a space on an ensemble of three. */
export interface ZooKeeperUrl {
  readonly scheme: 'zookeeper'
  /** `host:port`, one for each server. */
  readonly hosts: readonly string[]
  /** The path below which the space lies, with a slash in front. */
  readonly root?: string
  readonly username?: string
  readonly password?: string
  readonly prefer?: Preference
  /** Milliseconds. */
  readonly lease?: number
}

const PARAMETERS = ['prefer', 'lease'] as const

export function parseZooKeeperUrl(place: string, query: string | undefined, url: string): ZooKeeperUrl {
  const given = query === undefined ? new Map<string, string>() : parameters(query, PARAMETERS, url)
  if (!place.startsWith('//')) throw bad(`${quoted(url)} names no server; write zookeeper://HOST:2181/ROOT.`)
  const text = place.slice(2)
  const slash = text.indexOf('/')
  const authority = slash === -1 ? text : text.slice(0, slash)
  const at = authority.lastIndexOf('@')
  const prefer = given.get('prefer')
  const lease = given.get('lease')
  return {
    scheme: 'zookeeper',
    hosts: authority
      .slice(at + 1)
      .split(',')
      .map((host) => checkedHost(host, url)),
    ...(slash !== -1 && slash < text.length - 1 && { root: root(text.slice(slash), url) }),
    ...(at !== -1 && login(authority.slice(0, at), url)),
    ...(prefer !== undefined && { prefer: preference(prefer, url) }),
    ...(lease !== undefined && { lease: duration(lease, url) }),
  }
}

function checkedHost(text: string, url: string): string {
  if (text === '') throw bad(`${quoted(url)} names no server, or has a comma too many; write zookeeper://HOST:2181/ROOT.`)
  const [, host, , port] = /^(\[[0-9a-f:.%]+\]|([^:[\]]+))(?::(\d+))?$/i.exec(text) ?? []
  if (host === undefined) throw bad(`${quoted(url)}: "${text}" is no host, with ":" and a port if that is not 2181; IPv6 is written [::1].`)
  const number = port === undefined ? 2181 : Number(port)
  if (number < 1 || number > 65_535) throw bad(`${quoted(url)}: ${port} is no port; there are 1 to 65535.`)
  return `${decoded(host, url)}:${number}`
}

function root(path: string, url: string): string {
  if (path.endsWith('/') || path.includes('//')) throw bad(`${quoted(url)}: the path has an empty part ("//", or a "/" at the end).`)
  return decoded(path, url)
}

function login(text: string, url: string): Pick<ZooKeeperUrl, 'username' | 'password'> {
  const colon = text.indexOf(':')
  const username = decoded(colon === -1 ? text : text.slice(0, colon), url)
  const password = colon === -1 ? '' : decoded(text.slice(colon + 1), url)
  if (username === '' || password === '') throw bad(`${quoted(url)}: a digest has two parts; write zookeeper://USER:PASSWORD@HOST.`)
  return { username, password }
}
