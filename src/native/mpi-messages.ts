// SPDX-License-Identifier: MIT
// Point-to-point messages of MPI as plain calls that never wait. Whoever passes bytes keeps them alive until the operation is complete.
import { libc } from './libc.ts'
import type { MpiWorld } from './mpi.ts'

/** An operation on its way: the address of its MPI_Request. */
export type MpiRequest = number

/** How many requests are allocated at once. */
const BLOCK = 1024
const REQUEST_BYTES = 8

export class MpiMessages {
  /** Of the message that `probe` has found. */
  source = 0
  tag = 0
  size = 0
  private readonly world: MpiWorld
  private readonly free: MpiRequest[] = []
  private readonly words: Int32Array
  /** Where calls write: a flag (words 0 and 1), a status (from word 2 on). */
  private readonly flag: number
  private readonly status: number
  private readonly isend: (bytes: Uint8Array, size: number, type: number, to: number, tag: number, comm: number, request: number) => number
  private readonly irecv: (
    bytes: Uint8Array,
    size: number,
    type: number,
    from: number,
    tag: number,
    comm: number,
    request: number,
  ) => number
  private readonly iprobe: (from: number, tag: number, comm: number, flag: number, status: number) => number
  private readonly test: (request: number, flag: number, status: number) => number
  private readonly count: (status: number, type: number, count: number) => number

  constructor(world: MpiWorld) {
    this.world = world
    const { koffi } = libc()
    const memory = koffi.alloc('int64_t', 8)
    this.words = new Int32Array(koffi.view(memory, 64))
    this.flag = Number(koffi.address(memory))
    this.status = this.flag + 8
    const { library, handles } = world.mpi
    const { handle } = handles
    const address = 'intptr_t'
    this.isend = library.func('MPI_Isend', 'int', ['void *', 'int', handle, 'int', 'int', handle, address]) as typeof this.isend
    this.irecv = library.func('MPI_Irecv', 'int', ['void *', 'int', handle, 'int', 'int', handle, address]) as typeof this.irecv
    this.iprobe = library.func('MPI_Iprobe', 'int', ['int', 'int', handle, address, address]) as typeof this.iprobe
    this.test = library.func('MPI_Test', 'int', [address, address, address]) as typeof this.test
    this.count = library.func('MPI_Get_count', 'int', [address, handle, address]) as typeof this.count
  }

  /** Begins to send. */
  send(bytes: Uint8Array, to: number, tag: number): MpiRequest {
    const { communicator, mpi } = this.world
    const request = this.allocate()
    this.check('MPI_Isend', this.isend(bytes, bytes.length, mpi.handles.byte, to, tag, communicator, request))
    return request
  }

  /** Begins to receive a message that `probe` has found. */
  receive(into: Uint8Array, from: number, tag: number): MpiRequest {
    const { communicator, mpi } = this.world
    const request = this.allocate()
    this.check('MPI_Irecv', this.irecv(into, into.length, mpi.handles.byte, from, tag, communicator, request))
    return request
  }

  /** Whether the operation is complete. If so, its request is gone. */
  isComplete(request: MpiRequest): boolean {
    this.check('MPI_Test', this.test(request, this.flag, this.world.mpi.handles.statusIgnore))
    if (this.words[0] === 0) return false
    this.free.push(request)
    return true
  }

  /** Whether a message is there that nobody receives yet: then `source`, `tag` and `size` are those of the first one. */
  probe(): boolean {
    const { handles } = this.world.mpi
    const { words } = this
    this.check('MPI_Iprobe', this.iprobe(handles.anySource, handles.anyTag, this.world.communicator, this.flag, this.status))
    if (words[0] === 0) return false
    this.source = words[2 + handles.status.source]!
    this.tag = words[2 + handles.status.tag]!
    this.check('MPI_Get_count', this.count(this.status, handles.byte, this.flag))
    this.size = words[0]!
    return true
  }

  private allocate(): MpiRequest {
    const free = this.free.pop()
    if (free !== undefined) return free
    const { koffi } = libc()
    const block = Number(koffi.address(koffi.alloc('int64_t', BLOCK)))
    for (let place = BLOCK - 1; place > 0; place--) this.free.push(block + place * REQUEST_BYTES)
    return block
  }

  private check(name: string, code: number): void {
    if (code !== 0) this.world.check(name, code)
  }
}
