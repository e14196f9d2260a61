// SPDX-License-Identifier: MIT
// Elements as texts and lists that lose nothing, the same for us and for h5py: integers in decimal, floats as the bits of a float64, strings as they
// are, members of a compound and lists as lists, opaque bytes in hex, references by the name of their object.
import type { Dataset, Dtype, Element, Group, NdArray, Reference, Row } from '../../../src/hdf5/index.ts'
import { ndArray } from '../../../src/hdf5/index.ts'

export type Text = string | null | readonly Text[]

/** A scalar without a shape, or an array, in which an array type has no axes of its own. */
export interface TextValue {
  readonly shape?: readonly number[]
  readonly data: Text
}

const NUMBER_WORD = /^(u?int|float)\d+$/

export function floatText(number: number): string {
  if (Number.isNaN(number)) return 'nan'
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(number)
  return bytes.toString('hex')
}

/** The word of a number type, whatever its byte order. */
export function numberWord(dtype: Dtype): string | null {
  if (typeof dtype === 'string') return NUMBER_WORD.test(dtype) ? dtype : null
  return dtype.type === 'number' ? dtype.number : null
}

/** The element that a text stands for. */
export async function elementOf(text: Text, dtype: Dtype, group: Group): Promise<Element> {
  const word = numberWord(dtype)
  if (word !== null) {
    if (word.startsWith('float')) return text === 'nan' ? Number.NaN : Buffer.from(text as string, 'hex').readDoubleBE()
    return word.endsWith('64') ? BigInt(text as string) : Number(text)
  }
  if (dtype === 'bool') return text === '1'
  if (typeof dtype === 'string') return text as string
  switch (dtype.type) {
    case 'string':
      return text as string
    case 'enum':
      return dtype.base.endsWith('64') ? BigInt(text as string) : Number(text)
    case 'opaque':
      return Uint8Array.from(Buffer.from(text as string, 'hex'))
    case 'compound': {
      const row: Record<string, Element> = {}
      for (const [index, field] of dtype.fields.entries()) row[field.name] = await elementOf((text as Text[])[index]!, field.dtype, group)
      return row
    }
    case 'vlen':
      return await elementsOf(text as Text[], dtype.base, group)
    case 'array':
      return nested(await elementsOf(text as Text[], dtype.base, group), dtype.shape)
    case 'reference':
      if (text === null) return { type: 'reference', path: null, to: dtype.to, bytes: new Uint8Array(dtype.to === 'object' ? 8 : 12) }
      return await (await refersTo(group, text as string)).ref
    default:
      throw new Error(`${dtype.type} is no kind of element.`)
  }
}

export async function valueFrom({ shape, data }: TextValue, dtype: Dtype, group: Group): Promise<Element | NdArray> {
  if (shape === undefined) {
    const element = await elementOf(data, dtype, group)
    // An empty list by itself says no more than that it is empty.
    return Array.isArray(element) && element.length === 0 ? ndArray([element], []) : element
  }
  if (typeof dtype === 'object' && dtype.type === 'array') {
    const flat = await elementsOf((data as Text[]).flat() as Text[], dtype.base, group)
    return ndArray(flat, [...shape, ...dtype.shape])
  }
  return ndArray(await elementsOf(data as Text[], dtype, group), shape)
}

/** The inverse of {@link elementOf}. */
export function textOf(element: Element, dtype: Dtype): Text {
  const word = numberWord(dtype)
  if (word !== null) return word.startsWith('float') ? floatText(element as number) : `${element}`
  if (dtype === 'bool') return `${Number(element)}`
  if (typeof dtype === 'string') return element as string
  switch (dtype.type) {
    case 'string':
      return element as string
    case 'enum':
      return `${element}`
    case 'opaque':
      return Buffer.from(element as Uint8Array).toString('hex')
    case 'compound':
      return dtype.fields.map(({ name, dtype }) => textOf((element as Row)[name]!, dtype))
    case 'vlen':
    case 'array':
      return flattened(element, dtype.type === 'vlen' ? 1 : dtype.shape.length).map((one) => textOf(one, dtype.base))
    case 'reference':
      return (element as Reference).path
    default:
      throw new Error(`${dtype.type} is no kind of element.`)
  }
}

/** An array type's axes are the array's last ones. */
export function arrayText({ data, shape }: NdArray, dtype: Dtype): TextValue {
  const base = typeof dtype === 'object' && dtype.type === 'array' ? dtype.base : dtype
  return { shape, data: Array.from(data as ArrayLike<Element>, (one) => textOf(one, base)) }
}

async function refersTo(group: Group, path: string): Promise<Group | Dataset> {
  const object = await group.get(path)
  if (object.kind === 'datatype') throw new Error(`${path} is a type.`)
  return object
}

async function elementsOf(texts: readonly Text[], dtype: Dtype, group: Group): Promise<Element[]> {
  const elements: Element[] = []
  for (const text of texts) elements.push(await elementOf(text, dtype, group))
  return elements
}

function nested(flat: readonly Element[], shape: readonly number[]): Element {
  if (shape.length === 1) return flat
  const size = flat.length / shape[0]!
  return Array.from({ length: shape[0]! }, (_, index) => nested(flat.slice(index * size, (index + 1) * size), shape.slice(1)))
}

function flattened(element: Element, levels: number): Element[] {
  const list = Array.from(element as ArrayLike<Element>)
  return levels === 1 ? list : list.flatMap((one) => flattened(one, levels - 1))
}
