// SPDX-License-Identifier: MIT
// What the users of a lock space have agreed on, as it is written into their file: two slots, of which the younger good one counts. A new
// record goes into the slot of the older one, so a writer that dies half-way leaves the last record as it was.
import { createHash } from 'node:crypto'

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

/** The slot that a record goes into. */
export function slotOf(epoch: number): number {
  return epoch % 2
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
  if (line === null) throw new Error('The name of an engine is too long to be recorded.')
  const slot = Buffer.alloc(SLOT_BYTES, ' ')
  slot.write(line)
  slot.write('\n', SLOT_BYTES - 1)
  return slot
}

/** The younger of the good records; null where there is none. */
export function decodeSlots(slots: Buffer): AgreementRecord | null {
  const [one, other] = [0, SLOT_BYTES].map((from) => decode(slots.subarray(from, from + SLOT_BYTES).toString()))
  if (one === undefined || one === null) return other ?? null
  return other === undefined || other === null || one.epoch > other.epoch ? one : other
}

/** The same engine, and not only the same address. */
export function sameEngine(one: AgreementRecord, other: AgreementRecord): boolean {
  return one.digest === other.digest && one.identity === other.identity
}

function decode(slot: string): AgreementRecord | null {
  const json = slot.trimEnd().slice(CHECKSUM_LENGTH + 1)
  if (json === '' || slot.slice(0, CHECKSUM_LENGTH) !== checksum(json)) return null
  try {
    const { layout, ...record } = JSON.parse(json) as AgreementRecord & { readonly layout: number }
    return layout === LAYOUT && Number.isSafeInteger(record.epoch) ? record : null
  } catch {
    return null
  }
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, CHECKSUM_LENGTH)
}

function cut(text: string): string {
  return text.length > LONGEST_REASON ? `${text.slice(0, LONGEST_REASON - 1)}…` : text
}
