// SPDX-License-Identifier: MIT
// What the URLs of all engines have in common: parameters after a "?", %XX, and messages that guess what was meant.
import type { Preference } from '../core/backend.ts'
import { LockError } from '../core/errors.ts'

/** `NAME=VALUE&NAME=VALUE`, each name known and given once, each value decoded and not empty. */
export function parameters(text: string, known: readonly string[], url: string): Map<string, string> {
  const given = new Map<string, string>()
  if (text === '') throw bad(`${quoted(url)} ends with a "?"; leave it out, or write ?prefer=writers.`)
  for (const part of text.split('&')) {
    const equals = part.indexOf('=')
    const name = equals === -1 ? part : part.slice(0, equals)
    if (!known.includes(name)) throw bad(unknown('parameter', name, known, url))
    if (given.has(name)) throw bad(`${quoted(url)} gives "${name}" twice.`)
    const value = equals === -1 ? '' : decoded(part.slice(equals + 1), url)
    if (value === '') throw bad(`${quoted(url)} gives "${name}" no value.`)
    given.set(name, value)
  }
  return given
}

const PREFERENCES: readonly Preference[] = ['first-come', 'writers']

export function preference(word: string, url: string): Preference {
  if (!PREFERENCES.includes(word as Preference)) throw bad(unknown('value of "prefer"', word, PREFERENCES, url))
  return word as Preference
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 }

/** Milliseconds. */
export function duration(text: string, url: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? []
  const ms = Number(number) * UNIT_MS[unit ?? 'ms']!
  if (unit === undefined || !Number.isInteger(ms)) throw bad(`${quoted(url)}: a lease is a time such as 1500ms, 10s or 2m, not "${text}".`)
  return ms
}

export function decoded(text: string, url: string): string {
  let plain: string
  try {
    plain = decodeURIComponent(text)
  } catch (cause) {
    throw new LockError('CONFIG_INVALID', `${quoted(url)}: "%" is followed by two hexadecimal digits, and is itself written %25.`, {
      cause,
    })
  }
  if (plain.includes('\0')) throw bad(`${quoted(url)} holds a NUL character.`)
  return plain
}

export function unknown(what: string, word: string, known: readonly string[], url: string): string {
  const near = nearest(word, known)
  return `${quoted(url)}: no ${what} is called "${word}". ${near === undefined ? `There is ${listed(known)}.` : `Did you mean "${near}"?`}`
}

export function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known.map((one) => ({ one, far: distance(word, one) })).sort((a, b) => a.far - b.far)
  return best !== undefined && best.far <= Math.max(1, Math.floor(best.one.length / 3)) ? best.one : undefined
}

/** Letters to add, drop, change or swap with a neighbour to get from one word to the other. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(changed, rows[i - 1]![j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}

export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

/** A URL as it may be shown: what stands before an `@` may be a password, and one that is written wrongly may stand anywhere. */
export function quoted(url: string): string {
  const hidden = /^(file|memory):/i.test(url)
    ? url.replace(/\/\/[^/@]*@/, '//…@')
    : url.replace(/^([a-z][a-z0-9+.-]*:(?:\/\/)?|)[\s\S]*@/i, '$1…@')
  return JSON.stringify(hidden)
}

export function bad(message: string): LockError {
  return new LockError('CONFIG_INVALID', message)
}
