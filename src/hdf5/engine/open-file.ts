// SPDX-License-Identifier: MIT
// One file in the middle of a session, as the operations see it.
import type { Dtype } from '../values/dtype.ts'
import type { Element } from '../values/nd-array.ts'
import type { H5Module } from './wasm.ts'

/** The file open in h5wasm. */
export interface WasmFile {
  readonly module: H5Module
  readonly id: bigint
}

export interface OpenFile {
  /** The real path of the file, for messages. */
  readonly path: string
  /** Opened when first asked for, and again after {@link changing} and {@link withLibrary}: do not keep it over a call of those. */
  wasm(): WasmFile
  /**
   * Runs one of h5wasm's functions and turns what it printed into an error: each call into h5wasm goes through here.
   * @param object the object meant, for the message
   */
  call<Result>(object: string, work: (file: WasmFile) => Result): Result
  /** As {@link call}, where whatever is read of the file in long pieces is elements, which the library forgets when the call ends. */
  callForElements<Result>(object: string, work: (file: WasmFile) => Result): Result
  /** What `look` finds out, or what it has answered to the same question before, where nothing can have changed since. */
  known<Fact>(question: string, look: () => Fact): Fact
  /**
   * Says that the next call may change the file. What fails before costs nothing; after what fails later the transaction can only be rolled back.
   *
   * @throws Hdf5Error `HDF5_READ_ONLY`
   */
  changing(): void
  /** Runs with the file closed in h5wasm and open in the system's libhdf5. @throws Hdf5Error `HDF5_NEEDS_LIBRARY` */
  withLibrary<Result>(what: string, work: (library: LibraryFile) => Result): Result
}

/** What a dataset is created with, all of it decided. */
export interface NewDataset {
  readonly dtype: Dtype
  /** Null: no elements at all (h5py's `Empty`). */
  readonly shape: readonly number[] | null
  readonly maxShape: readonly (number | null)[] | null
  readonly chunks: readonly number[] | null
  /** 0 to 9. */
  readonly gzip: number | null
  readonly shuffle: boolean
  readonly fillValue: Element | undefined
}

/** The file open in the system's libhdf5: what h5wasm cannot do. Its errors are Hdf5Errors. */
export interface LibraryFile {
  deleteLink(path: string): void
  /** Without data. Its groups are there. */
  createDataset(path: string, dataset: NewDataset): void
  /** Over an existing one. `elements` are `shape`'s, flat. */
  setAttribute(path: string, name: string, dtype: Dtype, shape: readonly number[] | null, elements: ArrayLike<unknown>): void
}
