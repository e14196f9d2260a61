// SPDX-License-Identifier: MIT
// A URL names an engine and a place: `memory:`, `file:./locks?prefer=writers`, `redis://host`. They are taken apart by our own rules, as URL
// parsing would turn `./locks` into `/locks` and let misspelt parameters pass.
//
//     SCHEME ":" PLACE [ "?" NAME "=" VALUE { "&" NAME "=" VALUE } ]
//
// `%XX` stands for a byte of UTF-8 in PLACE and VALUE, so `?`, `#` and `%` in a name are written `%3F`, `%23` and `%25`; `+` is a plus.
import type { Backend, Preference } from '../core/backend.ts'
import { LockError } from '../core/errors.ts'
import { LockSpace, type LockSpaceOptions } from '../lock-space.ts'
import { openEngine } from './engine.ts'
import { parseRedisUrl, type RedisUrl } from './redis-url.ts'
import { bad, decoded, nearest, parameters, preference, quoted, unknown } from './url-syntax.ts'
import { parseZooKeeperUrl, type ZooKeeperUrl } from './zookeeper-url.ts'

/** `memory:` is a space of its own, `memory:NAME` one per name and thread. */
export interface MemoryUrl {
  readonly scheme: 'memory'
  readonly name?: string
  readonly prefer?: Preference
}

/** `file:` is the default directory, `file:./locks` relative to the working directory, `file:/abs` and `file:///abs` absolute. */
export interface FileUrl {
  readonly scheme: 'file'
  /** As written, not resolved. */
  readonly directory?: string
  readonly prefer?: Preference
}

export type EngineUrl = MemoryUrl | FileUrl | RedisUrl | ZooKeeperUrl

/** The environment variables that `connect()` looks at when it is given no URL: a URL, or the path of a configuration file. */
export const URL_VARIABLE = 'HOLDFAST_URL'
export const CONFIG_VARIABLE = 'HOLDFAST_CONFIG'
/** Kernel files in the default directory. */
export const DEFAULT_URL = 'file:'

export const SCHEMES = ['memory', 'file', 'redis', 'rediss', 'zookeeper'] as const
export type Scheme = (typeof SCHEMES)[number]
const PARAMETERS = ['prefer'] as const
const BEGINNINGS = 'it begins with "file:", "redis:", "rediss:", "zookeeper:" or "memory:"'

/**
 * A lock space on the engine that the URL names.
 *
 * ```ts
 * const locks = await connect('file:/var/lock/studies')
 * ```
 *
 * @param url `memory:`, `memory:NAME`, `file:`, `file:DIRECTORY`, `redis://USER:PASSWORD@HOST:PORT/DB` (`rediss:` by TLS), or
 * `zookeeper://USER:PASSWORD@HOST:PORT,HOST:PORT/ROOT`, with `?prefer=writers` if waiting writers go before waiting readers; Redis knows
 * `space`, `prefix`, `lease` (`10s`) and `db` beside it, ZooKeeper `lease`.
 * Without a URL the environment decides: `HOLDFAST_CONFIG`, the path of a configuration file, or `HOLDFAST_URL`; else the nearest
 * `holdfast.config.yml` in the working directory or above it; and without any of these, kernel files in the default directory (`file:`).
 * @throws LockError `CONFIG_INVALID`, saying what is wrong with the URL or the file and where; whatever the engine says otherwise.
 */
export async function connect(url?: string, options?: LockSpaceOptions): Promise<LockSpace> {
  return new LockSpace(await configured(url), options)
}

/** What decides where `connect()` goes: a URL, or a configuration file. */
export type Source = { readonly url: string; readonly said: EngineUrl } | { readonly file: string }

/** The first source that says anything decides. They are asked in this order, and none is a fallback for another that is wrong. */
export async function sourceOf(given: string | undefined): Promise<Source> {
  if (given !== undefined) return { url: given, said: parseUrl(given) }
  const { [CONFIG_VARIABLE]: named, [URL_VARIABLE]: url } = process.env
  if (named !== undefined && url !== undefined)
    throw bad(`${CONFIG_VARIABLE} and ${URL_VARIABLE} are both in the environment, and may mean two places: unset one.`)
  if (url !== undefined) return { url, said: parsedFrom(url, `The environment variable ${URL_VARIABLE}`) }
  const { nearestConfiguration } = await import('./config-file.ts')
  const file = named ?? nearestConfiguration(process.cwd())
  return file === null ? { url: DEFAULT_URL, said: parseUrl(DEFAULT_URL) } : { file }
}

async function configured(given: string | undefined): Promise<Backend> {
  const source = await sourceOf(given)
  if ('url' in source) return openEngine(source.said)
  const { openConfiguration } = await import('./configuration.ts')
  return openConfiguration(source.file)
}

function parsedFrom(url: string, source: string): EngineUrl {
  try {
    return parseUrl(url)
  } catch (error) {
    throw new LockError('CONFIG_INVALID', `${source} is wrong. ${(error as Error).message}`, { cause: error })
  }
}

/**
 * Takes a URL apart, by the rules at the top of this file. Nothing is opened or looked up.
 *
 * @throws LockError `CONFIG_INVALID`.
 */
export function parseUrl(url: string): EngineUrl {
  if (typeof url !== 'string') throw bad(`A lock URL is a string, not ${url === null ? 'null' : typeof url}.`)
  if (url === '') throw bad(`A lock URL is empty; ${BEGINNINGS}.`)
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(url) ?? []
  if (scheme === undefined || rest === undefined) throw bad(`${quoted(url)} names no engine. ${withoutScheme(url)}`)
  const engine = scheme.toLowerCase()
  if (!isScheme(engine)) throw bad(unknown('engine', engine, SCHEMES, url))
  const mark = rest.indexOf('?')
  const place = mark === -1 ? rest : rest.slice(0, mark)
  const query = mark === -1 ? undefined : rest.slice(mark + 1)
  if (place.includes('#')) throw bad(`${quoted(url)}: write %23 for a "#".`)
  if (engine === 'redis' || engine === 'rediss') return parseRedisUrl(engine, place, query, url)
  if (engine === 'zookeeper') return parseZooKeeperUrl(place, query, url)
  const prefer = query === undefined ? {} : preferenceOf(query, url)
  return engine === 'memory'
    ? { scheme: 'memory', ...memoryName(place, url), ...prefer }
    : { scheme: 'file', ...directory(place, url), ...prefer }
}

function memoryName(place: string, url: string): { name?: string } {
  if (place === '') return {}
  if (place.startsWith('/')) throw bad(`${quoted(url)}: a space in memory has a plain name, such as memory:jobs.`)
  return { name: decoded(place, url) }
}

function directory(place: string, url: string): { directory?: string } {
  if (place === '') return {}
  if (!place.startsWith('//')) {
    if (place.startsWith('~')) throw bad(`${quoted(url)}: "~" is not expanded here; write file:$HOME${place.slice(1)} in a shell.`)
    return { directory: decoded(place, url) }
  }
  const slash = place.indexOf('/', 2)
  const host = slash === -1 ? place.slice(2) : place.slice(2, slash)
  if (slash === -1 && host === '') throw bad(`${quoted(url)} names no directory; write file: for the default one, or file:/directory.`)
  if (host !== '') {
    const path = place.slice(2)
    const meant = host.startsWith('.') ? `file:${path}` : host === 'localhost' ? `file:${place.slice(slash)}` : `file:/${path}`
    throw bad(`${quoted(url)} names the host "${host}", and kernel locks live on this machine alone. Did you mean ${meant}?`)
  }
  return { directory: decoded(place.slice(2), url) }
}

function preferenceOf(text: string, url: string): { prefer?: Preference } {
  const word = parameters(text, PARAMETERS, url).get('prefer')
  return word === undefined ? {} : { prefer: preference(word, url) }
}

function isScheme(word: string): word is Scheme {
  return (SCHEMES as readonly string[]).includes(word)
}

function withoutScheme(url: string): string {
  if (/^[./]/.test(url)) return `Did you mean file:${url}?`
  const [word = ''] = /^[a-z]*/i.exec(url) ?? []
  const near = nearest(word.toLowerCase(), SCHEMES)
  return near === undefined ? `A lock URL has one: ${BEGINNINGS}.` : `Did you mean ${near}:?`
}
