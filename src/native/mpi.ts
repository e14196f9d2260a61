// SPDX-License-Identifier: MIT
// The MPI library of this system: found, loaded and started, without a compiler.
import { LockError } from '../core/errors.ts'
import { libc } from './libc.ts'
import { handlesOf, type MpiFamily, type MpiHandles, OPENMPI_WORLD } from './mpi-handles.ts'

type LibC = ReturnType<typeof libc>

/** A library that was loaded, and not started yet. */
export interface Mpi {
  readonly family: MpiFamily
  /** The name it was found under. */
  readonly name: string
  readonly handles: MpiHandles
  readonly library: LibC['library']
}

const NAMES: Readonly<Record<MpiFamily, readonly string[]>> = {
  mpich: ['libmpich.so.12', 'libmpi.so.12'],
  openmpi: ['libmpi.so.40'],
}

/**
 * Read by UCX, on which both families may be built, when it is loaded. It would otherwise probe the heap in a way that another thread's `malloc` does
 * not survive, and take SIGSEGV from V8, which needs it for WebAssembly.
 */
const ENVIRONMENT = { UCX_MEM_EVENTS: 'n', UCX_HANDLE_ERRORS: 'none' } as const

const THREAD_FUNNELED = 1

/**
 * The library that the environment variable HOLDFAST_MPI_LIBRARY names, else the first of the usual names of these families that can be loaded.
 *
 * @throws LockError `LOCK_UNSUPPORTED` when there is none.
 */
export function loadMpi(families: readonly MpiFamily[]): Mpi {
  if (process.platform !== 'linux') throw new LockError('LOCK_UNSUPPORTED', `MPI is supported on Linux, not on ${process.platform}.`)
  const { koffi } = libc()
  for (const [name, value] of Object.entries(ENVIRONMENT)) process.env[name] ??= value
  const named = process.env.HOLDFAST_MPI_LIBRARY
  const tried: string[] = []
  for (const name of named ? [named] : families.flatMap((family) => NAMES[family])) {
    try {
      // Open MPI's components are libraries of their own, which look for the symbols of this one.
      return described(name, koffi.load(name, { lazy: true, global: true }))
    } catch (error) {
      tried.push(`${name}: ${(error as Error).message}`)
    }
  }
  throw new LockError(
    'LOCK_UNSUPPORTED',
    `No MPI library can be used here (${tried.join('; ')}). Install that of ${families.map(titleOf).join(' or ')}, or name it in HOLDFAST_MPI_LIBRARY.`,
  )
}

function described(name: string, library: LibC['library']): Mpi {
  const family = exportsSymbol(library, OPENMPI_WORLD) ? 'openmpi' : 'mpich'
  if (!exportsSymbol(library, 'MPI_Init_thread')) throw new Error('it is no MPI library')
  return { family, name, library, handles: handlesOf(family, (symbol) => Number(library.symbol(symbol))) }
}

function exportsSymbol(library: LibC['library'], symbol: string): boolean {
  try {
    library.symbol(symbol)
    return true
  } catch {
    return false
  }
}

/** A family by the name that people know it by. */
export function titleOf(family: MpiFamily): string {
  return family === 'mpich' ? 'MPICH' : 'Open MPI'
}

/** A library that was started: this process is a rank. */
export class MpiWorld {
  readonly mpi: Mpi
  readonly rank: number
  readonly size: number
  /** A communicator of our own, on which nobody else's messages are. */
  readonly communicator: number
  /** The largest tag. */
  readonly maxTag: number
  private readonly startedHere: boolean
  private readonly calls: Calls
  /** Two 64-bit cells for what calls write, and their addresses. */
  private readonly words: Int32Array
  private readonly wide: BigInt64Array
  private readonly cell: number
  private readonly flag: number

  /**
   * Starts the library, which waits for the other ranks to do the same, if nobody has yet. From the main thread only.
   *
   * @throws LockError `LOCK_UNAVAILABLE` when it cannot be started.
   */
  constructor(mpi: Mpi) {
    this.mpi = mpi
    const { koffi } = libc()
    const memory = koffi.alloc('int64_t', 2)
    const view = koffi.view(memory, 16)
    this.words = new Int32Array(view)
    this.wide = new BigInt64Array(view)
    this.cell = Number(koffi.address(memory))
    this.flag = this.cell + 8
    this.calls = bind(mpi)
    this.startedHere = !this.tells('MPI_Initialized')
    if (this.startedHere) this.check('MPI_Init_thread', this.calls.MPI_Init_thread(0, 0, THREAD_FUNNELED, this.cell))
    const { world, errorsReturn, tagUpperBound, handle } = mpi.handles
    this.check('MPI_Comm_set_errhandler', this.calls.MPI_Comm_set_errhandler(world, errorsReturn))
    this.check('MPI_Comm_rank', this.calls.MPI_Comm_rank(world, this.cell))
    this.rank = this.words[0]!
    this.check('MPI_Comm_size', this.calls.MPI_Comm_size(world, this.cell))
    this.size = this.words[0]!
    this.check('MPI_Comm_dup', this.calls.MPI_Comm_dup(world, this.cell))
    this.communicator = handle === 'int' ? this.words[0]! : Number(this.wide[0]!)
    this.check('MPI_Comm_set_errhandler', this.calls.MPI_Comm_set_errhandler(this.communicator, errorsReturn))
    this.check('MPI_Comm_get_attr', this.calls.MPI_Comm_get_attr(world, tagUpperBound, this.cell, this.flag))
    // What the standard promises, where the library does not say.
    this.maxTag = this.words[2] === 0 ? 32_767 : koffi.decode.int(this.wide[0]!)
  }

  /** Every rank's bytes, in their order. All give equally many. Waits for all of them. */
  gather(bytes: Uint8Array): Uint8Array[] {
    const { byte } = this.mpi.handles
    const all = new Uint8Array(bytes.length * this.size)
    this.check('MPI_Allgather', this.calls.MPI_Allgather(bytes, bytes.length, byte, all, bytes.length, byte, this.communicator))
    return Array.from({ length: this.size }, (_, rank) => all.subarray(rank * bytes.length, (rank + 1) * bytes.length))
  }

  /** Waits for the other ranks to do the same. Leaves a library that somebody else has started as it is. */
  finalize(): void {
    if (this.startedHere && !this.tells('MPI_Finalized')) this.calls.MPI_Finalize()
  }

  /** Ends every process of the job. Does not return. */
  abort(exitCode: number): void {
    this.calls.MPI_Abort(this.mpi.handles.world, exitCode)
  }

  /** @throws LockError `LOCK_UNAVAILABLE` for a call that did not return success. */
  check(name: string, code: number): void {
    if (code === 0) return
    const text = Buffer.alloc(8192)
    this.calls.MPI_Error_string(code, text, this.cell)
    throw new LockError('LOCK_UNAVAILABLE', `${name} failed: ${text.toString('latin1', 0, this.words[0]!)}`)
  }

  private tells(name: 'MPI_Initialized' | 'MPI_Finalized'): boolean {
    this.check(name, this.calls[name](this.flag))
    return this.words[2] !== 0
  }
}

type Call<Parameters extends readonly unknown[]> = (...parameters: Parameters) => number

interface Calls {
  readonly MPI_Initialized: Call<[flag: number]>
  readonly MPI_Finalized: Call<[flag: number]>
  readonly MPI_Init_thread: Call<[argc: number, argv: number, level: number, provided: number]>
  readonly MPI_Finalize: Call<[]>
  readonly MPI_Abort: Call<[communicator: number, code: number]>
  readonly MPI_Error_string: Call<[code: number, text: Uint8Array, length: number]>
  readonly MPI_Comm_set_errhandler: Call<[communicator: number, handler: number]>
  readonly MPI_Comm_rank: Call<[communicator: number, rank: number]>
  readonly MPI_Comm_size: Call<[communicator: number, size: number]>
  readonly MPI_Comm_dup: Call<[communicator: number, cell: number]>
  readonly MPI_Comm_get_attr: Call<[communicator: number, key: number, value: number, flag: number]>
  readonly MPI_Allgather: Call<[Uint8Array, number, type: number, Uint8Array, number, type: number, communicator: number]>
}

function bind({ library, handles: { handle } }: Mpi): Calls {
  const call = <Name extends keyof Calls>(name: Name, ...parameters: string[]): Calls[Name] =>
    library.func(name, 'int', parameters) as unknown as Calls[Name]
  const address = 'intptr_t'
  return {
    MPI_Initialized: call('MPI_Initialized', address),
    MPI_Finalized: call('MPI_Finalized', address),
    MPI_Init_thread: call('MPI_Init_thread', address, address, 'int', address),
    MPI_Finalize: call('MPI_Finalize'),
    MPI_Abort: call('MPI_Abort', handle, 'int'),
    MPI_Error_string: call('MPI_Error_string', 'int', 'void *', address),
    MPI_Comm_set_errhandler: call('MPI_Comm_set_errhandler', handle, handle),
    MPI_Comm_rank: call('MPI_Comm_rank', handle, address),
    MPI_Comm_size: call('MPI_Comm_size', handle, address),
    MPI_Comm_dup: call('MPI_Comm_dup', handle, address),
    MPI_Comm_get_attr: call('MPI_Comm_get_attr', handle, 'int', address, address),
    MPI_Allgather: call('MPI_Allgather', 'void *', 'int', handle, 'void *', 'int', handle, handle),
  }
}
