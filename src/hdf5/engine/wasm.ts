// SPDX-License-Identifier: MIT
// h5wasm: the HDF5 library, compiled to WebAssembly. Loaded here alone; every call of it goes through an Engine, which makes errors of its silences.
import { isLockError } from '../../core/errors.ts'
import { Hdf5Error, isHdf5Error } from '../errors.ts'
import { asHdf5Error } from '../storage/failures.ts'
import { problem, type Where } from '../where.ts'
import type { H5Module } from './h5-module.ts'
import { KeptFiles } from './kept-files.ts'
import { failureOf, stacksIn } from './wasm-failures.ts'
import { type Attachment, type Source, WasmFiles } from './wasm-files.ts'

export type { H5Module } from './h5-module.ts'

const RDONLY = 0
const RDWR = 1
const TRUNC = 2
const ANY_VERSION = -1
/** H5F_LIBVER_V110. */
const V110 = 2
const STDERR = 2

/** Errors thrown through the compiled library leave its stack, of 2 MiB, where it was: so many do not matter. */
const MOST_THROWN = 200
/** Objects that it did not close keep memory. */
const MOST_LEFT_OPEN = 20
/** The heap never shrinks. */
const MOST_HEAP_BYTES = 768 * 2 ** 20

/**
 * Starts an instance of the library with a memory of its own.
 *
 * @throws Hdf5Error `HDF5_NEEDS_LIBRARY` when h5wasm is not installed
 */
export async function loadEngine(): Promise<Engine> {
  let factory: (options: object) => Promise<H5Module>
  try {
    // What `h5wasm/node` is made of. Itself it makes one instance only, and one that has crashed has to be replaced.
    const program = new URL('hdf5_util.js', import.meta.resolve('h5wasm/node'))
    factory = ((await import(program.href)) as { default: typeof factory }).default
  } catch (cause) {
    throw new Hdf5Error('HDF5_NEEDS_LIBRARY', 'HDF5 files need h5wasm, which is not installed here: npm install h5wasm', { cause })
  }
  const silent = () => undefined
  return new Engine(await factory({ noInitialRun: true, print: silent, printErr: silent }))
}

/** One instance of the library. */
export class Engine {
  readonly module: H5Module
  readonly kept: KeptFiles = new KeptFiles(this)
  private readonly files: WasmFiles
  private printed: Uint8Array[] = []
  private thrown = 0
  private leftOpen = 0
  private crash: unknown

  constructor(module: H5Module) {
    this.module = module
    this.files = new WasmFiles(module.FS)
    const stream = module.FS.streams[STDERR]!
    stream.node = { mode: 0o020666 }
    stream.stream_ops = {
      write: (_: unknown, buffer: ArrayBufferView, offset: number, length: number) => {
        this.printed.push(new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length).slice())
        return length
      },
    }
  }

  /** Nothing that it holds in memory can be relied on: no call may follow. */
  get hasCrashed(): boolean {
    return this.crash !== undefined
  }

  /** Better replaced, when nothing is open in it. */
  get isWorn(): boolean {
    const { thrown, leftOpen, module } = this
    return this.hasCrashed || thrown > MOST_THROWN || leftOpen > MOST_LEFT_OPEN || module.HEAPU8.length > MOST_HEAP_BYTES
  }

  /** How many files it was made to open so far that are no session's own: external links lead to them. */
  get foreignFiles(): number {
    return this.files.foreignFiles
  }

  /** Leaves a file open that belongs to no session now. */
  setAside(file: Attachment): void {
    this.files.setAside(file)
  }

  /** It is a session's again. */
  resume(file: Attachment): void {
    this.files.resume(file)
  }

  /** Opens a file, whose bytes come from and go to its source. @throws Hdf5Error, mostly `HDF5_NOT_HDF5` */
  open(file: Attachment, mode: 'read' | 'write'): bigint {
    return this.openAs(file, mode === 'read' ? RDONLY : RDWR)
  }

  /**
   * Closes it, with all that the library had in memory of it written.
   *
   * @throws Hdf5Error when that failed, or when the library still has parts of it open
   */
  close(file: Attachment, id: bigint): void {
    const where = { file: file.path, object: '/' }
    let left = 0
    try {
      this.call(file, where, () => this.module.close_file(id))
    } finally {
      left = this.files.detach(file)
      this.leftOpen += left + this.files.closeForeign()
    }
    if (left > 0) throw problem('HDF5_FAILED', where, 'the HDF5 library left it open.')
  }

  /**
   * Runs a function of the library.
   *
   * @param file in whose service it runs
   * @throws Hdf5Error for what the library printed or threw; what the file's source threw; what `work` threw of its own
   */
  call<Result>(file: Attachment, where: Where, work: () => Result): Result {
    if (this.hasCrashed) throw this.crashed(where)
    this.printed = []
    this.files.forget()
    let result: Result
    try {
      result = this.files.inService(file, work)
    } catch (error) {
      throw this.meaningOf(error, where)
    }
    if (this.printed.length > 0) {
      const stacks = stacksIn(this.text())
      if (stacks.length > 0) throw this.sourceFailure(where) ?? failureOf(stacks, where)
    }
    return result
  }

  /** An HDF5 file with nothing in it, in a format that HDF5 1.10 and later read. */
  emptyFile(): Uint8Array {
    const file = { path: '/empty', source: new MemoryFile() }
    this.close(file, this.openAs(file, TRUNC, V110))
    return file.source.content
  }

  private openAs(file: Attachment, mode: number, version: number = ANY_VERSION): bigint {
    const where = { file: file.path, object: '/' }
    this.files.attach(file)
    let id = -1n
    try {
      id = this.call(file, where, () => this.module.open(file.path, mode, false, version, version))
      if (id < 0n) throw problem('HDF5_FAILED', where, 'it cannot be opened.')
      return id
    } catch (error) {
      if (id < 0n) this.leftOpen += this.files.detach(file)
      throw error
    }
  }

  private text(): string {
    return Buffer.concat(this.printed).toString('utf8')
  }

  private sourceFailure({ file }: Where): Error | undefined {
    const { failure } = this.files
    return failure === undefined ? undefined : asHdf5Error(failure, file, 'read or written')
  }

  private meaningOf(error: unknown, where: Where): unknown {
    if (isHdf5Error(error) || isLockError(error)) return error
    if (isCrash(error)) {
      this.crash = error
      return this.crashed(where)
    }
    this.thrown++
    const stacks = stacksIn(this.text())
    const said = stacks.length > 0 ? failureOf(stacks, where) : undefined
    return this.sourceFailure(where) ?? said ?? problem('HDF5_FAILED', where, `HDF5 says: ${messageOf(error)}.`, error)
  }

  private crashed(where: Where): Hdf5Error {
    const reason = messageOf(this.crash)
    return problem('HDF5_FAILED', where, `the HDF5 library crashed, probably because the file is damaged: ${reason}.`, this.crash)
  }
}

class MemoryFile implements Source {
  content: Uint8Array = new Uint8Array(0)

  get size(): number {
    return this.content.length
  }

  read(into: Uint8Array, position: number): number {
    const part = this.content.subarray(position, position + into.length)
    into.set(part)
    return part.length
  }

  write(bytes: Uint8Array, position: number): void {
    this.truncate(Math.max(this.size, position + bytes.length))
    this.content.set(bytes, position)
  }

  truncate(length: number): void {
    const content = new Uint8Array(length)
    content.set(this.content.subarray(0, length))
    this.content = content
  }
}

/** A trap in the compiled code, its own abort, or its stack at an end. */
function isCrash(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return error.name === 'RuntimeError' || (error instanceof RangeError && error.message.includes('call stack'))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
