// SPDX-License-Identifier: MIT
// A machine on paper: processes that run the real protocol (src/config/agreement.ts, tenure.ts) step by step, on a file, on locks and on engines that
// are a few lines each. Between any two steps of one, others go on, time passes, engines come and go, with and without their data, and anybody may die.
//
// The oracle looks at all leases after each step: two that are valid and lie on different engines are a split.
import { type Agreed, comeBack, type Entry, enter, type Opened, type Others, type Script, type Step } from '../../src/config/agreement.ts'
import { type AgreementRecord, slotOf } from '../../src/config/agreement-record.ts'
import { Tenure } from '../../src/config/tenure.ts'
import { isLockError, LockError } from '../../src/core/errors.ts'
import { generator } from '../support/random.ts'

/** What the machine gets wrong, to see that the oracle would notice. */
export type Flaw =
  | 'claim-beside-users'
  | 'share-beside-writer'
  | 'share-forgotten'
  | 'record-from-before'
  | 'wrong-identity'
  | 'leaves-with-lease'

const LEASE_MS = 2_000
const GRACE_MS = 100
const PATIENCE = { electionMs: 3_000, strangerMs: 500 }

interface Engine {
  readonly name: string
  /** Its locks are the kernel's, and pass to children. */
  readonly local: boolean
  state: 'up' | 'down' | 'refuses'
  life: number
}

interface Lease {
  readonly engine: Engine
  /** Of its holder's clock. */
  deadline: number
}

class File {
  readonly slots: (AgreementRecord | 'torn' | null)[] = [null, null]
  election: Process | null = null
  writer: Process | null = null
  readonly users = new Set<Process>()
  removed = false
}

/** One user of the space. */
class Process {
  readonly name: string
  readonly entries: readonly Entry[]
  /** Which engine answers under the address of each entry, from where this process runs. */
  readonly addresses: readonly Engine[]
  file: File
  alive = true
  /** A command that goes on with what its parent left it. */
  child = false
  script: Script<Agreed | AgreementRecord | null> | null = null
  step: Step | null = null
  /** What the step before came to. */
  answer: unknown = undefined
  wakeAt = 0
  halfWritten = false
  connection: { entry: number; engine: Engine } | null = null
  known: AgreementRecord | null = null
  tenure: Tenure | null = null
  readonly leases: Lease[] = []
  entered = 0
  refused: LockError | null = null

  constructor(name: string, entries: readonly Entry[], addresses: readonly Engine[], file: File) {
    this.name = name
    this.entries = entries
    this.addresses = addresses
    this.file = file
  }
}

export interface Outcome {
  readonly split: string | null
  readonly stuck: string | null
  readonly log: readonly string[]
  readonly leases: number
  readonly elections: number
  readonly errors: ReadonlySet<string>
}

export class Machine {
  now = 1_000
  private readonly random: () => number
  private readonly flaw: Flaw | null
  private readonly engines: Engine[]
  private file = new File()
  private readonly processes: Process[] = []
  private readonly log: string[] = []
  private readonly errors = new Set<string>()
  private split: string | null = null
  private leases = 0
  private elections = 0
  private highestEpoch = 0

  constructor(seed: number, flaw: Flaw | null = null) {
    this.random = generator(seed)
    this.flaw = flaw
    this.engines = ['A', 'B', 'C', 'elsewhere'].map((name) => ({ name, local: name === 'C', state: 'up' as const, life: 1 }))
  }

  /** A history of so many steps, then peace: and everybody has to come in. */
  run(steps: number): Outcome {
    const count = 2 + this.below(4)
    while (this.processes.length < count) this.start()
    for (let i = 0; i < steps && this.split === null; i++) this.anything()
    const stuck = this.split === null ? this.settle() : null
    const { split, log, leases, elections, errors } = this
    return { split, stuck, log, leases, elections, errors }
  }

  private below(limit: number): number {
    return this.random() % limit
  }

  private say(what: string): void {
    this.log.push(`${this.now} ${what}`)
  }

  private start(): void {
    const [a, b, c, elsewhere] = this.engines as [Engine, Engine, Engine, Engine]
    const kind = this.below(10)
    const order = kind === 0 ? [b, c] : kind === 1 ? [b, a, c] : [a, b, c]
    const entries = order.map(({ name }) => ({ digest: name, shown: name }))
    // In a container `localhost` is somebody else.
    const addresses = kind === 2 ? order.map((engine) => (engine === a ? elsewhere : engine)) : order
    this.processes.push(new Process(`p${this.processes.length}`, entries, addresses, this.file))
  }

  private anything(): void {
    const kind = this.below(100)
    this.now += kind < 4 ? this.below(3_000) : this.below(12)
    if (kind >= 96) this.disturb(this.engines[this.below(this.engines.length)]!)
    else if (kind >= 94 && this.processes.length < 16) this.start()
    else {
      const process = this.processes[this.below(this.processes.length)]!
      if (process.alive) this.turn(process, this.below(60) === 0)
    }
    this.look()
  }

  private disturb(engine: Engine): void {
    const kind = this.below(8)
    engine.state = kind < 3 ? 'down' : kind === 3 ? 'refuses' : 'up'
    if (kind === 7) engine.life++
    this.say(`${engine.name} is ${engine.state}, life ${engine.life}`)
  }

  private turn(process: Process, dies: boolean): void {
    if (dies) this.kill(process)
    else if (process.child) this.endChild(process)
    else if (process.script !== null) this.advance(process)
    else if (process.tenure === null) this.begin(process)
    else this.use(process, process.tenure)
  }

  private kill(process: Process): void {
    this.say(`${process.name} dies${process.halfWritten ? ' while it writes' : ''}`)
    const inherits = process.tenure !== null && !process.child && this.below(3) === 0
    process.script = null
    process.step = null
    if (process.file.election === process) process.file.election = null
    if (process.file.writer === process) process.file.writer = null
    if (inherits) {
      // What the kernel locked stays locked as long as the child has it open; what a server gave ends with its session.
      process.child = true
      process.leases.splice(0, process.leases.length, ...process.leases.filter(({ engine }) => engine.local))
      return
    }
    process.file.users.delete(process)
    process.leases.length = 0
    process.alive = false
  }

  private endChild(process: Process): void {
    if (this.below(8) !== 0) return
    this.say(`the child of ${process.name} ends`)
    process.leases.length = 0
    process.file.users.delete(process)
    process.alive = false
  }

  private begin(process: Process): void {
    if (this.now < process.wakeAt || this.below(3) === 0) return
    process.script =
      process.known !== null && process.connection !== null && this.below(4) > 0
        ? comeBack(process.known)
        : enter(process.entries, process.name, PATIENCE)
    this.next(process, undefined)
  }

  private next(process: Process, answer: unknown, error?: LockError): void {
    try {
      const script = process.script!
      const result = error === undefined ? script.next(answer) : script.throw(error)
      if (!result.done) {
        process.step = result.value
        process.wakeAt =
          result.value.do === 'pause' ? this.now + result.value.ms : result.value.do === 'open' ? this.now + this.below(400) : 0
        return
      }
      process.script = null
      process.step = null
      this.ended(process, result.value)
    } catch (failure) {
      process.script = null
      process.step = null
      if (!isLockError(failure)) throw failure
      this.errors.add(failure.code)
      this.say(`${process.name} is refused: ${failure.code}`)
      process.refused = failure
      process.connection = null
      if (process.file.users.has(process) || process.file.writer === process || process.file.election === process) {
        this.split = `${process.name} was refused, and kept a lock`
      }
    }
  }

  private ended(process: Process, result: Agreed | AgreementRecord | null): void {
    if (result === null) return
    const record = 'record' in result ? result.record : result
    process.known = record
    process.entered++
    process.refused = null
    process.tenure = new Tenure(GRACE_MS, this.now)
    this.say(`${process.name} is in, on ${process.connection!.engine.name}, epoch ${record.epoch}`)
  }

  private advance(process: Process): void {
    const step = process.step!
    if (this.now < process.wakeAt) return
    if (step.do === 'write') this.write(process, step.record)
    else this.next(process, this.perform(process, step))
  }

  private perform(process: Process, step: Step): unknown {
    const { file } = process
    switch (step.do) {
      case 'begin-election':
        if (file.election !== null && file.election !== process) return false
        file.election = process
        return true
      case 'end-election':
        if (file.election === process) file.election = null
        return undefined
      case 'share':
        if (file.writer !== null && file.writer !== process && this.flaw !== 'share-beside-writer') return false
        if (file.writer === process) file.writer = null
        if (this.flaw !== 'share-forgotten') file.users.add(process)
        return true
      case 'claim':
        if (this.others(process) !== 'nobody' && this.flaw !== 'claim-beside-users') return false
        file.users.delete(process)
        file.writer = process
        return true
      case 'leave':
        file.users.delete(process)
        if (file.writer === process) file.writer = null
        return undefined
      case 'others':
        return this.others(process)
      case 'read':
        return this.flaw === 'record-from-before' && file.users.has(process) ? process.known : readable(file)
      case 'is-the-file':
        return file === this.file
      case 'reopen':
        process.file = this.file
        return undefined
      case 'open':
        return this.open(process, step.entry)
      case 'look-at-clocks':
        return { ms: this.now, wallMs: this.now }
      case 'who':
        return [...file.users].map(({ name }) => name)
      default:
        return undefined
    }
  }

  private others(process: Process): Others {
    const { writer, users } = process.file
    if (writer !== null && writer !== process) return 'writer'
    return [...users].some((user) => user !== process) ? 'users' : 'nobody'
  }

  /** In two halves: whoever dies between them leaves a torn slot. */
  private write(process: Process, record: AgreementRecord): void {
    const { slots } = process.file
    const slot = slotOf(record.epoch)
    if (!process.halfWritten) {
      process.halfWritten = true
      slots[slot] = 'torn'
      return
    }
    process.halfWritten = false
    if (this.below(25) === 0) {
      this.next(process, undefined, new LockError('LOCK_UNAVAILABLE', 'The disk is full.'))
      return
    }
    slots[slot] = record
    if (record.epoch <= this.highestEpoch) this.split = `epoch ${record.epoch} does not follow ${this.highestEpoch}`
    this.highestEpoch = record.epoch
    this.elections++
    this.say(`${process.name} elects ${record.engine}, epoch ${record.epoch}`)
    this.next(process, undefined)
  }

  private open(process: Process, entry: number): Opened {
    const engine = process.addresses[entry]!
    process.connection = null
    if (engine.state === 'down') return { state: 'down', error: new LockError('LOCK_UNAVAILABLE', 'Nobody listens.') }
    if (engine.state === 'refuses') return { state: 'refused', error: new LockError('LOCK_DENIED', 'Wrong password.') }
    process.connection = { entry, engine }
    return { state: 'open', identity: this.flaw === 'wrong-identity' ? 'the same' : identityOf(engine) }
  }

  private use(process: Process, tenure: Tenure): void {
    const { engine } = process.connection!
    const held = process.leases
    for (const lease of [...held]) if (lease.deadline <= this.now) held.splice(held.indexOf(lease), 1)
    const kind = this.below(8)
    if (kind < 3 && engine.state === 'up' && held.length < 3) {
      held.push({ engine, deadline: engine.local ? Number.POSITIVE_INFINITY : this.now + LEASE_MS })
      tenure.note()
      this.leases++
      this.say(`${process.name} has a lease on ${engine.name}`)
    } else if (kind === 3) held.shift()
    else if (kind === 4 && engine.state === 'up') for (const lease of held) if (!engine.local) lease.deadline = this.now + LEASE_MS
    if (kind === 5) tenure.asks = 1 - tenure.asks
    if (kind >= 6) this.maybeLeave(process, tenure)
  }

  /** It has nothing to do, or it has asked the engine for its word, and heard none, or another one. */
  private maybeLeave(process: Process, tenure: Tenure): void {
    const leftMs = this.flaw === 'leaves-with-lease' ? 0 : tenure.leftMs(process.leases.length, this.now)
    if (leftMs > 0) return
    const { engine } = process.connection!
    const doubts = engine.state !== 'up' || process.known!.identity !== identityOf(engine)
    this.leave(process)
    if (doubts || this.below(4) === 0) process.connection = null
    if (this.below(3) === 0) process.wakeAt = this.now + this.below(6_000)
  }

  private leave(process: Process): void {
    process.file.users.delete(process)
    process.tenure = null
    this.say(`${process.name} leaves`)
  }

  private look(): void {
    const valid = this.processes.flatMap(({ name, leases }) =>
      leases.filter(({ deadline }) => deadline > this.now).map(({ engine }) => ({ name, engine })),
    )
    const other = valid.find(({ engine }) => engine !== valid[0]!.engine)
    if (other !== undefined) this.split = `${valid[0]!.name} on ${valid[0]!.engine.name}, and ${other.name} on ${other.engine.name}`
  }

  /** Everything works from here on, and nobody dies: one after the other, everybody who has the same entries comes in. */
  private settle(): string | null {
    for (const engine of this.engines) engine.state = 'up'
    for (const process of this.processes.filter(({ alive, child }) => alive && child)) this.kill(process)
    const alive = this.processes.filter((process) => process.alive)
    for (const process of alive) {
      process.leases.length = 0
      if (process.tenure === null) continue
      this.leave(process)
      process.connection = null
    }
    const [first] = alive
    if (first === undefined) return null
    const alike = alive.filter(
      ({ entries, addresses }) => entries.length === first.entries.length && addresses.every((one, i) => one === first.addresses[i]),
    )
    for (let i = 0; i < 6_000 && this.split === null; i++) {
      this.now += this.below(10)
      const outside = alike.filter(({ tenure }) => tenure === null)
      const process = outside[this.below(outside.length)]!
      if (process.script !== null) this.advance(process)
      else if (process.tenure === null) this.begin(process)
      for (const one of alike) {
        // As everybody does who has just come back: see maybeLeave.
        if (one.tenure === null || one.known!.identity === identityOf(one.connection!.engine)) continue
        this.leave(one)
        one.connection = null
      }
      for (const one of alive) {
        if (alike.includes(one)) continue
        if (one.script !== null) this.advance(one)
        else if (one.tenure !== null) this.leave(one)
      }
      if (alike.every(({ tenure }) => tenure !== null)) break
    }
    const out = alike.find(({ tenure }) => tenure === null)
    return out === undefined ? null : `${out.name} cannot come in: ${out.refused?.message ?? `it stands at ${out.step?.do}`}`
  }
}

function identityOf({ name, life }: Engine): string {
  return `${name}${life}`
}

function readable({ slots }: File): AgreementRecord | null {
  const good = slots.filter((slot): slot is AgreementRecord => slot !== null && slot !== 'torn')
  return good.sort((a, b) => b.epoch - a.epoch)[0] ?? null
}
