// SPDX-License-Identifier: MIT
// How an object reaches its file: in accesses of their own, one lock and one message each, or inside a session (session.ts).
import type { Answers, Durability, Operation, ReadOperation, WriteOperation } from '../engine/protocol.ts'
import { Hdf5Error } from '../errors.ts'
import type { File } from '../file.ts'
import { type AccessOptions, checkAccessOptions } from '../options.ts'
import type { FileLock, Mode } from './locking.ts'
import { OneShot } from './one-shot.ts'
import { postable } from './postable.ts'
import { inSession } from './session.ts'

/** What an object asks of its file. All of it rejects, and never throws. */
export interface Access {
  readonly file: File
  ask<Do extends ReadOperation['do']>(operation: Extract<ReadOperation, { readonly do: Do }>): Promise<Answers[Do]>
  change(operation: WriteOperation): Promise<undefined>
  /** Runs `work` with an access of which nobody else sees the middle. */
  together<Result>(work: (access: Access) => Promise<Result>): Promise<Result>
  /** @throws Hdf5Error `HDF5_INVALID` */
  with(options: AccessOptions): Access
}

/** What the accesses of one {@link File} have in common. */
export class Home {
  file!: File
  readonly lock: FileLock
  readonly writable: boolean
  readonly durability: Durability
  readonly options: AccessOptions
  /** Accesses under way. */
  private active = 0
  private closed = false
  private whenIdle: (() => void)[] = []

  constructor(lock: FileLock, writable: boolean, durability: Durability, options: AccessOptions) {
    this.lock = lock
    this.writable = writable
    this.durability = durability
    this.options = options
  }

  get path(): string {
    return this.lock.path
  }

  /** @throws Hdf5Error `HDF5_CLOSED`, `HDF5_READ_ONLY` */
  enter(mode: Mode): void {
    const { path: file } = this
    if (this.closed) throw new Hdf5Error('HDF5_CLOSED', `The file object of ${file} is closed.`, { file })
    if (mode === 'write' && !this.writable) throw new Hdf5Error('HDF5_READ_ONLY', `${file} was opened with mode "r".`, { file })
    this.active++
  }

  leave(): void {
    if (--this.active > 0) return
    for (const tell of this.whenIdle.splice(0)) tell()
  }

  close(): Promise<void> {
    this.closed = true
    return this.active === 0 ? Promise.resolve() : new Promise((resolve) => this.whenIdle.push(resolve))
  }
}

/** Every access takes the lock, opens the file, closes it and lets go. */
export class FileAccess implements Access {
  private readonly home: Home
  private readonly options: AccessOptions

  constructor(home: Home, options: AccessOptions) {
    this.home = home
    this.options = options
  }

  get file(): File {
    return this.home.file
  }

  ask<Do extends ReadOperation['do']>(operation: Extract<ReadOperation, { readonly do: Do }>): Promise<Answers[Do]> {
    return this.once('read', operation) as Promise<Answers[Do]>
  }

  change(operation: WriteOperation): Promise<undefined> {
    const ready = postable(operation)
    return (ready instanceof Promise ? this.changeLater(ready) : this.once('write', ready)) as Promise<undefined>
  }

  together<Result>(work: (access: Access) => Promise<Result>): Promise<Result> {
    return inSession({ home: this.home, mode: 'write', options: this.options }, (access) => work(access.inside))
  }

  with(options: AccessOptions): Access {
    checkAccessOptions(options)
    return new FileAccess(this.home, { ...this.options, ...options })
  }

  private once(mode: Mode, operation: Operation): Promise<unknown> {
    return new Promise((resolve, reject) => new OneShot(this.home, mode, operation, this.options, resolve, reject).begin())
  }

  private async changeLater(operation: Promise<Operation>): Promise<unknown> {
    const { home } = this
    try {
      home.enter('write')
    } catch (error) {
      operation.catch(() => undefined)
      throw error
    }
    try {
      return await this.once('write', await operation)
    } finally {
      home.leave()
    }
  }
}
