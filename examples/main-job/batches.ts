// SPDX-License-Identifier: MIT
// What is appended: batches of rows whose every value follows from who appended it and as which, so that each can be judged at any time
// without having been remembered.

export const ROWS_IN_BATCH = 8
export const COLUMNS = 64
export const VALUES_IN_BATCH: number = ROWS_IN_BATCH * COLUMNS

/** One append: the number of its writer, and which of this writer's it is, from 1. */
export interface Batch {
  readonly writer: number
  readonly sequence: number
}

/** Each row begins with the writer, the sequence and its place in the batch; then come whole numbers, which float64 adds up exactly. */
export function valuesOf({ writer, sequence }: Batch): Float64Array {
  const values = new Float64Array(VALUES_IN_BATCH)
  for (let row = 0; row < ROWS_IN_BATCH; row++) {
    const own = values.subarray(row * COLUMNS, (row + 1) * COLUMNS)
    own.set([writer, sequence, row])
    for (let column = 3; column < COLUMNS; column++) own[column] = noise(writer, sequence, row * COLUMNS + column)
  }
  return values
}

export function sumOf(values: Float64Array): bigint {
  return BigInt(values.reduce((sum, value) => sum + value, 0))
}

/** Which batch these rows are; null when a single value is not as it was appended. */
export function batchIn(values: Float64Array): Batch | null {
  const [writer = 0, sequence = 0] = values
  if (values.length !== VALUES_IN_BATCH || !Number.isSafeInteger(writer) || !Number.isSafeInteger(sequence)) return null
  const batch = { writer, sequence }
  return valuesOf(batch).every((value, at) => value === values[at]) ? batch : null
}

/** Rows as batches, in their order. */
export function batchesIn(rows: Float64Array): readonly (Batch | null)[] {
  return Array.from({ length: Math.ceil(rows.length / VALUES_IN_BATCH) }, (_, at) =>
    batchIn(rows.subarray(at * VALUES_IN_BATCH, (at + 1) * VALUES_IN_BATCH)),
  )
}

/** 20 bits that look random, and hardly compress. */
function noise(writer: number, sequence: number, place: number): number {
  let bits = Math.imul(writer, 0x9e3779b1) ^ Math.imul(sequence, 0x85ebca77) ^ Math.imul(place, 0xc2b2ae3d)
  bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d)
  bits = Math.imul(bits ^ (bits >>> 12), 0x297a2d39)
  return (bits ^ (bits >>> 15)) >>> 12
}
