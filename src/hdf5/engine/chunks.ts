// SPDX-License-Identifier: MIT
// Guesses the shape of chunks where the caller does not say it: about 16 KiB for small datasets, up to 1 MiB for large ones.

const KiB = 1024
const LEAST_BYTES = 8 * KiB
const MOST_BYTES = 1024 * KiB
const USUAL_BYTES = 16 * KiB
/** What an axis without limit, which has no length yet, is expected to grow to. */
const LENGTH_TO_COME = 1024

/**
 * A chunk that keeps the proportions of the dataset: its axes are halved in turn until it is small enough. The more data, the larger the
 * chunks, by a factor of two for each factor of ten.
 */
export function guessChunks(shape: readonly number[], maxShape: readonly (number | null)[] | null, elementBytes: number): number[] {
  const chunk = shape.map((length, axis) => {
    const limit = maxShape === null ? length : maxShape[axis]
    return length > 0 ? length : Math.max(1, Math.min(limit ?? LENGTH_TO_COME, LENGTH_TO_COME))
  })
  const bytes = (): number => chunk.reduce((size, length) => size * length, elementBytes)
  const decades = Math.log10(bytes() / MOST_BYTES)
  const target = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, USUAL_BYTES * 2 ** decades))
  for (let axis = 0; bytes() > 1.5 * target && chunk.some((length) => length > 1); axis = (axis + 1) % chunk.length) {
    chunk[axis] = Math.ceil(chunk[axis]! / 2)
  }
  return chunk
}
