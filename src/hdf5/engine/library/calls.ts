// SPDX-License-Identifier: MIT
// The functions and constants of the HDF5 library that we use, as JavaScript sees them.
import type { LibHdf5 } from '../../../native/libhdf5.ts'

/** What the library calls hid_t: below zero for a failure. 0 stands for defaults. */
export type Id = number | bigint

/** H5P_DEFAULT, H5S_ALL, H5E_DEFAULT. */
export const DEFAULT = 0

/** Results below zero are failures. */
interface Functions {
  readonly H5open: () => number
  readonly H5FDregister: (driverClass: bigint) => Id
  readonly H5Eset_auto2: (stack: Id, print: null, data: null) => number
  readonly H5Ewalk2: (stack: Id, direction: number, visit: bigint, data: null) => number
  readonly H5Fopen: (name: string, flags: number, access: Id) => Id
  readonly H5Fclose: (file: Id) => number
  readonly H5Fget_obj_count: (file: Id, types: number) => number
  readonly H5Idec_ref: (id: Id) => number
  readonly H5Lexists: (file: Id, path: string, access: Id) => number
  readonly H5Ldelete: (file: Id, path: string, access: Id) => number
  readonly H5Oopen: (file: Id, path: string, access: Id) => Id
  readonly H5Dcreate2: (file: Id, path: string, type: Id, space: Id, link: Id, creation: Id, access: Id) => Id
  readonly H5Aexists: (object: Id, name: string) => number
  readonly H5Acreate2: (object: Id, name: string, type: Id, space: Id, creation: Id, access: Id) => Id
  readonly H5Awrite: (attribute: Id, type: Id, elements: Uint8Array) => number
  readonly H5Adelete: (object: Id, name: string) => number
  readonly H5Arename: (object: Id, from: string, to: string) => number
  readonly H5Screate: (kind: number) => Id
  readonly H5Screate_simple: (rank: number, shape: BigUint64Array, limits: BigUint64Array | null) => Id
  readonly H5Pcreate: (kind: Id) => Id
  readonly H5Pset_driver: (list: Id, driver: Id, info: null) => number
  readonly H5Pset_libver_bounds: (list: Id, low: number, high: number) => number
  readonly H5Pset_char_encoding: (list: Id, charset: number) => number
  readonly H5Pset_obj_track_times: (list: Id, track: boolean) => number
  readonly H5Pset_chunk: (list: Id, rank: number, chunks: BigUint64Array) => number
  readonly H5Pset_shuffle: (list: Id) => number
  readonly H5Pset_deflate: (list: Id, level: number) => number
  readonly H5Pset_fill_time: (list: Id, time: number) => number
  readonly H5Pset_fill_value: (list: Id, type: Id, element: Uint8Array) => number
  readonly H5Tcopy: (type: Id) => Id
  readonly H5Tcreate: (kind: number, size: number) => Id
  readonly H5Tset_size: (type: Id, size: bigint) => number
  readonly H5Tset_cset: (type: Id, charset: number) => number
  readonly H5Tset_strpad: (type: Id, padding: number) => number
  readonly H5Tset_fields: (type: Id, sign: number, exponent: number, exponentBits: number, mantissa: number, mantissaBits: number) => number
  readonly H5Tset_ebias: (type: Id, bias: bigint) => number
  readonly H5Tset_tag: (type: Id, tag: string) => number
  readonly H5Tenum_create: (base: Id) => Id
  readonly H5Tenum_insert: (type: Id, name: string, value: Uint8Array) => number
  readonly H5Tinsert: (type: Id, name: string, offset: number, member: Id) => number
  readonly H5Tarray_create2: (base: Id, rank: number, shape: BigUint64Array) => Id
  readonly H5Tvlen_create: (base: Id) => Id
}

const I = 'int64_t'
const SIGNATURES: { readonly [Name in keyof Functions]: readonly [result: string, ...parameters: string[]] } = {
  H5open: ['int'],
  H5FDregister: [I, 'void *'],
  H5Eset_auto2: ['int', I, 'void *', 'void *'],
  H5Ewalk2: ['int', I, 'int', 'void *', 'void *'],
  H5Fopen: [I, 'str', 'uint', I],
  H5Fclose: ['int', I],
  H5Fget_obj_count: ['intptr_t', I, 'uint'],
  H5Idec_ref: ['int', I],
  H5Lexists: ['int', I, 'str', I],
  H5Ldelete: ['int', I, 'str', I],
  H5Oopen: [I, I, 'str', I],
  H5Dcreate2: [I, I, 'str', I, I, I, I, I],
  H5Aexists: ['int', I, 'str'],
  H5Acreate2: [I, I, 'str', I, I, I, I],
  H5Awrite: ['int', I, I, 'void *'],
  H5Adelete: ['int', I, 'str'],
  H5Arename: ['int', I, 'str', 'str'],
  H5Screate: [I, 'int'],
  H5Screate_simple: [I, 'int', 'void *', 'void *'],
  H5Pcreate: [I, I],
  H5Pset_driver: ['int', I, I, 'void *'],
  H5Pset_libver_bounds: ['int', I, 'int', 'int'],
  H5Pset_char_encoding: ['int', I, 'int'],
  H5Pset_obj_track_times: ['int', I, 'bool'],
  H5Pset_chunk: ['int', I, 'int', 'void *'],
  H5Pset_shuffle: ['int', I],
  H5Pset_deflate: ['int', I, 'uint'],
  H5Pset_fill_time: ['int', I, 'int'],
  H5Pset_fill_value: ['int', I, I, 'void *'],
  H5Tcopy: [I, I],
  H5Tcreate: [I, 'int', 'size_t'],
  H5Tset_size: ['int', I, 'size_t'],
  H5Tset_cset: ['int', I, 'int'],
  H5Tset_strpad: ['int', I, 'int'],
  H5Tset_fields: ['int', I, 'size_t', 'size_t', 'size_t', 'size_t', 'size_t'],
  H5Tset_ebias: ['int', I, 'size_t'],
  H5Tset_tag: ['int', I, 'str'],
  H5Tenum_create: [I, I],
  H5Tenum_insert: ['int', I, 'str', 'void *'],
  H5Tinsert: ['int', I, 'str', 'size_t', I],
  H5Tarray_create2: [I, I, 'uint', 'void *'],
  H5Tvlen_create: [I, I],
}

export interface Calls extends Functions {
  /** The value of a global that holds an id: a predefined type, a class of property lists, the number of an error. */
  constant(name: string): Id
}

/** @throws when the library has not got them all. */
export function callsOf({ koffi, library }: LibHdf5): Calls {
  const functions = Object.fromEntries(
    Object.entries(SIGNATURES).map(([name, [result, ...parameters]]) => [name, library.func(name, result, parameters)]),
  ) as unknown as Functions
  const constants = new Map<string, Id>()
  return {
    ...functions,
    constant: (name) => {
      let value = constants.get(name)
      if (value === undefined) {
        value = koffi.decode.int64(library.symbol(name))
        constants.set(name, value)
      }
      return value
    },
  }
}
