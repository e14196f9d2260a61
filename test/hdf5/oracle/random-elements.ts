// SPDX-License-Identifier: MIT
// Random elements of every type, as texts, with a liking for the ends of what the type can hold.
import type { CompoundType, Dtype } from '../../../src/hdf5/index.ts'
import { floatText, numberWord, type Text } from './elements.ts'

const ROW: CompoundType = {
  type: 'compound',
  fields: [
    { name: 'x', dtype: 'float32' },
    { name: 'näme', dtype: { type: 'string', length: 5, charset: 'utf-8' } },
    { name: 'flag', dtype: 'bool' },
    { name: 'count', dtype: 'int64' },
  ],
}

/** Every kind of elements. */
export const TYPES: readonly Dtype[] = [
  ...(['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64', 'float16', 'float32', 'float64'] as const),
  ...(['int16', 'int32', 'uint64', 'float32', 'float64'] as const).map((number) => ({ type: 'number', number, order: 'big' }) as const),
  'bool',
  'string',
  { type: 'string', length: null, charset: 'ascii' },
  { type: 'string', length: 7, charset: 'ascii' },
  { type: 'string', length: 9, charset: 'utf-8' },
  { type: 'enum', base: 'int16', members: { RED: 1, GREEN: -3, BLUE: 300 } },
  ROW,
  {
    type: 'compound',
    fields: [
      { name: 'inner', dtype: ROW },
      { name: 'text', dtype: 'string' },
      { name: 'three', dtype: { type: 'array', base: 'int16', shape: [3] } },
    ],
  },
  { type: 'array', base: 'int32', shape: [2, 3] },
  { type: 'vlen', base: 'int32' },
  { type: 'vlen', base: 'float64' },
  { type: 'opaque', size: 5 },
  { type: 'reference', to: 'object' },
]

const WORDS = ['', 'a', 'text', 'ü', '漢字', 'tab\t', 'new\nline', '🙂']

export class RandomElements {
  private readonly random: () => number

  constructor(random: () => number) {
    this.random = random
  }

  /** The path of an object to refer to; null for an empty reference. */
  protected referred(): string | null {
    return null
  }

  protected data(dtype: Dtype, shape: readonly number[]): Text {
    if (shape.length === 0) return this.element(dtype)
    return Array.from({ length: shape.reduce((size, length) => size * length, 1) }, () => this.element(dtype))
  }

  protected element(dtype: Dtype): Text {
    const word = numberWord(dtype)
    if (word !== null) return word.startsWith('float') ? floatText(this.float(word)) : this.integer(word)
    if (dtype === 'bool') return `${this.below(2)}`
    if (dtype === 'string') return this.pick(WORDS)
    if (typeof dtype === 'string') throw new Error(dtype)
    switch (dtype.type) {
      case 'string':
        if (dtype.charset === 'ascii') return this.pick(['', 'a', 'abc', 'abcdefg'])
        return this.pick(WORDS.filter((word) => Buffer.byteLength(word) <= (dtype.length ?? 99)))
      case 'enum':
        return `${this.pick(Object.values(dtype.members))}`
      case 'opaque':
        return Array.from({ length: dtype.size }, () => this.below(256).toString(16).padStart(2, '0')).join('')
      case 'compound':
        return dtype.fields.map((field) => this.element(field.dtype))
      case 'vlen':
        return Array.from({ length: this.below(4) }, () => this.element(dtype.base))
      case 'array':
        return Array.from({ length: dtype.shape.reduce((size, length) => size * length, 1) }, () => this.element(dtype.base))
      case 'reference':
        return this.referred()
      default:
        throw new Error(dtype.type)
    }
  }

  private float(word: string): number {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, 1, -1.5]
    if (this.one(3)) return this.pick(special)
    if (word === 'float16') return (this.below(2000) - 1000) / 8
    const number = (this.random() - 2 ** 31) / 1000
    return word === 'float32' ? Math.fround(number) : number
  }

  private integer(word: string): string {
    const bits = BigInt(/\d+/.exec(word)![0])
    const [low, high] = word.startsWith('u') ? [0n, 2n ** bits - 1n] : [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n]
    return `${this.pick([low, high, low + 1n, high - 1n, 0n, 1n, BigInt(this.below(100))])}`
  }

  protected pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }

  protected one(of: number): boolean {
    return this.random() % of === 0
  }

  protected below(limit: number): number {
    return limit <= 0 ? 0 : this.random() % limit
  }
}
