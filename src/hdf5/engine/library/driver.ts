// SPDX-License-Identifier: MIT
// A virtual file driver: the HDF5 library reads and writes through these callbacks, and they go to a StoredFile, whose journal sees every byte.
// No exception of ours may pass through C, so that each callback catches all and answers as C functions do. Failures to write are not even told:
// a library that cannot write can neither go on nor let go of the file. It is left in the belief that it has written, and asked to close.
import type { LibHdf5 } from '../../../native/libhdf5.ts'
import type { StoredFile } from '../../storage/stored-file.ts'
import type { Calls, Id } from './calls.ts'

const UNDEFINED_ADDRESS = 0xffff_ffff_ffff_ffffn
const HIGHEST_ADDRESS = 0x7fff_ffff_ffff_ffffn
/** From the range that is free for drivers which are not registered with the HDF Group. */
const DRIVER_VALUE = 600
const DRIVER_CLASS_VERSION = 1
/** Nothing stays open behind a file that is closed. */
const CLOSE_STRONG = 3
/** Metadata and small data are gathered into larger blocks, cached and sieved, and the file is what the usual driver makes: as in that driver. */
const FEATURES = 0x801fn
/** Larger than the part of an open file that the library fills in. */
const OPEN_FILE_BYTES = 512
const NAME = 'holdfast'
/** What is read or written at once. */
const PIECE_BYTES = 2 ** 20

type Callback = (...parameters: never[]) => number | bigint

/** True for the versions whose struct H5FD_class_t we know, and which know how to limit the format of what they write. */
export function isKnownVersion([major, minor, release]: LibHdf5['version']): boolean {
  if (major === 1) return (minor === 10 && release >= 2) || minor === 12 || minor === 14
  return major === 2
}

/** The driver of this thread. It serves one file at a time. */
export class Driver {
  readonly id: Id
  /** The name of another file that the library wanted to open, since the last {@link begin}. */
  otherFile: string | null = null
  /** The first thing that was thrown in a callback since the last {@link begin}; what the library makes of it says less. */
  failure: unknown
  private readonly process: LibHdf5
  private readonly piece = new Uint8Array(PIECE_BYTES)
  private stored: StoredFile | null = null
  /** What the library takes for the open file; one that it never closed stays allocated. */
  private openFile: bigint | null = null
  private endOfAllocated = 0
  /** What would have been written after a failure: the library may read it again. */
  private unwritten: { readonly position: number; readonly bytes: Uint8Array }[] | null = null

  /** @throws when the library does not accept the driver. */
  constructor(process: LibHdf5, calls: Calls) {
    this.process = process
    this.id = calls.H5FDregister(this.driverClass())
    if (this.id < 0) throw new Error('It does not accept our file driver.')
  }

  begin(stored: StoredFile): void {
    this.stored = stored
    this.openFile = null
    this.otherFile = null
    this.failure = undefined
    this.unwritten = null
  }

  end(): void {
    this.stored = null
    this.unwritten = null
  }

  private file(): StoredFile {
    if (this.stored === null) throw new Error('There is no file.')
    return this.stored
  }

  /** struct H5FD_class_t. Each entry takes 8 bytes; from 1.14 on there are some more of them. */
  private driverClass(): bigint {
    const { version } = this.process
    const isLong = version[0] > 1 || version[1] >= 14
    const none = (count: number): bigint[] => new Array<bigint>(count).fill(0n)
    const entries = BigUint64Array.from([
      ...(isLong ? [BigInt(DRIVER_CLASS_VERSION) | (BigInt(DRIVER_VALUE) << 32n)] : []),
      this.kept(new TextEncoder().encode(`${NAME}\0`)),
      HIGHEST_ADDRESS,
      BigInt(CLOSE_STRONG),
      ...none(4), // terminate, sb_size, sb_encode, sb_decode
      ...none(4), // fapl_size, fapl_get, fapl_copy, fapl_free
      ...none(3), // dxpl_size, dxpl_copy, dxpl_free
      this.callback('uintptr_t', ['str', 'uint', 'int64_t', 'uint64_t'], 0, (path: string) => this.open(path)),
      this.callback('int', ['void *'], -1, (file: bigint) => this.close(file)),
      ...none(1), // cmp: files are told apart by their class and address
      this.callback('int', ['void *', 'void *'], -1, (_file: bigint, features: bigint | null) => this.query(features)),
      ...none(3), // get_type_map, alloc, free
      this.callback('uint64_t', ['void *', 'int'], UNDEFINED_ADDRESS, () => this.endOfAllocated),
      this.callback('int', ['void *', 'int', 'uint64_t'], -1, (_file: bigint, _kind: number, end: number | bigint) => {
        this.endOfAllocated = Number(end)
        return 0
      }),
      this.callback('uint64_t', ['void *', 'int'], UNDEFINED_ADDRESS, () => this.file().size),
      ...none(1), // get_handle
      this.transfer((position, length, at) => this.read(position, length, at)),
      this.transfer((position, length, at) => this.write(position, length, at)),
      ...none(isLong ? 4 : 0), // read_vector, write_vector, read_selection, write_selection
      ...none(1), // flush
      this.callback('int', ['void *', 'int64_t', 'bool'], -1, () => this.truncate()),
      ...none(2), // lock, unlock: the StoredFile holds the locks
      ...none(isLong ? 2 : 0), // del, ctl
      // fl_map: which kinds of memory share a list of free space. Metadata and data have one each, as in the usual driver.
      ...pairs([1, 1, 1, 3, 3, 1, 1, 0]),
    ])
    return this.kept(entries)
  }

  /** A copy that the library may keep: it is never freed, since the library outlives us. */
  private kept(bytes: ArrayBufferView): bigint {
    const { koffi, copyTo } = this.process
    const address = koffi.address(koffi.alloc('uint8_t', bytes.byteLength))
    copyTo(address, bytes, bytes.byteLength)
    return address
  }

  private callback(result: string, parameters: string[], failed: number | bigint, work: Callback): bigint {
    const { koffi } = this.process
    const careful = (...values: unknown[]): number | bigint => {
      try {
        return work(...(values as never[]))
      } catch (error) {
        this.failure ??= error
        return failed
      }
    }
    return koffi.register(careful, koffi.pointer(koffi.proto(result, parameters)))
  }

  private transfer(work: (position: number, length: number, at: bigint) => number): bigint {
    type Parameters = [file: bigint, kind: number, list: Id, position: number | bigint, length: number | bigint, at: bigint]
    return this.callback('int', ['void *', 'int', 'int64_t', 'uint64_t', 'size_t', 'void *'], -1, (...parameters: Parameters) => {
      const [, , , position, length, at] = parameters
      return work(Number(position), Number(length), at)
    })
  }

  /** The library opens a file more than once on the way, one after the other. Whatever it opens beside it is another file, behind a link. */
  private open(path: string): bigint | number {
    if (this.openFile !== null) {
      this.otherFile = path
      return 0
    }
    const { koffi } = this.process
    this.openFile = koffi.address(koffi.alloc('uint8_t', OPEN_FILE_BYTES))
    this.endOfAllocated = 0
    return this.openFile
  }

  private close(file: bigint): number {
    this.process.koffi.free(file)
    this.openFile = null
    return 0
  }

  private query(features: bigint | null): number {
    if (features !== null) this.process.copyTo(features, BigUint64Array.of(FEATURES), 8)
    return 0
  }

  private read(position: number, length: number, at: bigint): number {
    for (let done = 0; done < length; done += PIECE_BYTES) {
      const piece = this.piece.subarray(0, length - done)
      piece.fill(0, this.file().read(piece, position + done))
      for (const written of this.unwritten ?? []) overlay(piece, position + done, written)
      this.process.copyTo(at + BigInt(done), piece, piece.length)
    }
    return 0
  }

  private write(position: number, length: number, at: bigint): number {
    for (let done = 0; done < length; done += PIECE_BYTES) {
      const piece = this.piece.subarray(0, length - done)
      this.process.copyFrom(piece, at + BigInt(done), piece.length)
      this.change((stored) => stored.write(piece, position + done))
      this.unwritten?.push({ position: position + done, bytes: piece.slice() })
    }
    return 0
  }

  private truncate(): number {
    this.change((stored) => {
      if (stored.size !== this.endOfAllocated) stored.truncate(this.endOfAllocated)
    })
    return 0
  }

  private change(work: (stored: StoredFile) => void): void {
    if (this.unwritten !== null) return
    try {
      work(this.file())
    } catch (error) {
      this.failure ??= error
      this.unwritten = []
    }
  }
}

function overlay(into: Uint8Array, position: number, piece: { readonly position: number; readonly bytes: Uint8Array }): void {
  const from = Math.max(position, piece.position)
  const to = Math.min(position + into.length, piece.position + piece.bytes.length)
  if (from < to) into.set(piece.bytes.subarray(from - piece.position, to - piece.position), from - position)
}

/** Numbers of 32 bits, two to a word. */
function pairs(numbers: readonly number[]): bigint[] {
  const words: bigint[] = []
  for (let at = 0; at < numbers.length; at += 2) words.push(BigInt(numbers[at]!) | (BigInt(numbers[at + 1]!) << 32n))
  return words
}
