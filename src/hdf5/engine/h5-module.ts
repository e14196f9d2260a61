// SPDX-License-Identifier: MIT
// The functions of h5wasm's binding to the HDF5 library that we call, and what they answer.

/** What the binding tells of a type; together with a shape, of a dataset or an attribute. */
export interface Metadata {
  /** The class of the type: {@link TypeClass}. */
  readonly type: number
  /** Bytes in memory. */
  readonly size: number
  readonly signed: boolean
  /** A string of any length. */
  readonly vlen: boolean
  /** False also for what has no order, and for compounds whose members differ. */
  readonly littleEndian: boolean
  readonly cset?: number
  readonly strpad?: number
  readonly compound_type?: { readonly members: readonly (Metadata & { readonly name: string; readonly offset: number })[] }
  readonly array_type?: Metadata
  readonly vlen_type?: Metadata
  readonly enum_type?: { readonly type: number; readonly members: Readonly<Record<string, number>> }
  readonly ref_type?: 'object' | 'region'
  /** Null without a dataspace for elements; the axes of an `array_type`. */
  readonly shape: readonly number[] | null
  /** 2^64 stands for no limit. */
  readonly maxshape: readonly number[] | null
  readonly chunks: readonly number[] | null
  /** Of a dataset that is put together from others. */
  readonly virtual_sources?: readonly unknown[]
}

/** H5T_class_t. */
export const TypeClass = {
  integer: 0,
  float: 1,
  string: 3,
  bitfield: 4,
  opaque: 5,
  compound: 6,
  reference: 7,
  enum: 8,
  vlen: 9,
  array: 10,
} as const

/** What `get_type` answers. */
export const ObjectType = { missing: -1, group: 0, dataset: 1, datatype: 2, softLink: 3, otherLink: 4 } as const

/** Parts of a hyperslab; null for all. */
type Indices = readonly bigint[] | null

export interface H5Module {
  readonly HEAPU8: Uint8Array
  readonly FS: EmscriptenFs
  _malloc(bytes: number): number
  _free(address: number): void
  open(path: string, mode: number, trackOrder: boolean, lowVersion: number, highVersion: number): bigint
  close_file(id: bigint): number
  flush(id: bigint): number
  get_type(id: bigint, path: string): number
  get_names(id: bigint, group: string, recursive: boolean): string[]
  get_symbolic_link(id: bigint, path: string): string | null
  get_external_link(id: bigint, path: string): { readonly filename?: string; readonly obj_path?: string }
  get_dataset_metadata(id: bigint, path: string): Metadata
  get_datatype_metadata(id: bigint, path: string): Metadata
  get_dataset_filters(id: bigint, path: string): { readonly id: number; readonly name: string; readonly cd_values: readonly number[] }[]
  get_dataset_data(id: bigint, path: string, count: Indices, offset: Indices, stride: Indices, address: bigint): number
  set_dataset_data(id: bigint, path: string, count: Indices, offset: Indices, stride: Indices, address: bigint): number
  reclaim_vlen_memory(id: bigint, path: string, attribute: string, address: bigint): number
  reclaim_vlen_memory_count(id: bigint, path: string, attribute: string, address: bigint, count: readonly bigint[]): number
  get_attribute_names(id: bigint, path: string): string[]
  get_attribute_metadata(id: bigint, path: string, name: string): Metadata
  get_attribute_data(id: bigint, path: string, name: string, address: bigint): number
  create_group(id: bigint, path: string, trackOrder: boolean): number
  create_dataset(id: bigint, path: string, address: bigint, metadata: object): number
  resize_dataset(id: bigint, path: string, shape: readonly bigint[]): number
  create_attribute(id: bigint, path: string, name: string, address: bigint, metadata: object): number
  delete_attribute(id: bigint, path: string, name: string): number
  create_soft_link(id: bigint, target: string, path: string): number
  create_hard_link(id: bigint, target: string, path: string): number
  create_external_link(id: bigint, file: string, target: string, path: string): number
  create_object_reference(id: bigint, path: string): ArrayLike<number>
  get_referenced_name(id: bigint, reference: Uint8Array, toObject: boolean): string | null
}

/** The file system that the compiled library sees; its functions may be replaced. */
export interface EmscriptenFs {
  readonly streams: (EmscriptenStream | null | undefined)[]
  readonly ErrnoError: new (errno: number) => Error
  createStream(stream: object): EmscriptenStream
  closeStream(fd: number): void
  open(path: string, flags: number, mode?: number): EmscriptenStream
  close(stream: EmscriptenStream): void
  read(stream: EmscriptenStream, buffer: ArrayBufferView, offset: number, length: number, position?: number): number
  write(stream: EmscriptenStream, buffer: ArrayBufferView, offset: number, length: number, position?: number): number
  llseek(stream: EmscriptenStream, offset: number, whence: number): number
  stat(path: string, isLink?: boolean): object
  fstat(fd: number): object
  ftruncate(fd: number, length: number): void
  truncate(path: string, length: number): void
  unlink(path: string): void
  rename(from: string, to: string): void
}

export interface EmscriptenStream {
  readonly fd: number
  position: number
  node?: object
  stream_ops?: object
}
