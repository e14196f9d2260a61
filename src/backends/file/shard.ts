// SPDX-License-Identifier: MIT
// The shard files of a lock directory, as this process has them open. Each is opened when first needed and kept open for the next time; the
// kernel's locks belong to that one descriptor.
import * as fs from 'node:fs'
import { LockError } from '../../core/errors.ts'
import { touch } from '../../native/touch.ts'
import type { LockDirectory } from './directory.ts'
import type { Descriptor } from './mode-lock.ts'

/** Descriptors kept open though nothing is held through them. */
const KEPT_OPEN = 1024

export class Shard implements Descriptor {
  readonly path: string
  readonly name: string
  /** Requests that hold or wait for something in it. Its descriptor is not closed meanwhile. */
  users = 0
  /** Replaced or removed by somebody: it is never opened again. */
  gone = false
  private readonly shards: Shards
  private descriptor = -1
  private inode = 0

  constructor(shards: Shards, index: number) {
    this.shards = shards
    this.name = index.toString(16).padStart(3, '0')
    this.path = shards.directory.file('shards', this.name)
  }

  get fd(): number {
    if (this.descriptor < 0) {
      if (this.gone) throw new LockError('LOCK_LOST', `The lock file ${this.path} was replaced or removed.`)
      this.descriptor = this.shards.open(this)
      this.inode = fs.fstatSync(this.descriptor).ino
    }
    return this.descriptor
  }

  get isOpen(): boolean {
    return this.descriptor >= 0
  }

  /** The file that we have open is the one that others find at its path. */
  get intact(): boolean {
    return this.descriptor < 0 || fs.statSync(this.path, { throwIfNoEntry: false })?.ino === this.inode
  }

  /** Makes those who watch the file look again: they hear that its times have changed. */
  ring(): void {
    touch(this.path)
  }

  close(): void {
    if (this.descriptor < 0) return
    fs.closeSync(this.descriptor)
    this.descriptor = -1
  }
}

export class Shards {
  readonly directory: LockDirectory
  private readonly known = new Map<number, Shard>()
  private opened = 0
  private keep = KEPT_OPEN

  constructor(directory: LockDirectory) {
    this.directory = directory
  }

  at(index: number): Shard {
    let shard = this.known.get(index)
    if (shard === undefined) {
      shard = new Shard(this, index)
      this.known.set(index, shard)
    }
    return shard
  }

  *[Symbol.iterator](): Iterator<Shard> {
    for (const shard of this.known.values()) if (shard.isOpen) yield shard
  }

  /** @internal */
  open(shard: Shard): number {
    if (this.opened >= this.keep) this.closeIdle()
    let fd: number
    try {
      fd = this.directory.open('shards', shard.name)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EMFILE' && code !== 'ENFILE') throw error
      this.closeIdle()
      fd = this.directory.open('shards', shard.name)
    }
    this.opened++
    return fd
  }

  /** Forgets files that were replaced or removed, or `all`; answers them. What was held through them is worth nothing any more. */
  dropReplaced(all: boolean): Set<Shard> {
    const dropped = new Set<Shard>()
    for (const [index, shard] of this.known) {
      if (!all && shard.intact) continue
      if (shard.isOpen) this.opened--
      dropped.add(shard)
      this.known.delete(index)
      shard.gone = true
      shard.close()
    }
    return dropped
  }

  close(): void {
    for (const shard of this.known.values()) shard.close()
    this.known.clear()
    this.opened = 0
  }

  private closeIdle(): void {
    for (const shard of this) {
      if (shard.users > 0) continue
      shard.close()
      this.opened--
    }
    this.keep = Math.max(KEPT_OPEN, 2 * this.opened)
  }
}
