// SPDX-License-Identifier: MIT
// From JavaScript to the bytes of elements as an HDF5 library takes them. Every value is checked on the way.
import { Hdf5Error } from '../../errors.ts'
import type { Reference, Row, TypedArray } from '../../values/nd-array.ts'
import { located, shown, type Where } from '../../where.ts'
import type { Layout, Memory } from '../codec.ts'
import { axesOf, descend, innermost, isTyped } from '../nested.ts'
import { isBool, numberOf } from './layout.ts'
import { toNumber, toNumbers } from './numbers.ts'
import { textBytes } from './strings.ts'

/**
 * One element after the other, ready to be written; those of an array type are given flat. What needs no conversion is not copied: the
 * answer may be a view of `elements`.
 *
 * @throws Hdf5Error `HDF5_TYPE`, `HDF5_RANGE`; names the first element that cannot be stored
 */
export function encode(elements: ArrayLike<unknown>, layout: Layout, memory: Memory, where?: Where): Uint8Array {
  const single = innermost(layout)
  let at = 0
  try {
    if (isNumeric(single)) {
      return numericBytes(elements, single, (index) => {
        at = index
      })
    }
    const bytes = new Uint8Array(elements.length * single.size)
    const pool = new Pool(bytes, memory)
    const write = writerOf(single, pool)
    for (; at < elements.length; at++) write(elements[at], at * single.size)
    pool.store()
    return bytes
  } catch (error) {
    throw located(error, where, elements.length > 1 ? `element ${at}: ` : '')
  }
}

type Write = (value: unknown, at: number) => void

/** The bytes that pointers in the elements will point to: stored all at once, when they are complete. */
class Pool {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly memory: Memory
  private readonly pieces: { readonly bytes: Uint8Array; readonly pointerAt: number; readonly offset: number }[] = []
  private size = 0

  constructor(bytes: Uint8Array, memory: Memory) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.memory = memory
  }

  /** @param align a number of bytes, a power of two, at a multiple of which they have to lie */
  point(pointerAt: number, bytes: Uint8Array, align: number): void {
    const offset = (this.size + align - 1) & -align
    this.pieces.push({ bytes, pointerAt, offset })
    this.size = offset + bytes.length
    if (this.size > 2 ** 30) throw new Hdf5Error('HDF5_TOO_LARGE', 'more than 1 GiB of strings and lists cannot be written at once')
  }

  store(): void {
    if (this.pieces.length === 0) return
    const all = new Uint8Array(this.size)
    for (const { bytes, offset } of this.pieces) all.set(bytes, offset)
    const base = this.memory.store(all)
    for (const { pointerAt, offset } of this.pieces) this.setWord(pointerAt, base + offset)
  }

  /** A pointer or a length, as wide as a pointer. */
  setWord(at: number, value: number): void {
    if (this.memory.pointerSize === 4) this.view.setUint32(at, value, true)
    else this.view.setBigUint64(at, BigInt(value), true)
  }
}

function isNumeric(layout: Layout): boolean {
  return layout.kind === 'integer' || layout.kind === 'float' || layout.kind === 'bitfield' || layout.kind === 'enum'
}

function numericBytes(elements: ArrayLike<unknown>, layout: Layout, failedAt: (index: number) => void): Uint8Array {
  let numbers: TypedArray
  if (layout.kind === 'enum') {
    const values = isTyped(elements) && !isBool(layout) ? elements : enumValues(elements, layout, failedAt)
    numbers = toNumbers(values, numberOf(layout.base!), failedAt)
  } else {
    numbers = toNumbers(elements, numberOf(layout), failedAt)
  }
  const bytes = new Uint8Array(numbers.buffer as ArrayBuffer, numbers.byteOffset, numbers.byteLength)
  return isSwapped(layout) ? reversed(bytes, layout.size) : bytes
}

function enumValues(elements: ArrayLike<unknown>, layout: Layout, failedAt: (index: number) => void): ArrayLike<unknown> {
  const values = new Array<unknown>(elements.length)
  for (let index = 0; index < values.length; index++) {
    failedAt(index)
    values[index] = enumValue(elements[index], layout)
  }
  return values
}

/** A name stands for its value. Values that have no name can be stored, as in h5py, except in a bool. */
function enumValue(value: unknown, layout: Layout): unknown {
  if (isBool(layout)) {
    if (typeof value === 'boolean') return value
    if (typeof value === 'number' || typeof value === 'bigint') {
      if (Number(value) === 0 || Number(value) === 1) return value
      throw new Hdf5Error('HDF5_RANGE', `${shown(value)} is no bool`)
    }
    throw new Hdf5Error('HDF5_TYPE', `${shown(value)} is no bool`)
  }
  if (typeof value !== 'string') return value
  const members = layout.members!
  if (Object.hasOwn(members, value)) return members[value]
  throw new Hdf5Error(
    'HDF5_TYPE',
    `${shown(value)} is no member of the enum; its members are ${Object.keys(members).slice(0, 10).join(', ')}`,
  )
}

function writerOf(layout: Layout, pool: Pool): Write {
  switch (layout.kind) {
    case 'integer':
    case 'float':
    case 'bitfield':
    case 'enum':
      return numberWriter(layout, pool)
    case 'string':
      if (layout.variable === true) return (value, at) => pool.point(at, terminated(textBytes(value, layout)), 1)
      return (value, at) => {
        const bytes = textBytes(value, layout)
        pool.bytes.fill(layout.padding === 'space' ? 0x20 : 0, at, at + layout.size)
        pool.bytes.set(bytes, at)
      }
    case 'compound':
      return rowWriter(layout, pool)
    case 'array': {
      const single = innermost(layout)
      const axes = axesOf(layout)
      const write = writerOf(single, pool)
      return (value, at) => {
        const elements = descend(value, axes)
        for (let index = 0; index < elements.length; index++) write(elements[index], at + index * single.size)
      }
    }
    case 'vlen': {
      const base = layout.base!
      const axes = axesOf(base)
      return (value, at) => {
        if (!(Array.isArray(value) || isTyped(value))) throw new Hdf5Error('HDF5_TYPE', `${shown(value)} is no list`)
        const bytes = encode(descend(value, [value.length, ...axes]), base, pool.memory)
        pool.setWord(at, bytes.length / base.size)
        if (bytes.length > 0) pool.point(at + pool.memory.pointerSize, bytes, 8)
      }
    }
    case 'opaque':
      return (value, at) => {
        if (!(value instanceof Uint8Array)) throw new Hdf5Error('HDF5_TYPE', `${shown(value)} is no Uint8Array, as an opaque element is`)
        if (value.length !== layout.size) {
          throw new Hdf5Error('HDF5_RANGE', `${value.length} bytes are no opaque element, which has ${layout.size}`)
        }
        pool.bytes.set(value, at)
      }
    case 'reference':
      return (value, at) => {
        const reference = value as Partial<Reference> | null
        if (typeof reference !== 'object' || reference?.type !== 'reference' || !(reference.bytes instanceof Uint8Array)) {
          throw new Hdf5Error('HDF5_TYPE', `${shown(value)} is no reference`)
        }
        if (reference.to !== layout.to || reference.bytes.length !== layout.size) {
          throw new Hdf5Error('HDF5_TYPE', `a reference to ${article(reference.to)} is no reference to ${article(layout.to)}`)
        }
        pool.bytes.set(reference.bytes, at)
      }
  }
}

function rowWriter(layout: Layout, pool: Pool): Write {
  const fields = layout.fields!.map(({ name, offset, layout: member }) => ({ name, offset, write: writerOf(member, pool) }))
  const names = new Set(fields.map((field) => field.name))
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
      throw new Hdf5Error('HDF5_TYPE', `${shown(value)} is no record with the members ${[...names].slice(0, 10).join(', ')}`)
    }
    for (const { name, offset, write } of fields) {
      if (!Object.hasOwn(value, name)) throw new Hdf5Error('HDF5_TYPE', `the record has no member ${shown(name)}`)
      try {
        write((value as Row)[name], at + offset)
      } catch (error) {
        throw located(error, undefined, `member ${name}: `)
      }
    }
    for (const name of Object.keys(value)) {
      if (!names.has(name))
        throw new Hdf5Error('HDF5_TYPE', `the type has no member ${shown(name)}; its members are ${[...names].slice(0, 10).join(', ')}`)
    }
  }
}

function numberWriter(layout: Layout, pool: Pool): Write {
  const isEnum = layout.kind === 'enum'
  const word = numberOf(isEnum ? layout.base! : layout)
  const set = SETTERS[word]
  const little = !isSwapped(layout)
  return (value, at) => set.call(pool.view, at, toNumber(isEnum ? enumValue(value, layout) : value, word) as never, little)
}

const view = DataView.prototype
const SETTERS = {
  int8: view.setInt8,
  int16: view.setInt16,
  int32: view.setInt32,
  int64: view.setBigInt64,
  uint8: view.setUint8,
  uint16: view.setUint16,
  uint32: view.setUint32,
  uint64: view.setBigUint64,
  float16: view.setUint16,
  float32: view.setFloat32,
  float64: view.setFloat64,
}

/** True when the numbers are big-endian in memory. */
export function isSwapped(layout: Layout): boolean {
  return layout.swapped === true || layout.base?.swapped === true
}

/** The bytes of each number turned round. */
export function reversed(bytes: Uint8Array, size: number): Uint8Array {
  const turned = new Uint8Array(bytes.length)
  for (let start = 0; start < bytes.length; start += size) {
    for (let index = 0; index < size; index++) turned[start + index] = bytes[start + size - 1 - index]!
  }
  return turned
}

function terminated(bytes: Uint8Array): Uint8Array {
  const text = new Uint8Array(bytes.length + 1)
  text.set(bytes)
  return text
}

function article(to: unknown): string {
  return to === 'object' ? 'an object' : 'a region'
}
