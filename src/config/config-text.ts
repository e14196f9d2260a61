// SPDX-License-Identifier: MIT
// A configuration as text, YAML or JSON, from which values are taken one by one: whatever is wrong is told with file, line, column and key.
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml'
import { isLockError, LockError } from '../core/errors.ts'
import { listed, nearest, quoted } from './url-syntax.ts'

export abstract class ConfigText {
  private readonly text: string
  private readonly file: string
  private readonly located: boolean
  private readonly lines = new LineCounter()

  /**
   * @param file its path, for messages.
   * @param located false for a text that nobody has written as it is, so that lines would mean nothing to them.
   */
  constructor(text: string, file: string, located: boolean = true) {
    this.text = text
    this.file = file
    this.located = located
  }

  /** @throws LockError `CONFIG_INVALID`, as all here do. */
  protected contents(): Node | null {
    const document = parseDocument(this.text, {
      lineCounter: this.lines,
      prettyErrors: false,
      merge: false,
      schema: 'core',
      uniqueKeys: true,
    })
    const [problem] = [...document.errors, ...document.warnings]
    if (problem !== undefined) throw this.wrong(problem.pos[0], '', sentence(problem.message))
    return document.contents
  }

  protected word<Word extends string>(node: Node | null | undefined, key: string, words: readonly Word[]): Word | undefined {
    if (node === undefined) return undefined
    const word = this.string(node, key, listed(words.map((one) => JSON.stringify(one))).replace(/ and (?=[^ ]*$)/, ' or ')) as Word
    if (words.includes(word)) return word
    throw this.wrong(startOf(node), key, `there is no ${JSON.stringify(word)}. ${guess(word, words)}`)
  }

  protected string(node: Node | null, key: string, what: string): string {
    if (isScalar(node) && typeof node.value === 'string') return node.value
    throw this.mistaken(node, key, what)
  }

  /** It is something else than it should be. */
  protected mistaken(node: Node | null, key: string, what: string): LockError {
    const found =
      node === null || (isScalar(node) && node.value === null)
        ? 'nothing'
        : isMap(node)
          ? 'keys and values'
          : isSeq(node)
            ? 'a list'
            : isScalar(node)
              ? typeof node.value === 'string'
                ? JSON.stringify(node.value)
                : String(node.value)
              : 'an alias'
    return this.wrong(startOf(node), key, `it is ${what}, not ${found}.`)
  }

  /** @param ignored a key that may stand there, and means nothing. */
  protected keys(
    map: YAMLMap<Node, Node | null>,
    known: readonly string[],
    above: string,
    ignored: string | null = null,
  ): Map<string, Node | null> {
    const given = new Map<string, Node | null>()
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : '?'
      const path = above === '' ? name : `${above}.${name}`
      if (name === ignored) continue
      if (!known.includes(name))
        throw this.wrong(startOf(key), path, `there is no such key. ${this.hint(name, above) ?? guess(name, known)}`)
      given.set(name, value)
    }
    return given
  }

  /** What is said of a key that is not known, when there is something better to say than a guess. */
  protected hint(_key: string, _above: string): string | null {
    return null
  }

  protected because(error: unknown, at: number, key: string): LockError {
    if (!isLockError(error)) throw error
    return this.wrong(at, key, error.message, error)
  }

  protected wrong(offset: number, key: string, what: string, cause?: unknown): LockError {
    const { line, col } = this.lines.linePos(offset)
    const place = this.located ? `${this.file}:${Math.max(1, line)}:${Math.max(1, col)}` : this.file
    return new LockError('CONFIG_INVALID', `${place}${key === '' ? '' : ` (${key})`}: ${what}`, cause === undefined ? {} : { cause })
  }
}

export function startOf(node: Node | null): number {
  return node?.range?.[0] ?? 0
}

function guess(word: string, known: readonly string[]): string {
  const near = nearest(word, known)
  return near === undefined ? `There is ${listed(known)}.` : `Did you mean "${near}"?`
}

/** The parser quotes what it has met, which may be half of a URL. */
function sentence(message: string): string {
  const text = quoted(message).slice(1, -1).replaceAll('\\"', '"')
  return /[.!?]$/.test(text) ? text : `${text}.`
}
