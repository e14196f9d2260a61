// SPDX-License-Identifier: MIT
// From the bytes of elements as an HDF5 library gives them to JavaScript. Nothing that is returned points into the library's memory.
import type { NumberType } from '../../values/dtype.ts'
import { type Element, sizeOf, type TypedArray } from '../../values/nd-array.ts'
import type { Layout, Memory, ResolveReference } from '../codec.ts'
import { axesOf, innermost } from '../nested.ts'
import { isSwapped, reversed } from './encode.ts'
import { fromHalf } from './half.ts'
import { isBool, numberOf } from './layout.ts'
import { ARRAYS } from './numbers.ts'
import { fixedText, textOf } from './strings.ts'

/**
 * A typed array for numbers, bools (0 and 1) and enums; a list of elements otherwise. Elements of an array type come flat: whoever calls
 * appends the type's axes to the shape.
 *
 * @param resolve finds the path of what a reference points to; without it references have none
 */
export function decode(
  bytes: Uint8Array,
  count: number,
  layout: Layout,
  memory: Memory,
  resolve?: ResolveReference,
): TypedArray | Element[] {
  const single = innermost(layout)
  const total = count * sizeOf(axesOf(layout))
  const word = wordOf(single)
  if (word !== null) {
    const used = bytes.subarray(0, total * single.size)
    const numbers = new (isBool(single) ? Uint8Array : ARRAYS[word])(total)
    new Uint8Array(numbers.buffer).set(isSwapped(single) ? reversed(used, single.size) : used)
    return word === 'float16' ? Float32Array.from(numbers as Uint16Array, fromHalf) : numbers
  }
  const elements = new Array<Element>(total)
  // Resolving a reference may make the library's memory grow, and move.
  const own = resolve !== undefined && hasReferences(single) ? Uint8Array.from(bytes) : bytes
  const read = readerOf(single, { bytes: own, view: new DataView(own.buffer, own.byteOffset, own.byteLength), memory, resolve })
  for (let index = 0; index < total; index++) elements[index] = read(index * single.size)
  return elements
}

/** One element of what {@link decode} answered, by itself: of a bool, true or false. */
export function plain(elements: TypedArray | readonly Element[], layout: Layout, index: number = 0): Element {
  const element = elements[index]!
  return isBool(innermost(layout)) ? element !== 0 : element
}

type Read = (at: number) => Element

interface Source {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly memory: Memory
  readonly resolve: ResolveReference | undefined
}

function hasReferences(layout: Layout): boolean {
  if (layout.kind === 'array') return hasReferences(layout.base!)
  return layout.kind === 'reference' || (layout.kind === 'compound' && layout.fields!.some((field) => hasReferences(field.layout)))
}

function wordOf(layout: Layout): NumberType | null {
  if (layout.kind === 'enum') return numberOf(layout.base!)
  return layout.kind === 'integer' || layout.kind === 'float' || layout.kind === 'bitfield' ? numberOf(layout) : null
}

function readerOf(layout: Layout, source: Source): Read {
  const { bytes, view, memory, resolve } = source
  const { size } = layout
  switch (layout.kind) {
    case 'integer':
    case 'float':
    case 'bitfield':
    case 'enum': {
      const word = wordOf(layout)!
      const get: (this: DataView, at: number, little: boolean) => number | bigint = GETTERS[word]
      const little = !isSwapped(layout)
      if (isBool(layout)) return (at) => bytes[at] !== 0
      if (word === 'float16') return (at) => fromHalf(view.getUint16(at, little))
      return (at) => get.call(view, at, little)
    }
    case 'string':
      if (layout.variable !== true) return (at) => fixedText(bytes.subarray(at, at + size), layout)
      return (at) => {
        const address = wordAt(source, at)
        return address === 0 ? '' : textOf(memory.text(address), layout)
      }
    case 'compound':
      return rowReader(layout, source)
    case 'array': {
      const axes = axesOf(layout)
      return (at) => nested(decode(bytes.subarray(at, at + size), 1, layout, memory, resolve), axes)
    }
    case 'vlen': {
      const base = layout.base!
      const axes = axesOf(base)
      return (at) => {
        const length = wordAt(source, at)
        const address = wordAt(source, at + memory.pointerSize)
        const elements = decode(length === 0 ? new Uint8Array(0) : memory.view(address, length * base.size), length, base, memory, resolve)
        return nested(elements, [length, ...axes])
      }
    }
    case 'opaque':
      return (at) => Uint8Array.from(bytes.subarray(at, at + size))
    case 'reference':
      return (at) => {
        const own = Uint8Array.from(bytes.subarray(at, at + size))
        const isEmpty = own.every((byte) => byte === 0)
        return { type: 'reference', path: isEmpty ? null : (resolve?.(own, layout.to!) ?? null), to: layout.to!, bytes: own }
      }
  }
}

function rowReader(layout: Layout, source: Source): Read {
  const fields = layout.fields!.map(({ name, offset, layout: member }) => ({ name, offset, read: readerOf(member, source) }))
  return (at) => {
    const row: Record<string, Element> = {}
    for (const { name, offset, read } of fields) {
      // Assigning to this name would set the prototype.
      if (name !== '__proto__') row[name] = read(at + offset)
      else Object.defineProperty(row, name, { value: read(at + offset), enumerable: true, configurable: true, writable: true })
    }
    return row
  }
}

/** Elements of elements: lists for the outer axes, what is flat along the last one. */
function nested(elements: TypedArray | readonly Element[], shape: readonly number[]): Element {
  if (shape.length <= 1) return elements
  const [length, ...rest] = shape
  const size = sizeOf(rest)
  return Array.from({ length: length! }, (_, index) => nested(elements.slice(index * size, (index + 1) * size), rest))
}

function wordAt({ view, memory }: Source, at: number): number {
  return memory.pointerSize === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true))
}

const view = DataView.prototype
const GETTERS = {
  int8: view.getInt8,
  int16: view.getInt16,
  int32: view.getInt32,
  int64: view.getBigInt64,
  uint8: view.getUint8,
  uint16: view.getUint16,
  uint32: view.getUint32,
  uint64: view.getBigUint64,
  float16: view.getUint16,
  float32: view.getFloat32,
  float64: view.getFloat64,
}
