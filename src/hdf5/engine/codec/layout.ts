// SPDX-License-Identifier: MIT
// How elements of each type lie in memory, and which type a layout is.

import { Hdf5Error } from '../../errors.ts'
import type { Dtype, IntegerType, NumberType } from '../../values/dtype.ts'
import { isNumberType, NUMBERS } from '../../values/number-types.ts'
import type { Layout } from '../codec.ts'

const BOOL: Layout = {
  kind: 'enum',
  size: 1,
  signed: true,
  base: { kind: 'integer', size: 1, signed: true },
  members: { FALSE: 0, TRUE: 1 },
}

/** How elements of this type lie in memory; compounds are packed. */
export function layoutOf(dtype: Dtype, pointerSize: 4 | 8): Layout {
  if (dtype === 'bool') return BOOL
  if (dtype === 'string') return { kind: 'string', size: pointerSize, variable: true, charset: 'utf-8', padding: 'terminated' }
  if (typeof dtype === 'string') return numberLayout(dtype)
  switch (dtype.type) {
    case 'number':
      return { ...numberLayout(dtype.number), bigEndian: true }
    case 'string': {
      const { length, charset } = dtype
      if (length === null) return { kind: 'string', size: pointerSize, variable: true, charset, padding: 'terminated' }
      return { kind: 'string', size: length, variable: false, charset, padding: 'nul' }
    }
    case 'enum': {
      const base = numberLayout(dtype.base)
      return { kind: 'enum', size: base.size, signed: base.signed!, base, members: dtype.members }
    }
    case 'compound': {
      let size = 0
      const fields = dtype.fields.map((field) => {
        const layout = layoutOf(field.dtype, pointerSize)
        const offset = size
        size += layout.size
        return { name: field.name, offset, layout }
      })
      return { kind: 'compound', size, fields }
    }
    case 'array': {
      const base = layoutOf(dtype.base, pointerSize)
      return { kind: 'array', size: dtype.shape.reduce((size, length) => size * length, base.size), base, shape: dtype.shape }
    }
    case 'vlen':
      return { kind: 'vlen', size: 2 * pointerSize, base: layoutOf(dtype.base, pointerSize) }
    case 'opaque':
      return { kind: 'opaque', size: dtype.size }
    case 'reference':
      return { kind: 'reference', size: dtype.to === 'object' ? 8 : 12, to: dtype.to }
  }
}

/**
 * What users are told that the elements are.
 *
 * @throws Hdf5Error `HDF5_UNSUPPORTED` for numbers of a width that JavaScript has no array for
 */
export function dtypeOf(layout: Layout): Dtype {
  switch (layout.kind) {
    case 'integer':
    case 'float':
    case 'bitfield': {
      const number = numberOf(layout)
      return layout.bigEndian === true && layout.size > 1 ? { type: 'number', number, order: 'big' } : number
    }
    case 'string': {
      const charset = layout.charset ?? 'ascii'
      if (layout.variable === true) return charset === 'utf-8' ? 'string' : { type: 'string', length: null, charset }
      return { type: 'string', length: layout.size, charset }
    }
    case 'enum':
      if (isBool(layout)) return 'bool'
      return { type: 'enum', base: numberOf(layout.base!) as IntegerType, members: layout.members! }
    case 'compound':
      return { type: 'compound', fields: layout.fields!.map((field) => ({ name: field.name, dtype: dtypeOf(field.layout) })) }
    case 'array':
      return { type: 'array', base: dtypeOf(layout.base!), shape: layout.shape! }
    case 'vlen':
      return { type: 'vlen', base: dtypeOf(layout.base!) }
    case 'opaque':
      return { type: 'opaque', size: layout.size }
    case 'reference':
      return { type: 'reference', to: layout.to! }
  }
}

/** The type of the numbers of this layout. @throws Hdf5Error `HDF5_UNSUPPORTED` */
export function numberOf(layout: Layout): NumberType {
  const word = `${layout.kind === 'float' ? 'float' : layout.kind === 'integer' && layout.signed === true ? 'int' : 'uint'}${8 * layout.size}`
  if (!isNumberType(word)) {
    const what = layout.kind === 'float' ? 'Floating-point numbers' : 'Integers'
    throw new Hdf5Error('HDF5_UNSUPPORTED', `${what} of ${8 * layout.size} bits are not supported.`)
  }
  return word
}

/** True for what h5py makes of `bool`: one byte that is FALSE or TRUE. */
export function isBool(layout: Layout): boolean {
  const { kind, size, members } = layout
  return kind === 'enum' && size === 1 && members!.FALSE === 0 && members!.TRUE === 1 && Object.keys(members!).length === 2
}

/** True when elements hold pointers into the memory. */
export function hasPointers(layout: Layout): boolean {
  if (layout.kind === 'vlen' || layout.variable === true) return true
  if (layout.kind === 'array') return hasPointers(layout.base!)
  return layout.kind === 'compound' && layout.fields!.some((field) => hasPointers(field.layout))
}

function numberLayout(word: NumberType): Layout {
  const { size } = NUMBERS[word]
  return word.startsWith('float') ? { kind: 'float', size } : { kind: 'integer', size, signed: word.startsWith('int') }
}
