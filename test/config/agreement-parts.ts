// SPDX-License-Identifier: MIT
// What the machine of agreement-model.ts is made of: engines, a file whose bytes may be torn, and processes.
import type { Agreed, Entry, Script, Step } from '../../src/config/agreement.ts'
import { type AgreementRecord, decodeSlots, SLOT_BYTES, type Slots, type SlotWrite } from '../../src/config/agreement-record.ts'
import type { Tenure } from '../../src/config/tenure.ts'
import type { LockError } from '../../src/core/errors.ts'

export interface Engine {
  readonly name: string
  /** Its locks are the kernel's, and pass to children. */
  readonly local: boolean
  state: 'up' | 'down' | 'refuses'
  /** Another one when it has lost its data. */
  life: number
}

export function identityOf({ name, life }: Engine): string {
  return `${name}${life}`
}

export interface Lease {
  readonly engine: Engine
  /** The engine as it was then. */
  readonly identity: string
  /** Of its holder's clock. */
  deadline: number
}

export class File {
  election: Process | null = null
  writer: Process | null = null
  readonly users: Set<Process> = new Set()
  private readonly bytes: Buffer = Buffer.alloc(2 * SLOT_BYTES)
  private read: Slots | null = null

  get content(): Buffer {
    return this.bytes
  }

  get slots(): Slots {
    this.read ??= decodeSlots(this.bytes)
    return this.read
  }

  get used(): boolean {
    return this.users.size > 0 || this.writer !== null
  }

  /** The beginning of what is to be written. */
  put({ at, bytes }: SlotWrite, length: number = bytes.length): void {
    bytes.copy(this.bytes, at, 0, length)
    this.read = null
  }
}

/** One user of the space. */
export class Process {
  readonly name: string
  readonly entries: readonly Entry[]
  /** Which engine answers under the address of each entry, from where this process runs: usually, and now. */
  readonly home: readonly Engine[]
  readonly addresses: Engine[]
  file: File
  alive = true
  /** A command that goes on with what its parent left it. */
  child = false
  script: Script<Agreed | AgreementRecord | null> | null = null
  step: Step | null = null
  /** What is left of a record that is being written, of which the first may be there in part. */
  writes: { readonly left: SlotWrite[]; begun: boolean } | null = null
  wakeAt = 0
  /** `expected`: the word by which the engine is known again. */
  connection: { readonly entry: number; engine: Engine; readonly expected: string } | null = null
  known: AgreementRecord | null = null
  tenure: Tenure | null = null
  leases: Lease[] = []
  /** Lost a moment ago: their holder may be on the way out. */
  lingering: Lease[] = []
  refused: LockError | null = null

  constructor(name: string, entries: readonly Entry[], addresses: readonly Engine[], file: File) {
    this.name = name
    this.entries = entries
    this.home = addresses
    this.addresses = [...addresses]
    this.file = file
  }

  /** The kernel takes back what it had locked. */
  unlock(): void {
    const { file } = this
    file.users.delete(this)
    if (file.election === this) file.election = null
    if (file.writer === this) file.writer = null
  }

  get locksAnything(): boolean {
    const { file } = this
    return file.users.has(this) || file.writer === this || file.election === this
  }
}
