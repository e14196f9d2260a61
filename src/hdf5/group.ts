// SPDX-License-Identifier: MIT
// A group: names that lead to groups and datasets. Nothing is kept between two calls, as others may have changed the file.
import type { Access } from './access/access.ts'
import { Attributes } from './attributes.ts'
import { Dataset } from './dataset.ts'
import { Datatype } from './datatype.ts'
import type { CreateDatasetOptions, Link, NewLink, ObjectInfo } from './engine/protocol.ts'
import { Hdf5Error, isHdf5Error } from './errors.ts'
import type { File } from './file.ts'
import { checkedLink } from './links.ts'
import { type AccessOptions, checkDatasetOptions, misused } from './options.ts'
import { objectPath } from './paths.ts'
import { canHold, type Dtype, type DtypeLike, describeDtype, parseDtype } from './values/dtype.ts'
import type { Reference } from './values/nd-array.ts'
import { shown, shownShape } from './where.ts'

/** What a path can lead to. */
export type Hdf5Object = Group | Dataset | Datatype

export interface RequireDatasetOptions extends CreateDatasetOptions {
  readonly shape: readonly number[]
  readonly dtype: DtypeLike
  /** Only the very same type will do. Default: any that holds every value of `dtype`. */
  readonly exact?: boolean | undefined
}

/** Somebody else makes what is required, or removes it, between a look and a try: so often in a row it is no accident. */
const MOST_TRIES = 100

/** Paths are absolute (`/a/b`), or relative to the group (`a/b`). */
export class Group implements AsyncIterable<string> {
  readonly kind: 'group' = 'group'
  /** Its path in the file. */
  readonly name: string
  readonly attrs: Attributes
  /** @internal */
  protected readonly access: Access

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
   * What a path leads to, or a reference.
   *
   * @throws Hdf5Error `HDF5_NO_OBJECT`, `HDF5_LINK`
   */
  async get(path: string | Reference): Promise<Hdf5Object> {
    const name = isReference(path) ? this.referred(path) : this.resolve(path)
    return this.object(name, await this.describe(name))
  }

  /** @throws Hdf5Error as {@link get}; `HDF5_KIND` */
  async group(path: string): Promise<Group> {
    return this.expect(await this.get(path), Group, 'group')
  }

  /** @throws Hdf5Error as {@link get}; `HDF5_KIND` */
  async dataset(path: string): Promise<Dataset> {
    return this.expect(await this.get(path), Dataset, 'dataset')
  }

  /** True when the path leads to an object; false also for a link that leads nowhere. */
  async has(path: string): Promise<boolean> {
    return await this.access.ask<'has'>({ do: 'has', path: this.resolve(path) })
  }

  /** The names in it, of links that lead nowhere, too. */
  keys(): Promise<string[]> {
    return this.access.ask<'keys'>({ do: 'keys', path: this.name })
  }

  /** What its names lead to; null where that is nothing. */
  async values(): Promise<(Hdf5Object | null)[]> {
    return (await this.items()).map(([, object]) => object)
  }

  /** Its names with what they lead to; null where that is nothing. */
  async items(): Promise<[name: string, object: Hdf5Object | null][]> {
    const items = await this.access.ask<'items'>({ do: 'items', path: this.name })
    return items.map(({ name, info }) => [name, info === null ? null : this.object(this.resolve(name), info)])
  }

  /** The names, listed when the iteration begins. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    yield* await this.keys()
  }

  /**
   * Calls `visitor` with the name of every object below the group, relative to it: each object once, however many links lead to it; soft and
   * external links are not followed. Ends when `visitor` answers something other than undefined, and answers that.
   *
   * The names are listed in one access, and `visitor` runs after it.
   */
  async visit<Result>(visitor: (name: string) => Result | undefined | Promise<Result | undefined>): Promise<Result | undefined> {
    checkVisitor(visitor)
    return await this.visitItems((name) => visitor(name))
  }

  /** As {@link visit}, with the objects. */
  async visitItems<Result>(
    visitor: (name: string, object: Hdf5Object) => Result | undefined | Promise<Result | undefined>,
  ): Promise<Result | undefined> {
    checkVisitor(visitor)
    for (const { name, info } of await this.access.ask<'walk'>({ do: 'walk', path: this.name })) {
      const result = await visitor(name, this.object(this.resolve(name), info))
      if (result !== undefined) return result
    }
    return undefined
  }

  /** The link itself, not what it leads to. @throws Hdf5Error `HDF5_NO_OBJECT` */
  async link(path: string): Promise<Link> {
    return await this.access.ask<'link'>({ do: 'link', path: this.resolve(path) })
  }

  /**
   * Makes a link: `createLink('latest', softLink('/runs/7'))`. Groups on the way are made.
   *
   * @throws Hdf5Error `HDF5_EXISTS`; `HDF5_NO_OBJECT` when a hard link's target does not exist
   */
  async createLink(path: string, link: NewLink): Promise<void> {
    await this.access.change({ do: 'createLink', path: this.resolve(path), link: checkedLink(link, this.name) })
  }

  /** Removes the name; the object goes with its last one. @throws Hdf5Error `HDF5_NO_OBJECT` */
  async delete(path: string): Promise<void> {
    const name = this.resolve(path)
    if (name === '/') throw misused('The root group cannot be deleted.', this.file.path)
    await this.access.change({ do: 'delete', path: name })
  }

  /** Makes a group, and the groups on the way to it. @throws Hdf5Error `HDF5_EXISTS` */
  async createGroup(path: string): Promise<Group> {
    const name = this.resolve(path)
    await this.access.change({ do: 'createGroup', path: name, exist: false })
    return new Group(this.access, name)
  }

  /** The group at this path, which is made if there is none. @throws Hdf5Error `HDF5_KIND` */
  async requireGroup(path: string): Promise<Group> {
    const name = this.resolve(path)
    const known = await this.describeIfThere(name)
    if (known !== null) return this.expect(this.object(name, known), Group, 'group')
    await this.access.change({ do: 'createGroup', path: name, exist: true })
    return new Group(this.access, name)
  }

  /**
   * Makes a dataset, and the groups on the way to it.
   *
   * @example
   * ```ts
   * await file.createDataset('run-7/trace', { shape: [0, 1500], maxShape: [null, 1500], dtype: 'float32', gzip: 4, shuffle: true })
   * ```
   * @throws Hdf5Error `HDF5_EXISTS` without `overwrite`; `HDF5_SHAPE`, `HDF5_TYPE`, `HDF5_RANGE`, `HDF5_INVALID`, `HDF5_NEEDS_LIBRARY`
   */
  async createDataset(path: string, options: CreateDatasetOptions): Promise<Dataset> {
    const name = this.resolve(path)
    checkDatasetOptions(options)
    if (name === '/') throw misused('The root group cannot be a dataset.', this.file.path)
    if (options.dtype !== undefined) this.parsed(options.dtype, name)
    await this.access.change({ do: 'createDataset', path: name, options })
    return new Dataset(this.access, name)
  }

  /**
   * The dataset at this path, which is made if there is none.
   *
   * @throws Hdf5Error `HDF5_SHAPE`, `HDF5_TYPE` when the one that is there has another shape, or a type that will not do; `HDF5_KIND`
   */
  async requireDataset(path: string, options: RequireDatasetOptions): Promise<Dataset> {
    const name = this.resolve(path)
    checkDatasetOptions(options, ['exact'])
    const { exact = false, ...creation } = options
    if (options.shape === undefined || options.dtype === undefined) throw misused('requireDataset needs a shape and a dtype.')
    if (typeof exact !== 'boolean') throw misused(`exact is true or false, not ${shown(exact)}.`)
    const dtype = this.parsed(options.dtype, name)
    for (let tries = 1; ; tries++) {
      const known = await this.describeIfThere(name)
      if (known !== null) {
        this.checkRequired(name, known, options.shape, dtype, exact)
        return new Dataset(this.access, name)
      }
      try {
        await this.access.change({ do: 'createDataset', path: name, options: creation })
        return new Dataset(this.access, name)
      } catch (error) {
        if (!isHdf5Error(error, 'HDF5_EXISTS') || tries === MOST_TRIES) throw error
      }
    }
  }

  /** A reference to it, to be stored in this file. */
  get ref(): Promise<Reference> {
    return this.access.ask<'reference'>({ do: 'reference', path: this.name }) as Promise<Reference>
  }

  /** The same group, with another patience: `group.with({ timeout: 100 }).keys()`. */
  with(options: AccessOptions): Group {
    return new Group(this.access.with(options), this.name)
  }

  private resolve(path: string): string {
    return objectPath(this.name, path)
  }

  private describe(path: string): Promise<ObjectInfo> {
    return this.access.ask<'describe'>({ do: 'describe', path })
  }

  private async describeIfThere(path: string): Promise<ObjectInfo | null> {
    try {
      return await this.describe(path)
    } catch (error) {
      if (isHdf5Error(error, 'HDF5_NO_OBJECT')) return null
      throw error
    }
  }

  private object(name: string, { kind }: ObjectInfo): Hdf5Object {
    if (kind === 'group') return new Group(this.access, name)
    return kind === 'dataset' ? new Dataset(this.access, name) : new Datatype(this.access, name)
  }

  private expect<Wanted extends Hdf5Object>(object: Hdf5Object, kind: abstract new (...options: never[]) => Wanted, word: string): Wanted {
    if (object instanceof kind) return object
    throw this.problem('HDF5_KIND', object.name, `it is a ${object.kind}, not a ${word}`)
  }

  private referred({ path }: Reference): string {
    if (path !== null) return path
    throw this.problem('HDF5_NO_OBJECT', this.name, 'the reference is empty, or its object is gone')
  }

  private parsed(dtype: DtypeLike, object: string): Dtype {
    return parseDtype(dtype, { file: this.file.path, object })
  }

  private checkRequired(name: string, info: ObjectInfo, shape: readonly number[], dtype: Dtype, exact: boolean): void {
    if (info.kind !== 'dataset') throw this.problem('HDF5_KIND', name, `it is a ${info.kind}, not a dataset`)
    if (info.shape === null || info.shape.length !== shape.length || shape.some((length, axis) => length !== info.shape![axis])) {
      const has = info.shape === null ? 'no elements' : `the shape ${shownShape(info.shape)}`
      throw this.problem('HDF5_SHAPE', name, `it has ${has}, and ${shownShape(shape)} is required`)
    }
    if (!canHold(info.dtype, dtype, exact)) {
      const wanted = `${describeDtype(dtype)} is required${exact ? ' exactly' : ''}`
      throw this.problem('HDF5_TYPE', name, `its elements are ${describeDtype(info.dtype)}, and ${wanted}`)
    }
  }

  private problem(code: 'HDF5_KIND' | 'HDF5_NO_OBJECT' | 'HDF5_SHAPE' | 'HDF5_TYPE', object: string, message: string): Hdf5Error {
    const file = this.file.path
    return new Hdf5Error(code, `${object} in ${file}: ${message}.`, { file, object })
  }
}

function checkVisitor(visitor: unknown): void {
  if (typeof visitor !== 'function') throw misused(`A visitor is a function, not ${shown(visitor)}.`)
}

function isReference(value: unknown): value is Reference {
  return typeof value === 'object' && value !== null && (value as Partial<Reference>).type === 'reference'
}
