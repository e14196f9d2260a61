// SPDX-License-Identifier: MIT
// A request on its way: what the scripts are told of it, and who is told of its end.
import type { Wait } from '../../core/backend.ts'
import type { Claims } from '../../core/claims.ts'
import { invalid, LockError } from '../../core/errors.ts'
import { MODES } from '../../core/mode.ts'
import type { RedisLease } from './redis-lease.ts'

/** Lua unpacks the nodes of a request on a stack of 8,000 places, two for each. */
const MOST_CLAIMS = 2_000

/** Claims in the words of the scripts. */
export interface Encoded {
  /** A digit for each claim: its place among the five modes, from 1. */
  readonly modes: string
  /** The nodes, with NUL before each. */
  readonly paths: string
  /** Where the hash keeps the nodes. */
  readonly fields: readonly string[]
}

/** @throws LockError `LOCK_INVALID` for what Redis could not tell apart, `LOCK_UNSUPPORTED` for more than one script can take. */
export function encode(claims: Claims): Encoded {
  const { list } = claims
  if (list.length > MOST_CLAIMS) {
    throw new LockError('LOCK_UNSUPPORTED', `The request needs ${list.length} nodes, and Redis locks at most ${MOST_CLAIMS} in one step.`)
  }
  let modes = ''
  let paths = ''
  const fields: string[] = []
  for (const { key, mode } of list) {
    if (key.includes('\0') || /\p{Surrogate}/u.test(key)) throw invalid(`The key ${JSON.stringify(key)} holds a NUL or half a character.`)
    modes += MODES.indexOf(mode) + 1
    paths += `\0${key}`
    fields.push(`n${key}`)
  }
  return { modes, paths, fields }
}

/** A name as the records can hold it. */
export function encodeName(name: string | undefined): string {
  return name === undefined ? '' : name.replaceAll('\0', '\ufffd')
}

/**
 * - `unsent`: to be asked when there is a session.
 * - `asked`: an answer is outstanding, or was lost with the connection.
 * - `waiting`: it has its place in the line.
 * - `granted`: or refused, if it only tried.
 * - `abandoned`: its owner was told that it failed.
 */
export type RequestState = 'unsent' | 'asked' | 'waiting' | 'granted' | 'abandoned'

const NOTHING = (): void => {}

export class Request {
  /** Within the session in which it was asked last. */
  id = ''
  state: RequestState = 'unsent'
  /** The epoch in which it was asked last. */
  epoch = ''
  /** How often the requests had been looked at when it was asked. */
  look = 0
  /** Since when the server owes an answer, by `performance.now()`; 0 where it is not late. */
  overdueSince = 0
  /** Since when it has a place in the line, by `performance.now()`. */
  inLineSince = 0
  /** It had a place in a line that is gone with its session: it waits as long as it takes. */
  hadPlace = false
  /** It was given up while its answer was outstanding, and nothing is left of it. */
  withdrawn: () => void = NOTHING
  readonly claims: Claims
  readonly encoded: Encoded
  readonly name: string | undefined
  /** Null for one that only tries. */
  readonly wait: Wait | null
  readonly resolve: (lease: RedisLease | null) => void
  readonly reject: (reason: unknown) => void
  private readonly giveUp: (request: Request, reason: unknown) => void
  private patient = false

  constructor(
    claims: Claims,
    encoded: Encoded,
    name: string | undefined,
    wait: Wait | null,
    resolve: (lease: RedisLease | null) => void,
    reject: (reason: unknown) => void,
    giveUp: (request: Request, reason: unknown) => void,
  ) {
    this.claims = claims
    this.encoded = encoded
    this.name = name
    this.wait = wait
    this.resolve = resolve
    this.reject = reject
    this.giveUp = giveUp
  }

  /** It has to wait, for others or for the server: from here on its time-out and its signal count. */
  bePatient(): void {
    if (this.patient || this.wait === null) return
    this.patient = true
    this.wait.begin((reason) => this.giveUp(this, reason))
  }

  endPatience(): void {
    if (this.patient) this.wait?.end()
  }
}
