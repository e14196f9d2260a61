// SPDX-License-Identifier: MIT
// A dataset: its elements, and what they are. Nothing is kept between two calls, as others may have changed the file.
import type { Access } from './access/access.ts'
import { Attributes } from './attributes.ts'
import type { DatasetInfo, Filter, Value } from './engine/protocol.ts'
import { Hdf5Error } from './errors.ts'
import type { File } from './file.ts'
import { type AccessOptions, checkSelection, checkShape, misused } from './options.ts'
import type { Dtype } from './values/dtype.ts'
import type { Element, NdArray, Reference, TypedArray } from './values/nd-array.ts'
import { asRows, rowsIn } from './values/rows.ts'
import { type Index, slice } from './values/selection.ts'
import { shown, shownShape } from './where.ts'

export class Dataset {
  readonly kind = 'dataset'
  /** Its path in the file. */
  readonly name: string
  readonly attrs: Attributes
  private readonly access: Access

  /** @internal */
  constructor(access: Access, name: string) {
    this.access = access
    this.name = name
    this.attrs = new Attributes(access, name)
  }

  get file(): File {
    return this.access.file
  }

  /**
   * Reads a part of it, or all: one index for each axis, as in h5py: a number (which drops the axis), a `slice(…)`, `null` for a whole axis,
   * `'...'` for as many whole axes as are missing.
   *
   * @example
   * ```ts
   * const { data, shape, stride } = await dataset.read(slice(0, 50), '...', -1)
   * ```
   * @throws Hdf5Error `HDF5_BOUNDS`, `HDF5_FILTER`, `HDF5_TOO_LARGE`, `HDF5_KIND`, `HDF5_NO_OBJECT`
   */
  async read<Data extends TypedArray | readonly Element[] = TypedArray | readonly Element[]>(
    ...selection: readonly Index[]
  ): Promise<NdArray<Data>> {
    checkSelection(selection)
    return (await this.access.ask<'read'>({ do: 'read', path: this.name, selection })) as NdArray<Data>
  }

  /**
   * Writes a part of it, or all. A scalar is written to every element of the selection, and an array that has fewer axes to each of its parts,
   * as in NumPy. A value must not be changed before the promise is settled.
   *
   * @throws Hdf5Error `HDF5_BOUNDS`, `HDF5_SHAPE`, `HDF5_TYPE`, `HDF5_RANGE`, `HDF5_READ_ONLY`, `HDF5_FULL`
   */
  async write(value: Value, ...selection: readonly Index[]): Promise<void> {
    if (value === undefined) throw misused('The value to write is undefined.')
    checkSelection(selection)
    await this.access.change({ do: 'write', path: this.name, selection, value })
  }

  /**
   * Gives it another shape, or another length along one axis. What is outside of the new shape is lost, what is new holds the fill value.
   *
   * @throws Hdf5Error `HDF5_SHAPE` beyond `maxShape`, and where it is not chunked
   */
  resize(shape: readonly number[]): Promise<void>
  resize(length: number, axis: number): Promise<void>
  async resize(size: readonly number[] | number, axis?: number): Promise<void> {
    if (typeof size !== 'number') {
      if (axis !== undefined) throw misused('resize takes a shape, or a length and an axis.')
      checkShape(size)
      await this.access.change({ do: 'resize', path: this.name, shape: size })
      return
    }
    checkShape([size])
    if (!Number.isSafeInteger(axis)) throw misused(`resize takes a length and an axis, or a shape; the axis is ${shown(axis)}.`)
    await this.access.together(async (access) => {
      const shape = await this.shapeIn(access)
      const at = axis! < 0 ? axis! + shape.length : axis!
      if (shape[at] === undefined) {
        throw this.problem('HDF5_BOUNDS', `there is no axis ${axis} in the shape ${shownShape(shape)}`)
      }
      await access.change({ do: 'resize', path: this.name, shape: shape.map((length, one) => (one === at ? size : length)) })
    })
  }

  /**
   * Makes it longer along its first axis and writes `value` there, in one transaction: rows, or a single row, whose shape has an axis less. A flat
   * typed array may hold any number of whole rows. Answers the index of the first row written.
   *
   * @throws Hdf5Error as {@link resize} and {@link write}
   */
  async append(value: Value): Promise<number> {
    if (value === undefined) throw misused('The value to append is undefined.')
    return await this.access.together(async (access) => {
      const { shape, dtype } = await this.infoIn(access)
      const [start] = shape ?? []
      if (start === undefined) throw this.problem('HDF5_SHAPE', 'nothing can be appended to what has no axis')
      const added = asRows(value, shape!, dtype)
      const rows = rowsIn(added, shape!.length, dtype)
      if (rows === 0) return start
      const stop = start + (rows ?? 1)
      const selection = [rows === null ? start : slice(start, stop)]
      await access.change({ do: 'write', path: this.name, selection, value: added, grow: [stop, ...shape!.slice(1)] })
      return start
    })
  }

  /** Everything about it except its elements, in one access. */
  async info(): Promise<DatasetInfo> {
    return await this.infoIn(this.access)
  }

  /** Null where there is no element at all (h5py's `Empty`). */
  get shape(): Promise<readonly number[] | null> {
    return this.info().then(({ shape }) => shape)
  }

  /** How far it may be resized; null on an axis: without limit. */
  get maxShape(): Promise<readonly (number | null)[] | null> {
    return this.info().then(({ maxShape }) => maxShape)
  }

  get dtype(): Promise<Dtype> {
    return this.info().then(({ dtype }) => dtype)
  }

  /** The shape of a chunk, null where it is not chunked. */
  get chunks(): Promise<readonly number[] | null> {
    return this.info().then(({ chunks }) => chunks)
  }

  get filters(): Promise<readonly Filter[]> {
    return this.info().then(({ filters }) => filters)
  }

  /** Along the first axis. @throws Hdf5Error `HDF5_SHAPE` for a scalar, as in h5py */
  get length(): Promise<number> {
    return this.shapeIn(this.access).then((shape) => {
      if (shape.length === 0) throw this.problem('HDF5_SHAPE', 'a scalar has no length')
      return shape[0]!
    })
  }

  /** A reference to it, to be stored in this file. */
  get ref(): Promise<Reference> {
    return this.access.ask<'reference'>({ do: 'reference', path: this.name }) as Promise<Reference>
  }

  /** The same dataset, with another patience: `dataset.with({ timeout: 100 }).read()`. */
  with(options: AccessOptions): Dataset {
    return new Dataset(this.access.with(options), this.name)
  }

  private async infoIn(access: Access): Promise<DatasetInfo> {
    const info = await access.ask<'describe'>({ do: 'describe', path: this.name })
    if (info.kind !== 'dataset') throw this.problem('HDF5_KIND', `it is a ${info.kind}, not a dataset`)
    return info
  }

  private async shapeIn(access: Access): Promise<readonly number[]> {
    const { shape } = await this.infoIn(access)
    if (shape === null) throw this.problem('HDF5_SHAPE', 'it has no elements, and cannot have any')
    return shape
  }

  private problem(code: 'HDF5_KIND' | 'HDF5_SHAPE' | 'HDF5_BOUNDS', message: string): Hdf5Error {
    const { name: object } = this
    const file = this.file.path
    return new Hdf5Error(code, `${object} in ${file}: ${message}.`, { file, object })
  }
}
