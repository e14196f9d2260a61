// SPDX-License-Identifier: MIT
// What the threads that run the HDF5 library are asked, and what they answer. Everything here can be posted between threads.
import type { LockErrorCode } from '../../core/errors.ts'
import type { Hdf5ErrorCode } from '../errors.ts'
import type { Dtype, DtypeLike } from '../values/dtype.ts'
import type { Element, NdArray } from '../values/nd-array.ts'
import type { Selection } from '../values/selection.ts'

/** What survives a kill of the process only (`process`), or a loss of power too (`power`: fsync before each step that relies on another). */
export type Durability = 'process' | 'power'

/** A value as users give it: a scalar, nested lists, a typed array, or an array with a shape. */
export type Value = Element | ArrayBufferView | NdArray | readonly Value[]

export type ObjectKind = 'group' | 'dataset' | 'datatype'

/** The link itself, not what it leads to. */
export type Link =
  | { readonly type: 'hard' }
  | { readonly type: 'soft'; readonly target: string }
  | { readonly type: 'external'; readonly file: string; readonly target: string }

export interface Filter {
  readonly id: number
  readonly name: string
  readonly options: readonly number[]
}

/** Everything about a dataset except its elements. */
export interface DatasetInfo {
  readonly kind: 'dataset'
  /** Null for a dataset that has no dataspace to hold an element (h5py's `Empty`). */
  readonly shape: readonly number[] | null
  /** `null` on an axis: without limit. */
  readonly maxShape: readonly (number | null)[] | null
  readonly dtype: Dtype
  readonly chunks: readonly number[] | null
  readonly filters: readonly Filter[]
}

export type ObjectInfo = DatasetInfo | { readonly kind: 'group' } | { readonly kind: 'datatype'; readonly dtype: Dtype }

export interface CreateDatasetOptions {
  readonly data?: Value | undefined
  /** Needed without `data`. With it, `data` is given this shape if it has as many elements, or spread over it if it is a scalar. */
  readonly shape?: readonly number[] | undefined
  /** Default: that of `data`; `float32` without data, as in h5py. */
  readonly dtype?: DtypeLike | undefined
  /** The shape of a chunk, or true to have one guessed. Guessed as well when `maxShape`, `gzip` or `shuffle` need chunks. */
  readonly chunks?: readonly number[] | boolean | undefined
  /** How far it may be resized; null on an axis: without limit. */
  readonly maxShape?: readonly (number | null)[] | undefined
  /** Level 0 to 9, or true for 4. */
  readonly gzip?: number | boolean | undefined
  readonly shuffle?: boolean | undefined
  /** What elements hold that were never written. Default 0, or empty. */
  readonly fillValue?: Element | undefined
  /** Replace an object of that name. Without it an existing one is an error. */
  readonly overwrite?: boolean | undefined
}

/** Paths are absolute in the file. Each answer's type stands behind its operation in {@link Answers}. */
export type ReadOperation =
  /** Follows links. */
  | { readonly do: 'describe'; readonly path: string }
  /** True when the path leads to an object; false for a link that leads nowhere (of which h5py says true). */
  | { readonly do: 'has'; readonly path: string }
  | { readonly do: 'keys'; readonly path: string }
  /** What each link of a group leads to; null where it leads nowhere. */
  | { readonly do: 'items'; readonly path: string }
  /** Every object below a group, once each, in h5py's order of `visititems`: by name, depth first, hard links only. Names relative to `path`. */
  | { readonly do: 'walk'; readonly path: string }
  | { readonly do: 'link'; readonly path: string }
  | { readonly do: 'read'; readonly path: string; readonly selection: Selection }
  | { readonly do: 'attributeNames'; readonly path: string }
  /** Answers null when there is no attribute of that name. */
  | { readonly do: 'attribute'; readonly path: string; readonly name: string }
  | { readonly do: 'attributes'; readonly path: string }
  /** A reference to an object, to be stored. */
  | { readonly do: 'reference'; readonly path: string }

export type WriteOperation =
  /** Intermediate groups are made. `exist`: an existing group is fine. */
  | { readonly do: 'createGroup'; readonly path: string; readonly exist: boolean }
  | { readonly do: 'createDataset'; readonly path: string; readonly options: CreateDatasetOptions }
  /** `grow`: resizes to this shape first, once it is known that the value fits. */
  | {
      readonly do: 'write'
      readonly path: string
      readonly selection: Selection
      readonly value: Value
      readonly grow?: readonly number[]
    }
  | { readonly do: 'resize'; readonly path: string; readonly shape: readonly number[] }
  | { readonly do: 'delete'; readonly path: string }
  | {
      readonly do: 'setAttribute'
      readonly path: string
      readonly name: string
      readonly value: Value
      readonly dtype?: DtypeLike | undefined
    }
  | { readonly do: 'deleteAttribute'; readonly path: string; readonly name: string }
  | { readonly do: 'createLink'; readonly path: string; readonly link: NewLink }

export type NewLink = Exclude<Link, { readonly type: 'hard' }> | { readonly type: 'hard'; readonly target: string }

export type Operation = ReadOperation | WriteOperation

/** An attribute's value: plain for a scalar, an array otherwise; `empty` is h5py's `Empty`. */
export interface AttributeValue {
  readonly dtype: Dtype
  readonly value: Element | NdArray | null
}

export interface Answers {
  describe: ObjectInfo
  has: boolean
  keys: string[]
  items: { name: string; info: ObjectInfo | null }[]
  walk: { name: string; info: ObjectInfo }[]
  link: Link
  read: NdArray
  attributeNames: string[]
  attribute: AttributeValue | null
  attributes: { name: string; value: AttributeValue }[]
  reference: Element
  createGroup: undefined
  createDataset: undefined
  write: undefined
  resize: undefined
  delete: undefined
  setAttribute: undefined
  deleteAttribute: undefined
  createLink: undefined
}

export interface OpenRequest {
  /** The real path of the file. */
  readonly file: string
  readonly mode: 'read' | 'write'
  readonly durability: Durability
  /** The lease's {@link Lease.mirror}: one BigInt64, the moment (CLOCK_BOOTTIME, ns) until which the lease is good; 0 when it is gone. */
  readonly lease: SharedArrayBuffer | null
}

/** One message to a worker: opens a session, works in it, closes it; each part may be left out. */
export interface Request {
  readonly id: number
  readonly session: number
  readonly open?: OpenRequest
  readonly operations: readonly Operation[]
  readonly close?: 'commit' | 'roll back'
}

/** Work on a file as a whole, under the write lock of its path. */
export interface FileRequest {
  readonly id: number
  /**
   * `create`: an empty HDF5 file, in place of what is there if `replace`; else `HDF5_FILE_EXISTS`. It appears at once, or not at all.
   * `recover`: rolls back what a dead writer left. Answers true if there was something.
   */
  readonly do: 'create' | 'recover'
  readonly file: string
  /** For `recover`: a journal to use although it lies elsewhere. */
  readonly journal?: string | undefined
  readonly replace: boolean
  readonly durability: Durability
  readonly lease: SharedArrayBuffer | null
}

export type Reply =
  | { readonly id: number; readonly outcome: 'done'; readonly answers: readonly unknown[] }
  /** Somebody who does not use our locks (h5py, h5dump) has the file open. Nothing was done; the session is not open. */
  | { readonly id: number; readonly outcome: 'busy' }
  /** A reader met the mark of a dead writer. Nothing was done; the session is not open. */
  | { readonly id: number; readonly outcome: 'torn' }
  /** The operation failed, the ones after it were not done. The session stays open unless it was just opened or `close` was asked for; then it is rolled back. */
  | { readonly id: number; readonly outcome: 'failed'; readonly error: PostedError }

/** An error on its way between threads. */
export interface PostedError {
  readonly code: Hdf5ErrorCode | LockErrorCode | null
  readonly message: string
  readonly file?: string | undefined
  readonly object?: string | undefined
  readonly stack?: string | undefined
}
