// SPDX-License-Identifier: MIT
// What the users of a lock space have agreed on, as it is written into their file: two slots, of which one has a record and the other is blank.
//
// A new record goes into the blank slot, and then the other one is made blank. So a writer that dies half-way, at whatever byte, leaves the last
// record behind, or the new one; and while the space is in use, nothing can stand there but the one record on which its users have agreed. Whoever
// finds anything else (two records, a damaged one, one of another version) knows nothing, and must not take an old record for the one that counts.
import { createHash } from 'node:crypto'
import { invalid } from '../core/errors.ts'

/** An entry of the configuration that does not serve, and the reason. */
export interface PassedOver {
  /** As it is shown: without passwords. */
  readonly entry: string
  readonly why: string
}

export interface AgreementRecord {
  /** Rises from election to election, and is not below the seconds of the wall clock: the upper part of every token. */
  readonly epoch: number
  /** Of the entry that serves: where it is, without what is said of it beside. */
  readonly digest: string
  /** The word that the engine itself keeps: see `Backend.identity`. */
  readonly identity: string
  /** The entry, to be shown. */
  readonly engine: string
  /** When it was elected, in milliseconds of the wall clock, and by whom. */
  readonly at: number
  readonly by: string
  /** The entries that were tried before it. */
  readonly passedOver: readonly PassedOver[]
}

export const SLOT_BYTES = 4096
const LAYOUT = 1
const CHECKSUM_LENGTH = 16
const LONGEST_REASON = 400
/** Space, line feed, and what a file system gives for what was never written. */
const BLANKS: readonly number[] = [0x20, 0x0a, 0]

/** What the file says. */
export interface Slots {
  /** What the users have agreed on; null where nothing can be told. */
  readonly record: AgreementRecord | null
  /** Of all that can be read, used or not; 0 for none. */
  readonly highestEpoch: number
}

/** To be on the disk before the next one begins. */
export interface SlotWrite {
  readonly at: number
  readonly bytes: Buffer
}

/** A whole slot. It is text, for people who look at it. */
export function encodeRecord(record: AgreementRecord): Buffer {
  const passedOver = record.passedOver.map(({ entry, why }) => ({ entry: cut(entry), why: cut(why) }))
  const fits = (given: AgreementRecord): string | null => {
    const json = JSON.stringify({ layout: LAYOUT, ...given })
    const line = `${checksum(json)} ${json}`
    return Buffer.byteLength(line) < SLOT_BYTES ? line : null
  }
  const line = fits({ ...record, passedOver }) ?? fits({ ...record, passedOver: [] })
  if (line === null) throw invalid(`The entry ${cut(record.engine)} is too long to be agreed on.`)
  const slot = blank()
  slot.write(line)
  return slot
}

export function decodeSlots(file: Buffer): Slots {
  const slots = [0, SLOT_BYTES].map((from) => decode(file.subarray(from, from + SLOT_BYTES)))
  const records = slots.filter((slot): slot is AgreementRecord => slot !== 'blank' && slot !== 'bad')
  const alone = records.length === 1 && slots.includes('blank')
  return { record: alone ? records[0]! : null, highestEpoch: Math.max(0, ...records.map(({ epoch }) => epoch)) }
}

/** How this record takes the place of what the file says. */
export function writesFor(file: Buffer, record: AgreementRecord): readonly SlotWrite[] {
  const [first, second] = [0, SLOT_BYTES].map((from) => epochOf(decode(file.subarray(from, from + SLOT_BYTES)))) as [number, number]
  const at = first < second ? 0 : SLOT_BYTES
  return [
    { at, bytes: encodeRecord(record) },
    { at: SLOT_BYTES - at, bytes: blank() },
  ]
}

/** The same engine, and not only the same address. */
export function sameEngine(one: AgreementRecord, other: AgreementRecord): boolean {
  return one.digest === other.digest && one.identity === other.identity
}

function decode(slot: Buffer): AgreementRecord | 'blank' | 'bad' {
  let length = slot.length
  while (length > 0 && BLANKS.includes(slot[length - 1]!)) length--
  if (length === 0) return 'blank'
  const text = slot.toString('utf8', 0, length)
  const json = text.slice(CHECKSUM_LENGTH + 1)
  if (text.slice(0, CHECKSUM_LENGTH + 1) !== `${checksum(json)} `) return 'bad'
  try {
    const { layout, ...record } = JSON.parse(json) as AgreementRecord & { readonly layout: number }
    return layout === LAYOUT && Number.isSafeInteger(record.epoch) ? record : 'bad'
  } catch {
    return 'bad'
  }
}

/** What cannot be read is written over first. */
function epochOf(slot: AgreementRecord | 'blank' | 'bad'): number {
  return slot === 'blank' || slot === 'bad' ? 0 : slot.epoch
}

function blank(): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES, ' ')
  slot.write('\n', SLOT_BYTES - 1)
  return slot
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, CHECKSUM_LENGTH)
}

function cut(text: string): string {
  return text.length > LONGEST_REASON ? `${text.slice(0, LONGEST_REASON - 1)}…` : text
}
