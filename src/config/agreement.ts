// SPDX-License-Identifier: MIT
// How the users of one configuration agree on the engine that serves, whatever servers come and go and whoever dies. They share one file for a
// lock space: a record of what was agreed, and two bytes that are locked, which the kernel unlocks when the last process that has them dies.
//
//   U, the users byte       shared: I use the engine that the record names. Exclusive: nobody uses any, and I am writing the record.
//   E, the election byte    exclusive: I am trying the entries, wait for me. A courtesy, which saves tries: nothing else depends on it.
//
// Invariant. (1) The record is written only by one who holds U exclusively. (2) An engine is asked for locks only by one who holds U shared and
// has, since it took U, read a record that names this engine: the digest of its entry, and the word that the engine itself keeps, now and whenever
// the connection was made anew (Backend.expectIdentity). (3) U is given up only when no lease, no request and no child is left, and no deadline of
// a lost lease is still to come (tenure.ts).
//
// So whoever has a valid lease holds U; as long as somebody holds U the record stays as it is; and all who hold U have read it. Two valid leases
// are therefore always on the engine that one record names. What servers are up decides which engine is elected, and never who is safe.
//
// The protocol is a script of single steps, so that a test can stop it, or let others go on, between any two of them.
import { LockError } from '../core/errors.ts'
import { type AgreementRecord, type PassedOver, sameEngine } from './agreement-record.ts'

/** An entry of the configuration, as far as the protocol knows it. */
export interface Entry {
  readonly digest: string
  readonly shown: string
}

/** What trying an entry has come to. `down`: nobody answers, or not in time. `refused`: it answers, and does not let us in. */
export type Opened =
  | { readonly state: 'open'; readonly identity: string }
  | { readonly state: 'down' | 'refused'; readonly error: LockError }

/** Who else holds U: users, or one who writes at this moment. */
export type Others = 'nobody' | 'users' | 'writer'

export type Step =
  /** Takes E without waiting: whether it was free. */
  | { readonly do: 'begin-election' }
  | { readonly do: 'end-election' }
  /** Takes U shared without waiting, or makes it shared when it was exclusive: false while somebody writes. */
  | { readonly do: 'share' }
  /** Takes U exclusively without waiting: false while anybody else has it. */
  | { readonly do: 'claim' }
  /** Gives up U. */
  | { readonly do: 'leave' }
  | { readonly do: 'others' }
  /** The record, or null if there is none that can be relied on. */
  | { readonly do: 'read' }
  /** Of all the records that can be read. */
  | { readonly do: 'highest-epoch' }
  /** Writes a record, durably. Answers when it is on the disk. */
  | { readonly do: 'write'; readonly record: AgreementRecord }
  /** Whether the file is still the one that others find. */
  | { readonly do: 'is-the-file' }
  /** Opens the file anew, or makes it. */
  | { readonly do: 'reopen' }
  /** Connects to an entry, and keeps the connection, instead of one to another: an {@link Opened}. */
  | { readonly do: 'open'; readonly entry: number }
  /** Who holds U, to be named. */
  | { readonly do: 'who' }
  | { readonly do: 'pause'; readonly ms: number }
  /** Milliseconds of a clock that does not go back, and the seconds of the wall clock. */
  | { readonly do: 'look-at-clocks' }

export interface Clocks {
  readonly ms: number
  readonly wallMs: number
}

/** What the protocol ends with: U is held, the record is read, the connection to this entry is open. */
export interface Agreed {
  readonly entry: number
  readonly record: AgreementRecord
}

export type Script<Result> = Generator<Step, Result, unknown>

export interface Patience {
  /** How long another one's election is waited for before one is held beside it, in milliseconds. */
  readonly electionMs: number
  /** How long users are given to notice that their engine is not the one it was. */
  readonly strangerMs: number
}

/** Two looks of which both see the same cannot both have met somebody who takes U for a moment only. */
const LOOKS_TO_BE_SURE = 3
const LOOK_AGAIN_MS = 10
const STRANGER_LOOK_MS = 100

/**
 * Comes in: joins those who use the space, or elects.
 *
 * @throws LockError `LOCK_SPLIT` where others use what this configuration does not have; `LOCK_UNAVAILABLE` where the engine that they use cannot
 * be reached, or none can; what an engine says that refuses.
 */
export function* enter(entries: readonly Entry[], by: string, patience: Patience): Script<Agreed> {
  const began = (yield { do: 'look-at-clocks' }) as Clocks
  for (let round = 0; ; round++) {
    if (!((yield { do: 'is-the-file' }) as boolean)) yield { do: 'reopen' }
    const others = (yield { do: 'others' }) as Others
    const { ms } = (yield { do: 'look-at-clocks' }) as Clocks
    const waited = ms - began.ms
    let agreed: Agreed | null = null
    if (others === 'users') agreed = yield* join(entries, patience)
    else if (others === 'nobody') agreed = yield* elect(entries, by, waited > patience.electionMs)
    else if (waited > patience.electionMs) throw stuck(waited, (yield { do: 'who' }) as readonly string[])
    if (agreed !== null) return agreed
    yield { do: 'pause', ms: Math.min(LOOK_AGAIN_MS * (1 + round), 50) }
  }
}

/**
 * Comes in again after leaving, with a connection that was kept: without a word to anybody, if the record still names its engine. Null if not.
 */
export function* comeBack(known: AgreementRecord): Script<AgreementRecord | null> {
  if (!((yield { do: 'share' }) as boolean)) return null
  let back: AgreementRecord | null = null
  try {
    if (!((yield { do: 'is-the-file' }) as boolean)) return null
    const record = (yield { do: 'read' }) as AgreementRecord | null
    if (record !== null && sameEngine(record, known)) back = record
    return back
  } finally {
    if (back === null) yield { do: 'leave' }
  }
}

/** Somebody uses the space: this engine or none. Null where things have changed meanwhile. */
function* join(entries: readonly Entry[], patience: Patience): Script<Agreed | null> {
  const record = (yield { do: 'read' }) as AgreementRecord | null
  const entry = record === null ? -1 : entries.findIndex(({ digest }) => digest === record.digest)
  if (record === null || entry < 0) {
    if (!(yield* isSettled(record, LOOKS_TO_BE_SURE))) return null
    throw split(record, entries, (yield { do: 'who' }) as readonly string[])
  }
  const since = (yield { do: 'look-at-clocks' }) as Clocks
  for (;;) {
    const opened = (yield { do: 'open', entry }) as Opened
    if (opened.state === 'open' && opened.identity === record.identity) break
    if (!(yield* isSettled(record, 1))) return null
    if (opened.state === 'refused') throw opened.error
    if (opened.state === 'down') throw unreachable(record, opened.error, (yield { do: 'who' }) as readonly string[])
    // Another engine answers under this address, or it has lost its data and its users have not noticed yet.
    const { ms } = (yield { do: 'look-at-clocks' }) as Clocks
    if (ms - since.ms > patience.strangerMs) throw stranger(record, (yield { do: 'who' }) as readonly string[])
    yield { do: 'pause', ms: STRANGER_LOOK_MS }
  }
  const now = yield* comeBack(record)
  return now === null ? null : { entry, record: now }
}

/** Others still use the space, by the same record. */
function* isSettled(record: AgreementRecord | null, looks: number): Script<boolean> {
  for (let look = 0; look < looks; look++) {
    if (look > 0) yield { do: 'pause', ms: LOOK_AGAIN_MS }
    if (((yield { do: 'others' }) as Others) !== 'users') return false
    const now = (yield { do: 'read' }) as AgreementRecord | null
    if (now?.epoch !== record?.epoch) return false
  }
  return true
}

/** Nobody uses the space. Null where somebody does by the time that an engine is found. */
function* elect(entries: readonly Entry[], by: string, impatient: boolean): Script<Agreed | null> {
  const invited = (yield { do: 'begin-election' }) as boolean
  if (!invited && !impatient) return null
  try {
    // Whoever held an election a moment ago may be in.
    if (((yield { do: 'others' }) as Others) !== 'nobody') return null
    const found = yield* firstThatAnswers(entries)
    if (!((yield { do: 'claim' }) as boolean)) return null
    return yield* record(entries, found, by)
  } finally {
    if (invited) yield { do: 'end-election' }
  }
}

interface Found {
  readonly entry: number
  readonly identity: string
  readonly passedOver: readonly PassedOver[]
}

function* firstThatAnswers(entries: readonly Entry[]): Script<Found> {
  const passedOver: PassedOver[] = []
  const errors: LockError[] = []
  for (const [entry, { shown }] of entries.entries()) {
    const opened = (yield { do: 'open', entry }) as Opened
    if (opened.state === 'open') return { entry, identity: opened.identity, passedOver }
    if (opened.state === 'refused') throw refused(shown, opened.error, passedOver)
    passedOver.push({ entry: shown, why: opened.error.message })
    errors.push(opened.error)
  }
  throw noneAnswers(passedOver, errors)
}

/** U is ours alone: nobody uses the space, nobody can come to use it, and the record may be written. */
function* record(entries: readonly Entry[], { entry, identity, passedOver }: Found, by: string): Script<Agreed | null> {
  let agreed: Agreed | null = null
  try {
    if ((yield { do: 'is-the-file' }) as boolean) {
      const highest = (yield { do: 'highest-epoch' }) as number
      const { wallMs } = (yield { do: 'look-at-clocks' }) as Clocks
      const { digest, shown: engine } = entries[entry]!
      const epoch = Math.max(highest + 1, Math.floor(wallMs / 1_000))
      const made: AgreementRecord = { epoch, digest, identity, engine, at: wallMs, by, passedOver }
      yield { do: 'write', record: made }
      yield { do: 'share' }
      agreed = { entry, record: made }
    }
    return agreed
  } finally {
    if (agreed === null) yield { do: 'leave' }
  }
}

const SPLIT_ADVICE =
  'Locking elsewhere would let two holders in at once. Give all users the same configuration, or, if they have nothing to do with each other, give this one a space of its own (space: NAME).'

function split(record: AgreementRecord | null, entries: readonly Entry[], who: readonly string[]): LockError {
  const used =
    record === null
      ? 'The space is in use, and what its users have agreed on cannot be read.'
      : `The space is in use on ${record.engine}, which this configuration does not have: it has ${entries.map(({ shown }) => shown).join(', ')}.`
  return new LockError('LOCK_SPLIT', `${used} ${usedBy(who)} ${SPLIT_ADVICE}`)
}

function stranger({ engine, by }: AgreementRecord, who: readonly string[]): LockError {
  return new LockError(
    'LOCK_SPLIT',
    `What answers at ${engine} is not the engine that the others use (elected by ${by}): the address leads elsewhere from here, as "localhost" does in a container, or it has lost its data. ` +
      `${usedBy(who)} ${SPLIT_ADVICE}`,
  )
}

function unreachable({ engine }: AgreementRecord, cause: LockError, who: readonly string[]): LockError {
  const message = `The space is in use on ${engine}, which does not answer here; another engine can serve when nobody uses this one any more. ${usedBy(who)} ${cause.message}`
  return new LockError('LOCK_UNAVAILABLE', message, { cause })
}

function refused(shown: string, error: LockError, passedOver: readonly PassedOver[]): LockError {
  const before = passedOver.length === 0 ? '' : ` Passed over before it: ${listed(passedOver)}`
  const message = `${error.message} As ${shown} answers, no later entry is used instead.${before}`
  return new LockError(error.code, message, { cause: error })
}

function noneAnswers(passedOver: readonly PassedOver[], errors: readonly LockError[]): LockError {
  return new LockError('LOCK_UNAVAILABLE', `No engine of the configuration answers. ${listed(passedOver)}`, {
    cause: errors.length === 1 ? errors[0] : new AggregateError(errors),
  })
}

function stuck(ms: number, who: readonly string[]): LockError {
  return new LockError(
    'LOCK_UNAVAILABLE',
    `Somebody has been writing what the users of the space agree on for ${Math.round(ms)} ms: is it stopped? ${usedBy(who)}`,
  )
}

export function listed(passedOver: readonly PassedOver[]): string {
  return passedOver.map(({ entry, why }) => `${entry}: ${why}`).join(' ')
}

function usedBy(who: readonly string[]): string {
  return who.length === 0 ? 'Its users cannot be seen from here (another user, or another container).' : `Its users: ${who.join(', ')}.`
}
