// SPDX-License-Identifier: MIT
// Values as the program oracle.py writes them: texts that lose nothing.

import type { AttributeValue } from '../../../src/hdf5/engine/protocol.ts'
import type { Dtype } from '../../../src/hdf5/values/dtype.ts'
import type { Element, NdArray, Reference, Row } from '../../../src/hdf5/values/nd-array.ts'

export function shownAttribute({ dtype, value }: AttributeValue): unknown {
  if (value === null) return null
  return isArray(value) ? shownArray(value, dtype) : shown(value, dtype)
}

export function shownArray({ data, shape }: NdArray, dtype: Dtype): unknown {
  return { shape, data: Array.from(data as ArrayLike<Element>, (element) => shown(element, innermost(dtype))) }
}

/** With the names of objects in order. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return Object.fromEntries(entries.map(([name, one]) => [name, sorted(one)]))
}

function shown(element: Element, dtype: Dtype): unknown {
  if (typeof element === 'string') return `s${Buffer.from(element).toString('hex')}`
  if (typeof element === 'boolean') return `i${Number(element)}`
  if (typeof element === 'bigint') return `i${element}`
  if (typeof element === 'number') return shownNumber(element, dtype)
  if (typeof dtype === 'string') throw new Error(`A ${typeof element} is no ${dtype}.`)
  switch (dtype.type) {
    case 'opaque':
      // A long double has ten bytes, and six that may be anything.
      return `b${Buffer.from((element as Uint8Array).subarray(0, dtype.size === 16 ? 10 : dtype.size)).toString('hex')}`
    case 'vlen':
    case 'array':
      return flat(element).map((one) => shown(one, innermost(dtype.base)))
    case 'reference':
      return `r${(element as Reference).path ?? ''}`
    case 'compound':
      return Object.fromEntries(dtype.fields.map(({ name, dtype: own }) => [name, shown((element as Row)[name]!, own)]))
    default:
      throw new Error(`An object is no ${dtype.type}.`)
  }
}

function shownNumber(element: number, dtype: Dtype): string {
  const word = typeof dtype === 'string' ? dtype : dtype.type === 'number' ? dtype.number : dtype.type
  if (!word.startsWith('float')) return `i${element}`
  if (Number.isNaN(element)) return 'nan'
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(element)
  return `f${bytes.toString('hex')}`
}

function innermost(dtype: Dtype): Dtype {
  return typeof dtype === 'object' && dtype.type === 'array' ? innermost(dtype.base) : dtype
}

function flat(element: Element): Element[] {
  if (Array.isArray(element)) return element.flatMap(flat)
  return ArrayBuffer.isView(element) ? Array.from(element as unknown as ArrayLike<number>) : [element]
}

function isArray(value: Element | NdArray): value is NdArray {
  return typeof value === 'object' && 'stride' in value
}
