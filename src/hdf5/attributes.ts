// SPDX-License-Identifier: MIT
// The attributes of a group, a dataset or a named type.
import type { Access } from './access/access.ts'
import type { AttributeValue, Value } from './engine/protocol.ts'
import { Hdf5Error } from './errors.ts'
import type { AccessOptions } from './options.ts'
import { misused } from './options.ts'
import { checkName } from './paths.ts'
import type { Dtype, DtypeLike } from './values/dtype.ts'
import type { Element, NdArray } from './values/nd-array.ts'
import { shown } from './where.ts'

/** A scalar as it is, an array with its shape; null where there is no element at all (h5py's `Empty`). */
export type AttributeContent = Element | NdArray | null

export class Attributes implements AsyncIterable<string> {
  private readonly access: Access
  private readonly path: string

  /** @internal */
  constructor(access: Access, path: string) {
    this.access = access
    this.path = path
  }

  /** @throws Hdf5Error `HDF5_NO_OBJECT` when there is none of that name, unless a fallback is given to be answered then. */
  get(name: string): Promise<AttributeContent>
  get<Fallback>(name: string, fallback: Fallback): Promise<AttributeContent | Fallback>
  async get(name: string, ...fallback: readonly unknown[]): Promise<unknown> {
    const found = await this.find(name)
    if (found !== null) return found.value
    if (fallback.length === 0) throw this.missing(name)
    return fallback[0]
  }

  /** The type of an attribute. @throws Hdf5Error `HDF5_NO_OBJECT` */
  async dtype(name: string): Promise<Dtype> {
    const found = await this.find(name)
    if (found === null) throw this.missing(name)
    return found.dtype
  }

  /** Makes an attribute, or replaces the one of that name. `dtype`: default that of the value. */
  async set(name: string, value: Value, options: { readonly dtype?: DtypeLike | undefined } = {}): Promise<void> {
    checkName(name, 'The name of an attribute')
    if (value === undefined) throw misused(`The value of the attribute ${shown(name)} is undefined.`)
    checkSetOptions(options)
    await this.access.change({ do: 'setAttribute', path: this.path, name, value, dtype: options.dtype })
  }

  /** @throws Hdf5Error `HDF5_NO_OBJECT` */
  async delete(name: string): Promise<void> {
    checkName(name, 'The name of an attribute')
    await this.access.change({ do: 'deleteAttribute', path: this.path, name })
  }

  async has(name: string): Promise<boolean> {
    checkName(name, 'The name of an attribute')
    return (await this.keys()).includes(name)
  }

  keys(): Promise<string[]> {
    return this.access.ask<'attributeNames'>({ do: 'attributeNames', path: this.path })
  }

  async values(): Promise<AttributeContent[]> {
    return (await this.list()).map(({ value }) => value.value)
  }

  /** All of them, read in one access. */
  async items(): Promise<[name: string, value: AttributeContent][]> {
    return (await this.list()).map(({ name, value }) => [name, value.value])
  }

  /** All of them as one object. */
  async all(): Promise<Record<string, AttributeContent>> {
    return Object.fromEntries(await this.items())
  }

  /** The names, listed when the iteration begins. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    yield* await this.keys()
  }

  /** The same attributes, with another patience. */
  with(options: AccessOptions): Attributes {
    return new Attributes(this.access.with(options), this.path)
  }

  private async find(name: string): Promise<AttributeValue | null> {
    checkName(name, 'The name of an attribute')
    return await this.access.ask<'attribute'>({ do: 'attribute', path: this.path, name })
  }

  private list(): Promise<{ name: string; value: AttributeValue }[]> {
    return this.access.ask<'attributes'>({ do: 'attributes', path: this.path })
  }

  private missing(name: string): Hdf5Error {
    const file = this.access.file.path
    const object = `${this.path}@${name}`
    return new Hdf5Error('HDF5_NO_OBJECT', `${object} in ${file}: there is no attribute ${shown(name)}.`, { file, object })
  }
}

function checkSetOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null || Object.keys(options).some((name) => name !== 'dtype')) {
    throw misused('The options of an attribute are an object: { dtype }.')
  }
}
