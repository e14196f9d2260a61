// SPDX-License-Identifier: MIT
// The files that the compiled library works on. It never has a descriptor of its own: whatever it opens, reads and writes goes through here, and a
// write reaches a file only if that belongs to a session which may write. Files that external links lead to are read under a shared flock.
import * as fs from 'node:fs'
import { lockFile } from '../../native/flock.ts'
import { Hdf5Error } from '../errors.ts'
import { SIGNATURE } from '../storage/signature.ts'
import type { EmscriptenFs, EmscriptenStream } from './h5-module.ts'

/** What a file of the library is made of. A {@link StoredFile} is one. */
export interface Source {
  readonly size: number
  /** Answers the bytes read: fewer at the end. */
  read(into: Uint8Array, position: number): number
  write(bytes: Uint8Array, position: number): void
  truncate(length: number): void
}

/** A source under the name by which the library opens it. */
export interface Attachment {
  readonly path: string
  readonly source: Source
}

interface OpenedStream extends EmscriptenStream {
  backing?: Backing
}

/** Emscripten's numbers for the errors that HDF5 is told; it only puts them into its messages. */
const ERRNO: Readonly<Record<string, number>> = { EACCES: 2, EDQUOT: 19, EFBIG: 22, ENOENT: 44, ENOSPC: 51, EROFS: 69 }
const EBADF = 8
const EIO = 29
const O_DIRECTORY = 0o200000
const SEEK_CUR = 1
const SEEK_END = 2
const REGULAR_FILE = 0o100600
/** HDF5 takes two files for one when device and inode are equal: these are made up, so that sessions never share what the library keeps of a file. */
const DEVICE = 1
const EPOCH = new Date(0)

export class WasmFiles {
  /** The first thing that went wrong in a source since {@link forget}. */
  failure: unknown
  /** How many files were asked for so far that are no session's own. */
  foreignFiles = 0
  /** The session's file in whose service the library works: its name means the session's source, any other name a foreign file. */
  private current: Backing | null = null
  private readonly fs: EmscriptenFs
  private readonly backings = new Map<Attachment, Backing>()
  /** Of files that are open in the library, and in no session. */
  private readonly idle = new Map<Attachment, Backing>()
  private identities = 0

  /** Takes the place of the file system's own functions. */
  constructor(emscripten: EmscriptenFs) {
    this.fs = emscripten
    const { close, read, write, llseek, stat, fstat, ftruncate } = emscripten
    const refuse = (): never => {
      throw new emscripten.ErrnoError(ERRNO.EROFS!)
    }
    Object.assign(emscripten, {
      truncate: refuse,
      unlink: refuse,
      rename: refuse,
      mkdir: refuse,
      rmdir: refuse,
      symlink: refuse,
      mknod: refuse,
    })
    emscripten.open = (path, flags) => this.open(path, flags)
    emscripten.close = (stream: OpenedStream) => {
      if (stream.backing === undefined) close(stream)
      else this.close(stream, stream.backing)
    }
    emscripten.read = (stream: OpenedStream, buffer, offset, length, position) => {
      if (stream.backing === undefined) return read(stream, buffer, offset, length, position)
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length)
      const count = stream.backing.read(bytes, position ?? stream.position)
      if (position === undefined) stream.position += count
      return count
    }
    emscripten.write = (stream: OpenedStream, buffer, offset, length, position) => {
      if (stream.backing === undefined) return stream.fd <= 2 ? write(stream, buffer, offset, length, position) : refuse()
      stream.backing.write(new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length), position ?? stream.position)
      if (position === undefined) stream.position += length
      return length
    }
    emscripten.llseek = (stream: OpenedStream, offset, whence) => {
      if (stream.backing === undefined) return llseek(stream, offset, whence)
      const from = whence === SEEK_CUR ? stream.position : whence === SEEK_END ? stream.backing.size : 0
      stream.position = from + offset
      return stream.position
    }
    emscripten.stat = (path, isLink) => (path === this.current?.path ? this.current.stat() : stat(path, isLink))
    emscripten.fstat = (fd) => backingOf(emscripten, fd)?.stat() ?? fstat(fd)
    emscripten.ftruncate = (fd, length) => {
      const backing = backingOf(emscripten, fd)
      if (backing === undefined) ftruncate(fd, length)
      else backing.truncate(length)
    }
  }

  forget(): void {
    this.failure = undefined
  }

  /** Runs with `attachment` as the file that its name means. */
  inService<Result>(attachment: Attachment, work: () => Result): Result {
    const before = this.current
    this.current = this.backings.get(attachment) ?? null
    try {
      return work()
    } finally {
      this.current = before
    }
  }

  attach(attachment: Attachment): void {
    this.backings.set(attachment, this.backing(attachment.path, attachment.source))
  }

  /** It stays open in the library, which is not to be called for it until {@link resume}. */
  setAside(attachment: Attachment): void {
    move(attachment, this.backings, this.idle)
  }

  resume(attachment: Attachment): void {
    move(attachment, this.idle, this.backings)
  }

  /** The library may keep streams open over an error: from now on they have nothing behind them. Answers how many there are. */
  detach(attachment: Attachment): number {
    const backing = this.backings.get(attachment)
    this.backings.delete(attachment)
    backing?.revoke()
    return this.openStreams(backing)
  }

  /** Closes foreign files that the library has not closed, when no session has one of ours open. Answers how many there were. */
  closeForeign(): number {
    if (this.backings.size > 0) return 0
    let left = 0
    for (const stream of this.fs.streams as (OpenedStream | null | undefined)[]) {
      if (!(stream?.backing?.source instanceof ForeignFile) || stream.backing.isRevoked) continue
      stream.backing.revoke()
      left++
    }
    return left
  }

  private openStreams(backing: Backing | undefined): number {
    return this.fs.streams.filter((stream) => backing !== undefined && (stream as OpenedStream | null | undefined)?.backing === backing)
      .length
  }

  private open(path: string, flags: number): EmscriptenStream {
    // Where plugins for compression would lie, which are no use: they are made for the processor.
    if ((flags & O_DIRECTORY) !== 0) throw new this.fs.ErrnoError(ERRNO.ENOENT!)
    const { current } = this
    const backing = current !== null && path === current.path ? current : this.backing(path, this.foreign(path))
    return this.fs.createStream({ backing, path, position: 0, flags: 0, node: { mode: REGULAR_FILE }, seekable: true, nfd: -1 })
  }

  private foreign(path: string): ForeignFile {
    this.foreignFiles++
    try {
      return new ForeignFile(path)
    } catch (error) {
      // HDF5 looks for a file in several places: that one is missing says nothing yet.
      if ((error as { code?: string }).code !== 'ENOENT') this.failure ??= error
      throw this.errno(error)
    }
  }

  private close(stream: OpenedStream, backing: Backing): void {
    this.fs.closeStream(stream.fd)
    if (backing.source instanceof ForeignFile) backing.source.close()
  }

  private backing(path: string, source: Source): Backing {
    return new Backing(path, source, ++this.identities, (error) => {
      this.failure ??= error
      return this.errno(error)
    })
  }

  /** Only errors of this kind may pass through the compiled library; any other would leave it in the middle of its work. */
  private errno(error: unknown): Error {
    return new this.fs.ErrnoError(ERRNO[(error as { code?: string })?.code ?? ''] ?? EIO)
  }
}

class Backing {
  readonly path: string
  readonly source: Source
  isRevoked = false
  private readonly identity: number
  private readonly failed: (error: unknown) => Error

  constructor(path: string, source: Source, identity: number, failed: (error: unknown) => Error) {
    this.path = path
    this.source = source
    this.identity = identity
    this.failed = failed
  }

  get size(): number {
    return this.isRevoked ? 0 : this.attempt(() => this.source.size)
  }

  read(into: Uint8Array, position: number): number {
    if (this.isRevoked) throw this.failed({ code: EBADF })
    try {
      return this.source.read(into, position)
    } catch (error) {
      throw this.failed(error)
    }
  }

  write(bytes: Uint8Array, position: number): void {
    if (!this.isRevoked) this.attempt(() => this.source.write(bytes, position))
  }

  truncate(length: number): void {
    if (!this.isRevoked) this.attempt(() => this.source.truncate(length))
  }

  stat(): object {
    const { size, identity: ino } = this
    const blocks = Math.ceil(size / 512)
    return {
      dev: DEVICE,
      ino,
      mode: REGULAR_FILE,
      nlink: 1,
      uid: 0,
      gid: 0,
      rdev: 0,
      blocks,
      size,
      atime: EPOCH,
      mtime: EPOCH,
      ctime: EPOCH,
    }
  }

  revoke(): void {
    this.isRevoked = true
    if (this.source instanceof ForeignFile) this.source.close()
  }

  private attempt<Result>(step: () => Result): Result {
    try {
      return step()
    } catch (error) {
      throw this.failed(error)
    }
  }
}

/** A file that an external link leads to: only read, and not while somebody writes it. */
class ForeignFile implements Source {
  private readonly path: string
  private readonly fd: number
  private closed = false

  constructor(path: string) {
    this.path = path
    this.fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY)
    let isUsable = false
    try {
      if (!fs.fstatSync(this.fd).isFile()) throw new Hdf5Error('HDF5_LINK', `${path} is not a regular file.`, { file: path })
      if (!lockFile(this.fd, 'shared')) {
        throw new Hdf5Error('HDF5_LINK', `${path}, which an external link leads to, is being written at the moment.`, { file: path })
      }
      isUsable = true
    } finally {
      if (!isUsable) fs.closeSync(this.fd)
    }
  }

  get size(): number {
    return fs.fstatSync(this.fd).size
  }

  read(into: Uint8Array, position: number): number {
    let done = 0
    while (done < into.length) {
      const count = fs.readSync(this.fd, into, done, into.length - done, position + done)
      if (count === 0) break
      done += count
    }
    return done
  }

  /** From within a transaction HDF5 opens it for writing, too, and would mark it as open: that is pretended. */
  write(bytes: Uint8Array): void {
    if (SIGNATURE.every((byte, index) => bytes[index] === byte)) return
    const text = `${this.path} is reached by an external link, and only read: open it itself to write it.`
    throw new Hdf5Error('HDF5_LINK', text, { file: this.path })
  }

  /** HDF5 would cut off what it does not use. */
  truncate(): void {}

  close(): void {
    if (!this.closed) fs.closeSync(this.fd)
    this.closed = true
  }
}

function move(attachment: Attachment, from: Map<Attachment, Backing>, to: Map<Attachment, Backing>): void {
  const backing = from.get(attachment)
  if (backing === undefined) return
  from.delete(attachment)
  to.set(attachment, backing)
}

function backingOf({ streams }: EmscriptenFs, fd: number): Backing | undefined {
  return (streams[fd] as OpenedStream | null | undefined)?.backing
}
