// SPDX-License-Identifier: MIT
// A machine on paper: processes that run the real protocol (src/config/agreement.ts, tenure.ts) step by step, on a file, on locks and on engines that
// are a few lines each. Between any two steps of one, others go on, time passes, engines come and go, with and without their data, addresses lead
// elsewhere, the file is damaged, or replaced while nobody uses it, and anybody may die, also in the middle of a write.
//
// The oracle looks at all leases after each step: two that are valid and lie on different engines are a split, and so is one that is granted elsewhere
// while the holder of another, which was lost, may still be on the way out. An engine that has lost its data is another one.
import { type Agreed, comeBack, enter, type Opened, type Step } from '../../src/config/agreement.ts'
import { type AgreementRecord, SLOT_BYTES, writesFor } from '../../src/config/agreement-record.ts'
import { Tenure } from '../../src/config/tenure.ts'
import { isLockError, LockError } from '../../src/core/errors.ts'
import { generator } from '../support/random.ts'
import { asked, type Flaw } from './agreement-kernel.ts'
import { splitAmong, tooEarly } from './agreement-oracle.ts'
import { type Engine, File, identityOf, Process } from './agreement-parts.ts'

const LEASE_MS = 1_000
const GRACE_MS = 3_000
const PATIENCE = { electionMs: 3_000, strangerMs: 500 }

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
    else if (kind >= 95 && this.processes.length < 16) this.start()
    else {
      const process = this.processes[this.below(this.processes.length)]!
      if (process.alive) this.turn(process, this.below(60) === 0)
    }
    if (kind === 50) this.tamper()
    this.split ??= splitAmong(this.processes, this.now)
  }

  private disturb(engine: Engine): void {
    const kind = this.below(8)
    engine.state = kind < 3 ? 'down' : kind === 3 ? 'refuses' : 'up'
    if (kind === 7) engine.life++
    this.say(`${engine.name} is ${engine.state}, life ${engine.life}`)
  }

  /** What others do to the file and to addresses. */
  private tamper(): void {
    const kind = this.below(8)
    const { file } = this
    if (kind === 0) {
      const at = this.below(2) * SLOT_BYTES + this.below(300)
      file.put({ at, bytes: Buffer.from(this.below(2) === 0 ? '\0' : 'x') })
      // What cannot be read cannot be counted on from.
      if (file.slots.highestEpoch < this.highestEpoch) this.highestEpoch = 0
      this.say('the file is damaged')
    } else if (kind < 3 && !this.processes.some((process) => process.file.used)) {
      this.file = new File()
      this.highestEpoch = 0
      this.say('the file is replaced')
    } else if (kind < 5) {
      const process = this.processes[this.below(this.processes.length)]!
      const entry = this.below(process.addresses.length)
      process.addresses[entry] = this.below(2) === 0 ? this.engines.at(-1)! : process.home[entry]!
      this.say(`for ${process.name}, ${process.entries[entry]!.shown} leads to ${process.addresses[entry]!.name}`)
    }
  }

  private turn(process: Process, dies: boolean): void {
    if (dies) this.kill(process)
    else if (process.child) this.endChild(process)
    else if (process.script !== null) this.advance(process)
    else if (process.tenure === null) this.begin(process)
    else this.use(process, process.tenure)
  }

  private kill(process: Process): void {
    this.say(`${process.name} dies${process.writes?.begun ? ' while it writes' : ''}`)
    const inherits = process.tenure !== null && !process.child && this.below(3) === 0
    process.script = null
    process.step = null
    process.lingering = []
    if (inherits) {
      // What the kernel locked stays locked as long as the child has it open; what a server gave ends with its session.
      process.child = true
      process.leases = process.leases.filter(({ engine }) => engine.local)
    } else this.bury(process)
  }

  private bury(process: Process): void {
    process.unlock()
    process.leases = []
    process.alive = false
  }

  private endChild(process: Process): void {
    if (this.below(8) !== 0) return
    this.say(`the child of ${process.name} ends`)
    this.bury(process)
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
          result.value.do === 'pause' ? this.now + result.value.ms : result.value.do === 'open' ? this.now + this.below(100) : 0
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
      if (process.locksAnything) this.split = `${process.name} was refused, and kept a lock`
    }
  }

  private ended(process: Process, result: Agreed | AgreementRecord | null): void {
    if (result === null) return
    const record = 'record' in result ? result.record : result
    process.known = record
    process.refused = null
    process.tenure = new Tenure(this.flaw === 'leaves-without-grace' || process.connection!.engine.local ? 0 : GRACE_MS, this.now)
    this.say(`${process.name} is in, on ${process.connection!.engine.name}, epoch ${record.epoch}`)
  }

  private advance(process: Process): void {
    const step = process.step!
    if (this.now < process.wakeAt) return
    if (step.do === 'write') this.write(process, step.record)
    else this.next(process, this.perform(process, step))
  }

  private perform(process: Process, step: Step): unknown {
    switch (step.do) {
      case 'open':
        return this.open(process, step.entry)
      case 'look-at-clocks':
        return { ms: this.now, wallMs: this.now }
      default:
        return asked(process, step, this.file, this.flaw)
    }
  }

  /** Bit by bit: whoever dies meanwhile leaves a torn slot, or both records. */
  private write(process: Process, record: AgreementRecord): void {
    const { file } = process
    process.writes ??= { left: [...writesFor(file.content, record)], begun: false }
    const { writes } = process
    const next = writes.left[0]!
    if (!writes.begun && this.below(2) === 0) {
      writes.begun = true
      file.put(next, this.below(400))
    } else if (this.below(25) === 0) {
      process.writes = null
      this.next(process, undefined, new LockError('LOCK_UNAVAILABLE', 'The disk is full.'))
    } else {
      file.put(next)
      writes.left.shift()
      writes.begun = false
      if (writes.left.length > 0) return
      process.writes = null
      if (record.epoch <= this.highestEpoch) this.split = `epoch ${record.epoch} does not follow ${this.highestEpoch}`
      this.highestEpoch = file.slots.highestEpoch
      this.elections++
      this.say(`${process.name} elects ${record.engine}, epoch ${record.epoch}`)
      this.next(process, undefined)
    }
  }

  private open(process: Process, entry: number): Opened {
    const engine = process.addresses[entry]!
    process.connection = null
    if (engine.state === 'down') return { state: 'down', error: new LockError('LOCK_UNAVAILABLE', 'Nobody listens.') }
    if (engine.state === 'refuses') return { state: 'refused', error: new LockError('LOCK_DENIED', 'Wrong password.') }
    const identity = this.flaw === 'wrong-identity' ? 'the same' : identityOf(engine)
    process.connection = { entry, engine, expected: identity }
    return { state: 'open', identity }
  }

  private use(process: Process, tenure: Tenure): void {
    const connection = process.connection!
    // Cut, and made anew, to wherever the address leads now.
    if (this.below(10) === 0) connection.engine = process.addresses[connection.entry]!
    this.lose(process)
    const { engine, expected } = connection
    const held = process.leases
    const serves = engine.state === 'up' && (identityOf(engine) === expected || this.ignoresIdentity)
    const kind = this.below(8)
    if (kind < 3 && serves && held.length < 3) {
      tenure.note()
      this.grant(process)
    } else if (kind === 3) held.shift()
    else if (kind === 4 && serves) {
      for (const lease of held) if (lease.identity === identityOf(engine)) lease.deadline = Math.max(lease.deadline, this.now + LEASE_MS)
    }
    if (kind === 5) tenure.asks = 1 - tenure.asks
    if (kind >= 6) this.maybeLeave(process, tenure)
  }

  private grant(process: Process): void {
    const { engine } = process.connection!
    const identity = identityOf(engine)
    process.leases.push({ engine, identity, deadline: engine.local ? Number.POSITIVE_INFINITY : this.now + LEASE_MS })
    this.leases++
    this.say(`${process.name} has a lease on ${identity}`)
    this.split ??= tooEarly(this.processes, process, identity, this.now - GRACE_MS)
  }

  private get ignoresIdentity(): boolean {
    return this.flaw === 'reconnects-anywhere' || this.flaw === 'wrong-identity'
  }

  private lose(process: Process): void {
    const lost = process.leases.filter(({ deadline }) => deadline <= this.now)
    process.leases = process.leases.filter((lease) => !lost.includes(lease))
    process.lingering.push(...lost)
  }

  /** It has nothing to do, or it has asked the engine for its word, and heard none, or another one. */
  private maybeLeave(process: Process, tenure: Tenure): void {
    const leftMs = this.flaw === 'leaves-with-lease' ? 0 : tenure.leftMs(process.leases.length, this.now)
    if (leftMs > 0) return
    const { engine } = process.connection!
    const doubts = engine.state !== 'up' || process.connection!.expected !== identityOf(engine)
    this.leave(process)
    if (doubts || this.below(4) === 0) process.connection = null
    if (this.below(3) === 0) process.wakeAt = this.now + this.below(2_000)
  }

  private leave(process: Process): void {
    process.file.users.delete(process)
    // The answer to what was under way comes all the same.
    if (process.tenure!.asks > 0) this.grant(process)
    process.tenure = null
    this.say(`${process.name} leaves`)
  }

  /** Everything works from here on, and nobody dies: one after the other, everybody who has the same entries comes in. */
  private settle(): string | null {
    for (const engine of this.engines) engine.state = 'up'
    for (const { connection, addresses, home } of this.processes) {
      addresses.splice(0, addresses.length, ...home)
      if (connection !== null) connection.engine = home[connection.entry]!
    }
    for (const process of this.processes.filter(({ alive, child }) => alive && child)) this.kill(process)
    const alive = this.processes.filter((process) => process.alive)
    for (const process of alive) {
      if (process.tenure !== null) process.tenure.asks = 0
      process.leases = []
      process.lingering = []
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
        // As everybody does who has just come back, or has nothing to do: see maybeLeave.
        if (one.tenure === null || (one.connection!.expected === identityOf(one.connection!.engine) && this.file.slots.record !== null))
          continue
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
