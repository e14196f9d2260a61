// SPDX-License-Identifier: MIT
// Looks at what comes back before anything is built on it: a client that has lost count of its answers, or something in between that answers in
// the server's place, must not be taken for a grant, nor for the end of a session.

/** A token is the server's clock in µs: sixteen digits until the year 2286. */
const TOKEN = /^\d{16}$/

/** True for what a script gives as a token. */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/** The answer of a script that answers with a list. @throws Error where it is none, which is treated as a cut connection */
export function listOf(answer: unknown): readonly unknown[] {
  if (Array.isArray(answer)) return answer
  throw foreign()
}

/** A whole number, as a client gives it or as text; NaN for what is none. */
export function wholeOf(value: unknown): number {
  return typeof value === 'number' || (typeof value === 'string' && /^-?\d+$/.test(value)) ? Number(value) : Number.NaN
}

export function foreign(): Error {
  return new Error('The client gave an answer that belongs to something else.')
}
