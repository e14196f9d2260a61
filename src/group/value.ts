// SPDX-License-Identifier: MIT
// Values and errors on their way from rank to rank: whatever structuredClone takes, and references to what lies outside the program.
import { deserialize, serialize } from 'node:v8'
import { invalid, LockError, type LockErrorCode } from '../core/errors.ts'
import { anythingTravels, arrive, type Reference, referenceTo } from '../travelling.ts'

/** Where, inside a value, a reference stands: the keys that lead there. */
interface Place {
  readonly path: readonly (string | number)[]
  readonly reference: Reference
}

/** @throws LockError `LOCK_INVALID` when something in it cannot be sent: a function, say. */
export function encodeValue(value: unknown): Uint8Array {
  const places: Place[] = []
  const plain = anythingTravels() ? withoutReferences(value, [], places, new Map()) : value
  try {
    return serialize([plain, places])
  } catch (error) {
    throw new LockError('LOCK_INVALID', `This value cannot be sent to the other ranks: ${messageOf(error)}`, { cause: error })
  }
}

/** @throws LockError `LOCK_INVALID` when a reference is of a kind that this program does not know; what opening it throws. */
export async function decodeValue(bytes: Uint8Array): Promise<unknown> {
  const [value, places] = deserialize(bytes) as [unknown, readonly Place[]]
  let whole = value
  for (const { path, reference } of places) {
    const arrived = arrive(reference)
    if (arrived === null)
      throw invalid(`A reference of the kind "${reference.kind}" came from another rank; import its module on this rank too.`)
    const object = await arrived
    const last = path.at(-1)
    if (last === undefined) whole = object
    else (path.slice(0, -1).reduce((inside: unknown, key) => (inside as Keyed)[key], whole) as Keyed)[last] = object
  }
  return whole
}

/** What an error is on another rank: its name, message, code and stack. */
export function encodeError(error: unknown): Uint8Array {
  const { name, message, stack, code } = error instanceof Error ? (error as Error & { code?: unknown }) : asError(error)
  return serialize([name, message, stack, typeof code === 'string' ? code : null])
}

/** An error again, that says on which rank it was thrown: `rank`. A LockError stays one. */
export function decodeError(bytes: Uint8Array, rank: number): Error {
  const [name, message, stack, code] = deserialize(bytes) as [string, string, string | undefined, string | null]
  const error =
    name === 'LockError' && code !== null ? new LockError(code as LockErrorCode, message) : Object.assign(new Error(message), { name })
  if (stack !== undefined) error.stack = `${stack}\n    on rank ${rank}`
  return Object.assign(error, { rank }, code !== null && name !== 'LockError' ? { code } : {})
}

type Keyed = Record<string | number, unknown>

/** A copy of what is plain, in which references are null; where they stood goes to `places`. */
function withoutReferences(value: unknown, path: readonly (string | number)[], places: Place[], copies: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value
  const reference = referenceTo(value)
  if (reference !== null) {
    places.push({ path, reference })
    return null
  }
  if (!isPlain(value)) return value
  const known = copies.get(value)
  if (known !== undefined) return known
  const copy: Keyed = Array.isArray(value) ? ([] as unknown as Keyed) : {}
  copies.set(value, copy)
  for (const [key, one] of Object.entries(value)) copy[key] = withoutReferences(one, [...path, key], places, copies)
  return copy
}

function isPlain(value: object): boolean {
  if (Array.isArray(value)) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function asError(thrown: unknown): Error & { code?: unknown } {
  return new Error(typeof thrown === 'string' ? thrown : messageOf(thrown))
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
