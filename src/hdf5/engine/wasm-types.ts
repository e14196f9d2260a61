// SPDX-License-Identifier: MIT
// What h5wasm can create by itself, and how it is told.
import type { Dtype } from '../values/dtype.ts'
import { isNumberType } from '../values/number-types.ts'
import { hasPointers } from './codec/layout.ts'
import { type Layout, layoutOf } from './codec.ts'
import type { NewDataset } from './open-file.ts'

/** How h5wasm is told of a type; together with a shape, of a dataset or an attribute. */
export interface WasmType {
  readonly type: number
  readonly size: number
  readonly signed: boolean
  readonly vlen: boolean
  readonly littleEndian: boolean
  readonly cset?: number
  readonly compound_type?: {
    readonly nmembers: number
    readonly members: readonly (WasmType & { readonly name: string; readonly offset: number })[]
  }
}

const UNLIMITED = 2n ** 64n - 1n
const CLASSES = { integer: 0, float: 1, string: 3, compound: 6, reference: 7 } as const
const DEFLATE = 1
const SHUFFLE = 2

/**
 * True for types that come out exactly as h5py makes them: numbers in the processor's order except halves, strings of any length, references,
 * compounds of these. Strings of fixed length h5wasm pads in another way.
 */
export function isPlainType(dtype: Dtype): boolean {
  if (dtype === 'string') return true
  if (typeof dtype === 'string') return isNumberType(dtype) && dtype !== 'float16'
  if (dtype.type === 'string') return dtype.length === null
  return dtype.type === 'reference' || (dtype.type === 'compound' && dtype.fields.every((field) => isPlainType(field.dtype)))
}

/**
 * True for datasets that h5wasm creates exactly so: of plain types, without a fill value, with one filter at most, and with none over strings
 * of any length. It asks for filters that may not be left out, and HDF5 refuses these where only references to the data would be compressed.
 */
export function isPlainDataset({ dtype, shape, gzip, shuffle, fillValue }: NewDataset): boolean {
  const filters = (gzip === null ? 0 : 1) + (shuffle ? 1 : 0)
  return (
    shape !== null &&
    fillValue === undefined &&
    isPlainType(dtype) &&
    (filters === 0 || (filters === 1 && !hasPointers(layoutOf(dtype, 4))))
  )
}

export function wasmType(layout: Layout): WasmType {
  return {
    type: CLASSES[layout.kind as keyof typeof CLASSES],
    size: layout.size,
    signed: layout.signed === true,
    vlen: layout.variable === true,
    littleEndian: true,
    ...(layout.kind === 'string' ? { cset: layout.charset === 'ascii' ? 0 : 1 } : {}),
    ...(layout.kind === 'compound'
      ? {
          compound_type: {
            nmembers: layout.fields!.length,
            members: layout.fields!.map(({ name, offset, layout: member }) => ({ ...wasmType(member), name, offset })),
          },
        }
      : {}),
  }
}

/** What h5wasm's `create_dataset` takes. */
export function wasmDataset(layout: Layout, dataset: NewDataset): WasmType & Record<string, unknown> {
  const filter =
    dataset.gzip !== null
      ? { compression: DEFLATE, compression_opts: [dataset.gzip] }
      : dataset.shuffle
        ? { compression: SHUFFLE, compression_opts: [] }
        : {}
  return {
    ...wasmType(layout),
    shape: dataset.shape!.map(BigInt),
    maxshape: dataset.maxShape === null ? null : dataset.maxShape.map((limit) => (limit === null ? UNLIMITED : BigInt(limit))),
    chunks: dataset.chunks === null ? null : dataset.chunks.map(BigInt),
    ...filter,
  }
}

/** What h5wasm's `create_attribute` takes. */
export function wasmAttribute(layout: Layout, shape: readonly number[]): WasmType & Record<string, unknown> {
  return { ...wasmType(layout), shape: shape.map(BigInt), maxshape: null, chunks: null }
}
