// SPDX-License-Identifier: MIT
// Half-precision floats (IEEE 754 binary16), to and from their 16 bits: 1 sign, 5 exponent, 10 fraction.

/** 2 to the power of n - 64. */
const POWERS = Float64Array.from({ length: 128 }, (_, n) => 2 ** (n - 64))
const scratch = new Float64Array(1)
const words = new Uint32Array(scratch.buffer)

/** The nearest half, ties to even; infinity from 65520 on, as in NumPy. */
export function toHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  scratch[0] = value
  const high = words[1]!
  const sign = (high >>> 16) & 0x8000
  const size = Math.abs(value)
  if (size >= 65520) return sign | 0x7c00
  if (size < 2 ** -14) return sign | nearest(size * 2 ** 24)
  const exponent = ((high >>> 20) & 0x7ff) - 1023
  // Rounding up to the next power of two carries into the exponent by itself.
  return sign | (((exponent + 14) << 10) + nearest(size * POWERS[10 - exponent + 64]!))
}

export function fromHalf(bits: number): number {
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  const size =
    exponent === 0x1f
      ? fraction === 0
        ? Number.POSITIVE_INFINITY
        : Number.NaN
      : exponent === 0
        ? fraction * 2 ** -24
        : (fraction + 1024) * POWERS[exponent - 25 + 64]!
  return bits & 0x8000 ? -size : size
}

/** The nearest integer, ties to even: a double of this size has no fraction bits, so the processor rounds. */
function nearest(value: number): number {
  return value + 2 ** 52 - 2 ** 52
}
