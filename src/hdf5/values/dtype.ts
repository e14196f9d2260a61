// SPDX-License-Identifier: MIT
// What the elements of a dataset or an attribute are. Simple types are words (the names of Zarr and NumPy), others are objects.
export { canHold, describeDtype, sameDtype } from './dtype-relations.ts'
export { parseDtype } from './parse-dtype.ts'

export type IntegerType = 'int8' | 'int16' | 'int32' | 'int64' | 'uint8' | 'uint16' | 'uint32' | 'uint64'
export type FloatType = 'float16' | 'float32' | 'float64'
export type NumberType = IntegerType | FloatType

/** Big-endian numbers; they are read and written like any others. */
export interface BigEndianType {
  readonly type: 'number'
  readonly number: NumberType
  readonly order: 'big'
}

/** Strings. The word `'string'` stands for variable length in UTF-8, as h5py writes a `str`. */
export interface StringType {
  readonly type: 'string'
  /** Bytes, or null for strings of any length. */
  readonly length: number | null
  readonly charset: 'utf-8' | 'ascii'
}

export interface EnumType {
  readonly type: 'enum'
  readonly base: IntegerType
  readonly members: Readonly<Record<string, number>>
}

export interface CompoundType {
  readonly type: 'compound'
  readonly fields: readonly { readonly name: string; readonly dtype: Dtype }[]
}

/** Every element is an array of this shape. */
export interface ArrayType {
  readonly type: 'array'
  readonly base: Dtype
  readonly shape: readonly number[]
}

/** Every element is a list of its own length. */
export interface VariableLengthType {
  readonly type: 'vlen'
  readonly base: Dtype
}

export interface OpaqueType {
  readonly type: 'opaque'
  /** Bytes. */
  readonly size: number
}

export interface ReferenceType {
  readonly type: 'reference'
  readonly to: 'object' | 'region'
}

/**
 * What a dataset tells about its elements. `bool` is what h5py makes of one: an enum of FALSE and TRUE over int8. `string` is variable
 * length, UTF-8.
 */
export type Dtype =
  | NumberType
  | 'bool'
  | 'string'
  | BigEndianType
  | StringType
  | EnumType
  | CompoundType
  | ArrayType
  | VariableLengthType
  | OpaqueType
  | ReferenceType

/** What may be asked for: a {@link Dtype}, or a code of NumPy: `'<f4'`, `'>i8'`, `'S10'`, `'?'`; or just the fields of a compound type. */
export type DtypeLike = Dtype | string | Readonly<Record<string, unknown>>
