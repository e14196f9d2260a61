// SPDX-License-Identifier: MIT
// What ranks say to each other about one lock space. A message is a row of sentences; a sentence is a word and what belongs to it. Whatever a rank
// asks of the home has a number (its seat), which is free again when the lease was given back or the one answer has come: GRANT, BUSY or GONE.
import { Claims } from '../../core/claims.ts'
import { invalid } from '../../core/errors.ts'
import { MODES } from '../../core/mode.ts'
import { Garbled, type Reader, type Writer } from './encoding.ts'

/** Changes with every change of what follows. */
export const VERSION = 1

// To rank 0, with which everybody's options are compared.
/** VERSION, the size of the group, options as text. */
export const HELLO = 1
// To the home.
/** Owner as JSON. */
export const JOIN = 2
/** Seat, claims, name: wants them, and waits. */
export const ACQUIRE = 3
/** Seat, claims, name: wants them now or not at all. */
export const TRY = 4
/** Seat: gives the lease back. */
export const RELEASE = 5
/** Seat: goes on reading only. */
export const WEAKEN = 6
/** Seat: wants it no more, waiting or, if the grant is on its way, granted. */
export const WITHDRAW = 7
/** Number of the question, 1 if it is quick. */
export const INSPECT = 8
/** Number of the call: whatever was said before has been said. */
export const PRESENT = 9
/** To both: nothing more comes from here. */
export const BYE = 10

// From rank 0.
export const WELCOME = 32
/** Why. Also from a rank that is not the home. */
export const REFUSED = 33
// From the home.
/** Seat, token. */
export const GRANT = 34
/** Seat: somebody is in the way of a TRY. */
export const BUSY = 35
/** Seat: was withdrawn while it waited. */
export const GONE = 36
/** Number of the question, what was seen as JSON. */
export const SEEN = 37
/** Number of the call, to be answered with PRESENT. */
export const CALL = 38

/**
 * Claims that are asked for again are said in a number or two: both ends remember those that were said last, in numbered places. The first number
 * is twice the place, and one more if what follows is new in it.
 */
export const PLACES = 1024

export function writeClaims(writer: Writer, { list }: Claims): void {
  let before = ''
  writer.number(list.length)
  for (const { key, mode } of list) {
    const shared = sharedLength(before, key)
    writer.byte(MODES.indexOf(mode))
    writer.number(shared)
    writer.text(key.slice(shared))
    before = key
  }
}

/** @throws LockError `LOCK_INVALID` for a key that no encoding can carry. */
export function checkKeys({ list }: Claims): void {
  for (const { key } of list) if (/\p{Surrogate}/u.test(key)) throw invalid(`The key ${JSON.stringify(key)} holds half a character.`)
}

export function readClaims(reader: Reader): Claims {
  const count = reader.number()
  if (count === 0) throw new Garbled('claims are empty')
  const list = []
  const read: string[] = []
  const write: string[] = []
  let before: string | null = null
  for (let i = 0; i < count; i++) {
    const mode = MODES[reader.byte()]
    const shared = reader.number()
    const key: string = (before ?? '').slice(0, shared) + reader.text()
    if (mode === undefined || (before !== null && key <= before)) throw new Garbled('claims are out of order')
    list.push({ key, mode })
    if (mode === 'X') write.push(key)
    else if (mode === 'S' || mode === 'SIX') read.push(key)
    before = key
  }
  return new Claims(list, read, write)
}

/** How many of their first units two keys share; what is left of the second does not begin with half a character. */
function sharedLength(a: string, b: string): number {
  let shared = 0
  while (shared < a.length && a.charCodeAt(shared) === b.charCodeAt(shared)) shared++
  return shared > 0 && isLowSurrogate(b.charCodeAt(shared)) ? shared - 1 : shared
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
