// SPDX-License-Identifier: MIT
// What a configuration file says, YAML or JSON. What is wrong is told with file, line, column and key; config.schema.json says the same to editors.
import { isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml'
import type { Preference } from '../core/backend.ts'
import { ConfigText, startOf } from './config-text.ts'
import { type EngineUrl, parseUrl, SCHEMES, type Scheme } from './url.ts'
import { duration } from './url-syntax.ts'

export type Scope = 'network' | 'host'

export interface EngineEntry {
  readonly url: EngineUrl
  /** The URL as it is written. */
  readonly text: string
  /** Milliseconds; undefined where nothing is said. */
  readonly timeoutMs: number | undefined
}

export interface Configuration {
  /** Tried in this order; at least one. */
  readonly engines: readonly EngineEntry[]
  /** `host`: all users are on this host, and share the agreement folder. */
  readonly scope: Scope
  readonly space: string | undefined
  readonly prefer: Preference | undefined
  /** The agreement folder, as written. */
  readonly agreement: string | undefined
}

export const KEYS = ['engines', 'scope', 'space', 'prefer', 'agreement'] as const
export const ENTRY_KEYS = ['url', 'timeout'] as const
export const SCOPES: readonly Scope[] = ['network', 'host']
export const PREFERENCES: readonly Preference[] = ['first-come', 'writers']
/** Says to an editor which schema the file follows, in JSON, where there are no comments. */
const SCHEMA_KEY = '$schema'
const EXAMPLES: Readonly<Record<Scheme, string>> = {
  memory: 'memory:',
  file: 'file:./locks',
  redis: 'redis://localhost',
  rediss: 'rediss://localhost',
  zookeeper: 'zookeeper://localhost/locks',
}
const SHORTEST_TIMEOUT_MS = 50
const LONGEST_TIMEOUT_MS = 60_000
const LONGEST_SPACE = 100

/**
 * @param file its path, for messages.
 * @throws LockError `CONFIG_INVALID`
 */
export function parseConfiguration(text: string, file: string): Configuration {
  return new Reader(text, file).configuration()
}

class Reader extends ConfigText {
  configuration(): Configuration {
    const contents = this.contents()
    if (!isMap(contents)) {
      throw this.wrong(
        0,
        '',
        'a configuration is a list of keys and values, beginning with engines:, such as engines: [redis://localhost, "file:"].',
      )
    }
    const given = this.keys(contents as YAMLMap<Node, Node | null>, KEYS, '', SCHEMA_KEY)
    const engines = this.engines(given.get('engines'), contents)
    const prefer = this.word(given.get('prefer'), 'prefer', PREFERENCES)
    return {
      engines,
      scope: this.word(given.get('scope'), 'scope', SCOPES) ?? 'network',
      space: this.space(given.get('space')),
      prefer: this.onePreference(prefer, engines, given.get('engines')),
      agreement: this.agreement(given.get('agreement')),
    }
  }

  private engines(node: Node | null | undefined, whole: Node): EngineEntry[] {
    if (node === undefined)
      throw this.wrong(startOf(whole), 'engines', `it is missing: a list of URLs, such as engines: [redis://localhost, "file:"].`)
    if (!isSeq<Node>(node))
      throw this.wrong(startOf(node), 'engines', 'it is a list of URLs: write each in a line of its own, with "- " before it.')
    if (node.items.length === 0) throw this.wrong(startOf(node), 'engines', 'the list is empty: name one engine at least.')
    const entries = node.items.map((item, index) => this.entry(item, `engines[${index}]`))
    const memory = entries.findIndex(({ url }) => url.scheme === 'memory')
    if (memory >= 0 && entries.length > 1) {
      throw this.wrong(
        startOf(node.items[memory]!),
        `engines[${memory}]`,
        'memory: is for the tasks of one thread, which cannot agree with others: leave it out, or make it the only one.',
      )
    }
    return entries
  }

  private entry(node: Node | null, key: string): EngineEntry {
    if (isMap(node) && bareUrl(node) === null) {
      const given = this.keys(node as YAMLMap<Node, Node | null>, ENTRY_KEYS, key)
      if (!given.has('url')) throw this.wrong(startOf(node), key, 'it has no url.')
      return { ...this.url(given.get('url')!, `${key}.url`), timeoutMs: this.timeout(given.get('timeout'), `${key}.timeout`) }
    }
    return { ...this.url(node, key), timeoutMs: undefined }
  }

  private url(node: Node | null, key: string): { readonly url: EngineUrl; readonly text: string } {
    const text = bareUrl(node) ?? this.string(node, key, 'a URL, such as redis://localhost')
    try {
      return { url: parseUrl(text), text }
    } catch (error) {
      throw this.because(error, startOf(node), key)
    }
  }

  private timeout(node: Node | null | undefined, key: string): number | undefined {
    if (node === undefined) return undefined
    const text = isScalar(node) && typeof node.value === 'number' ? String(node.value) : this.string(node, key, 'a time')
    let ms: number | undefined
    try {
      ms = duration(text, text)
    } catch {}
    if (ms === undefined || ms < SHORTEST_TIMEOUT_MS || ms > LONGEST_TIMEOUT_MS) {
      throw this.wrong(startOf(node), key, `it is a time such as 500ms or 2s, from 50ms to 1m, not ${JSON.stringify(text)}.`)
    }
    return ms
  }

  private space(node: Node | null | undefined): string | undefined {
    if (node === undefined) return undefined
    const name = this.string(node, 'space', 'a word')
    if (name === '' || name.length > LONGEST_SPACE || /[\s{}/\p{Cc}]/u.test(name) || name === '.' || name === '..') {
      throw this.wrong(startOf(node), 'space', `it is a word without spaces, "/", "{" and "}", not ${JSON.stringify(name)}.`)
    }
    return name
  }

  private agreement(node: Node | null | undefined): string | undefined {
    if (node === undefined) return undefined
    const path = this.string(node, 'agreement', 'the path of a folder')
    if (path === '') throw this.wrong(startOf(node), 'agreement', 'it is empty: name a folder, or leave it out.')
    if (path.startsWith('~')) throw this.wrong(startOf(node), 'agreement', '"~" is not expanded here: write the whole path.')
    return path
  }

  /** One for all engines: what the file says, or what their URLs do. */
  private onePreference(
    prefer: Preference | undefined,
    engines: readonly EngineEntry[],
    node: Node | null | undefined,
  ): Preference | undefined {
    let one = prefer
    for (const [index, { url }] of engines.entries()) {
      if (url.prefer !== undefined && one !== undefined && url.prefer !== one) {
        throw this.wrong(
          startOf(node ?? null),
          `engines[${index}]`,
          `its URL says prefer=${url.prefer}, and something before it prefer ${one}: all engines have one.`,
        )
      }
      one ??= url.prefer
    }
    return one
  }

  /** For keys that other files of this kind have. */
  protected override hint(key: string, above: string): string | null {
    if (above === '') return ENTRY_KEYS.some((one) => one === key) ? 'It belongs to an entry of engines.' : null
    if (key === 'type' || key === 'config') {
      return 'Here an engine is a URL, such as redis://localhost. (Files of data_base.distributed_lock are read by holdfast/isf.)'
    }
    return SCHEMES.some((scheme) => scheme === key)
      ? `An engine is one URL, in quotes or without a space in it, such as ${EXAMPLES[key as Scheme]}.`
      : null
  }
}

/** `- file:` is to YAML a key without a value. Answers the URL that it was meant to be. */
function bareUrl(node: Node | null): string | null {
  if (!isMap(node) || node.items.length !== 1) return null
  const [{ key, value }] = node.items as [(typeof node.items)[number]]
  if (!isScalar(key) || (key.value !== 'file' && key.value !== 'memory')) return null
  return value === null || (isScalar(value) && value.value === null) ? `${key.value}:` : null
}
