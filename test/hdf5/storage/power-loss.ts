// SPDX-License-Identifier: MIT
// What may be left of a file and of its journal when the power goes: what was synced, and of the rest any part, by sectors, in no order.
import { rmSync, writeFileSync } from 'node:fs'
import type { Watcher } from './faulty-disk.ts'

const SECTOR_BYTES = 512

type Change = { readonly position: number; readonly bytes: Buffer } | { readonly length: number }

class Inode {
  durable: Buffer
  pending: Change[] = []

  constructor(durable: Buffer) {
    this.durable = durable
  }

  sync(): void {
    for (const change of this.pending) this.durable = changed(this.durable, change)
    this.pending = []
  }

  /** Each sector of each write survives or not. */
  survivor(random: () => number): Buffer {
    let bytes: Buffer = Buffer.from(this.durable)
    const odds = random() % 5
    const survives = (): boolean => random() % 4 < odds
    for (const change of this.pending) {
      if ('length' in change) {
        if (survives()) bytes = changed(bytes, change)
        continue
      }
      for (let from = 0; from < change.bytes.length; ) {
        const position = change.position + from
        const to = Math.min(change.bytes.length, from + SECTOR_BYTES - (position % SECTOR_BYTES))
        if (survives()) bytes = changed(bytes, { position, bytes: change.bytes.subarray(from, to) })
        from = to
      }
    }
    return bytes
  }
}

function changed(before: Buffer, change: Change): Buffer {
  const length = 'length' in change ? change.length : Math.max(before.length, change.position + change.bytes.length)
  const after = Buffer.alloc(length)
  before.copy(after)
  if ('bytes' in change) change.bytes.copy(after, change.position)
  return after
}

/** A file that is whole on the disk, and its journal, which is not there yet. */
export class Disk {
  private readonly path: string
  private readonly journal: string
  private readonly file: Inode
  private readonly open = new Map<number, Inode | 'folder'>()
  /** Which journal is in the folder: the last entry is durable, or all before it. */
  private entries: (Inode | null)[] = [null]

  constructor(path: string, journal: string, content: Buffer) {
    this.path = path
    this.journal = journal
    this.file = new Inode(Buffer.from(content))
  }

  readonly watch: Watcher = (name, args, go) => {
    const result = go()
    if (name === 'openSync') this.opened(args[0] as string, result as number)
    else if (name === 'writeSync') this.wrote(args as [number, Uint8Array, number, number, number])
    else if (name === 'ftruncateSync') this.inode(args[0]).pending.push({ length: args[1] as number })
    else if (name === 'fsyncSync' || name === 'fdatasyncSync') this.sync(args[0] as number)
    else if (name === 'unlinkSync' && args[0] === this.journal) this.entries.push(null)
    return result
  }

  /** Leaves on the real disk what this one may have. */
  lose(random: () => number): void {
    const entry = this.entries[random() % this.entries.length]!
    writeFileSync(this.path, this.file.survivor(random))
    if (entry === null) rmSync(this.journal, { force: true })
    else writeFileSync(this.journal, entry.survivor(random))
  }

  private opened(path: string, fd: number): void {
    if (path === this.path) this.open.set(fd, this.file)
    else if (path === this.journal) {
      const inode = new Inode(Buffer.alloc(0))
      this.entries.push(inode)
      this.open.set(fd, inode)
    } else this.open.set(fd, 'folder')
  }

  private wrote([fd, bytes, offset, length, position]: [number, Uint8Array, number, number, number]): void {
    this.inode(fd).pending.push({ position, bytes: Buffer.from(bytes.subarray(offset, offset + length)) })
  }

  private sync(fd: number): void {
    const one = this.open.get(fd)
    if (one === 'folder') this.entries = this.entries.slice(-1)
    else this.inode(fd).sync()
  }

  private inode(fd: unknown): Inode {
    const one = this.open.get(fd as number)
    if (one === undefined || one === 'folder') throw new Error(`Descriptor ${fd} is no file that is known here.`)
    return one
  }
}
