// SPDX-License-Identifier: MIT
// One rank under MPI, doing what its first argument says. What it has seen it prints as a line of JSON.
import { isLockError } from 'holdfast'
import type { Channel, Communicator } from '../../src/communicators/communicator.ts'
import { mpiCommunicator } from '../../src/communicators/mpi/index.ts'
import { generator } from '../support/random.ts'

const [scenario, ...words] = process.argv.slice(2) as [string, ...string[]]

function print(what: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

interface Heard {
  readonly from: number
  readonly bytes: Uint8Array
}

/** A channel whose messages can be awaited, one by one. */
class Line {
  readonly gone: number[] = []
  private readonly channel: Channel
  private readonly heard: Heard[] = []
  private readonly keepAlive: () => () => void
  private hear: (() => void) | null = null

  constructor(communicator: Communicator) {
    this.keepAlive = () => communicator.keepAlive()
    this.channel = communicator.openChannel({
      received: (from, bytes) => {
        if (this.gone.includes(from)) print({ failed: `rank ${from} sent something after it was gone` })
        this.heard.push({ from, bytes })
        this.hear?.()
      },
      gone: (rank, { died }) => {
        this.gone.push(died ? -1 : rank)
        this.whenGone()
      },
      over: () => {},
    })
  }

  whenGone: () => void = () => {}

  send(to: number, bytes: Uint8Array): void {
    this.channel.send(to, bytes)
  }

  async next(): Promise<Heard> {
    if (this.heard.length === 0) {
      const release = this.keepAlive()
      await new Promise<void>((resolve) => {
        this.hear = resolve
      })
      release()
    }
    return this.heard.shift()!
  }
}

/** Bytes that say where they come from and which they are. */
function pattern(from: number, to: number, index: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let place = 0; place < size; place += place < 64 ? 1 : 997) bytes[place] = from * 7 + to * 11 + index * 13 + place
  return bytes
}

/** All ranks have come here. */
async function meet(communicator: Communicator, line: Line): Promise<void> {
  for (let to = 0; to < communicator.size; to++) line.send(to, Uint8Array.of(to))
  for (let count = 0; count < communicator.size; count++) await line.next()
}

/**
 * How long other things had to wait at most while `work` was done, in milliseconds of this process's own time: other processes may
 * keep it from the processor for longer.
 */
async function longestStall(work: () => Promise<void>): Promise<number> {
  let longest = 0
  let last = process.cpuUsage()
  let isDone = false
  const look = (): void => {
    const { user, system } = process.cpuUsage(last)
    longest = Math.max(longest, (user + system) / 1_000)
    last = process.cpuUsage()
    if (!isDone) setImmediate(look)
  }
  look()
  await work()
  look()
  isDone = true
  return longest
}

function blockFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Around the limits that this transport and MPI itself have, then random ones: more short ones than long ones. */
function sizesOf(seed: number, count: number): number[] {
  const random = generator(seed)
  const sizes = [0, 1, 64, 65, 4_096, 70_000, 2 ** 18, 2 ** 18 + 1, 5, 2 ** 23, 3]
  for (let more = 0; more < count; more++) sizes.push(random() % 2 ** (random() % 21))
  return sizes
}

const scenarios: Readonly<Record<string, (communicator: Communicator) => Promise<void> | void>> = {
  async messages(communicator) {
    const { rank, size } = communicator
    const sizes = sizesOf(Number(words[0]), Number(words[1]))
    /** What was sent to oneself: the listener gets bytes of his own. */
    const own = new Set<unknown>()
    const line = new Line(communicator)
    // Rank 0 is early: its messages on the second channel come before the others have opened theirs.
    let second = rank === 0 ? new Line(communicator) : null
    for (let to = 0; to < size; to++) {
      for (const [index, bytes] of sizes.entries()) {
        const message = pattern(rank, to, index, bytes)
        if (to === rank) own.add(message.buffer)
        line.send(to, message)
      }
      if (rank === 0) second!.send(to, Uint8Array.of(42))
    }
    const next = new Array<number>(size).fill(0)
    let wrong = 0
    for (let count = 0; count < size * sizes.length; count++) {
      const { from, bytes } = await line.next()
      const index = next[from]!++
      if (own.has(bytes.buffer) || Buffer.compare(bytes, pattern(from, rank, index, sizes[index]!)) !== 0) wrong++
    }
    second ??= new Line(communicator)
    const early = await second.next()
    const again = (await mpiCommunicator()) === communicator
    // Too late for those who have heard that this rank is gone.
    line.whenGone = () => {
      for (let to = 0; to < size; to++) line.send(to, Uint8Array.of(1))
    }
    await communicator.leave()
    let refused: string | null = null
    try {
      communicator.openChannel({ received: () => {}, gone: () => {}, over: () => {} })
    } catch (error) {
      refused = isLockError(error) ? error.code : String(error)
    }
    line.send(rank, Uint8Array.of(1))
    line.send(0, Uint8Array.of(1))
    const { id, transport, survivesDeaths } = communicator
    print({ rank, size, id, transport, survivesDeaths, wrong, early: [early.from, ...early.bytes], again, gone: line.gone.sort(), refused })
  },

  /** Rank 0 sends very many to one that does not listen for a while. */
  async flood(communicator) {
    const count = Number(words[0])
    const line = new Line(communicator)
    const told = new Line(communicator)
    await meet(communicator, told)
    if (communicator.rank === 0) {
      const message = new Int32Array(4)
      const stall = await longestStall(async () => {
        for (let index = 0; index < count; index++) {
          message[0] = index
          line.send(1, new Uint8Array(message.slice().buffer))
          if (index % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
        }
        await told.next()
      })
      print({ stall })
    } else {
      blockFor(Number(words[1]))
      let wrong = 0
      for (let index = 0; index < count; index++) {
        const { bytes } = await line.next()
        if (new Int32Array(bytes.slice().buffer)[0] !== index) wrong++
      }
      told.send(0, Uint8Array.of(1))
      print({ wrong })
    }
  },

  /** Long messages in both directions, and what else there is to do beside. */
  async long(communicator) {
    const { rank } = communicator
    const line = new Line(communicator)
    await meet(communicator, line)
    const message = new Uint8Array(Number(words[0]) * 2 ** 20).fill(rank)
    let wrong = 0
    const start = performance.now()
    const stall = await longestStall(async () => {
      for (let count = 0; count < 2; count++) line.send(1 - rank, message)
      for (let count = 0; count < 2; count++) {
        const { bytes } = await line.next()
        if (bytes.length !== message.length || bytes.at(-1) !== 1 - rank || bytes[0] !== 1 - rank) wrong++
      }
    })
    print({ rank, wrong, stall, ms: performance.now() - start })
  },

  /** Nothing to do for a while; then how long a message and its answer take. */
  async idle(communicator) {
    const line = new Line(communicator)
    await meet(communicator, line)
    const before = process.cpuUsage()
    const start = performance.now()
    await new Promise((resolve) => setTimeout(resolve, Number(words[0])))
    const { user, system } = process.cpuUsage(before)
    const percent = (user + system) / 10 / (performance.now() - start)
    await meet(communicator, line)
    const trips: number[] = []
    for (let count = 0; count < 20; count++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      const begun = performance.now()
      if (communicator.rank !== 0) {
        await line.next()
        line.send(0, Uint8Array.of(1))
      } else {
        line.send(1, Uint8Array.of(1))
        await line.next()
        trips.push(performance.now() - begun)
      }
    }
    print({ percent, trip: trips.sort((a, b) => a - b)[10] })
  },

  /** A channel of rank 0 answers itself without end, while rank 1 wants to be heard. */
  async echo(communicator) {
    const line = new Line(communicator)
    if (communicator.rank === 0) {
      const channel: Channel = communicator.openChannel({
        received: (_, bytes) => channel.send(0, bytes),
        gone: () => {},
        over: () => {},
      })
      channel.send(0, Uint8Array.of(1))
      const { from } = await line.next()
      let timers = 0
      for (; timers < 3; timers++) await new Promise((resolve) => setTimeout(resolve, 1))
      channel.close()
      print({ from, timers })
    } else line.send(0, Uint8Array.of(1))
  },

  /** Ranks ask the last one, whose own program has ended long before. */
  async serve(communicator) {
    const { rank, size } = communicator
    const last = size - 1
    let served = 0
    let bye = false
    let answer: (value: number) => void = () => {}
    const channel = communicator.openChannel({
      received: (from, bytes) => {
        if (bytes.length === 0) bye = true
        else if (rank === last) channel.send(from, Uint8Array.of(bytes[0]! + 1))
        else answer(bytes[0]!)
        served++
      },
      gone: () => {},
      over: () => {},
    })
    if (rank === last) {
      const [how] = words
      if (how === 'leave') {
        await communicator.leave()
        print({ rank, served })
      } else if (how === 'end') process.once('exit', () => print({ rank, served }))
      else {
        process.once('exit', () => {
          for (let to = 0; to < last; to++) channel.send(to, new Uint8Array(0))
        })
        setImmediate(() => process.exit(0))
      }
      return
    }
    const release = communicator.keepAlive()
    await new Promise((resolve) => setTimeout(resolve, 100 + 30 * rank))
    let wrong = 0
    for (let count = 0; count < 100; count++) {
      channel.send(last, Uint8Array.of(count))
      const value = await new Promise<number>((resolve) => {
        answer = resolve
      })
      if (value !== count + 1) wrong++
    }
    release()
    print({ rank, wrong, bye })
  },

  /** Rank 1 comes to an end of some kind, while the others wait for it. */
  async end(communicator) {
    const line = new Line(communicator)
    await meet(communicator, line)
    communicator.keepAlive()
    if (communicator.rank !== 1) return
    switch (words[0]) {
      case 'throw':
        throw new TypeError('a mistake in the program')
      case 'timer':
        setTimeout(() => {
          throw new TypeError('a mistake in the program')
        }, 1)
        return
      case 'reject':
        void Promise.reject(new RangeError('nobody looks after this'))
        return
      case 'exit':
        process.exit(7)
        return
      case 'abort':
        communicator.abort('there is no more paper')
        return
      case 'kill':
        process.kill(process.pid, 'SIGKILL')
        return
      default:
        throw new Error(`An end of this kind is not known: ${words[0]}`)
    }
  },

  /** A mistake in a program that goes on after mistakes. */
  async handled(communicator) {
    const line = new Line(communicator)
    const handled = new Promise<void>((resolve) => process.once('uncaughtException', () => resolve()))
    if (communicator.rank === 1) {
      setTimeout(() => {
        throw new TypeError('a mistake in the program')
      }, 1)
      await handled
    }
    await meet(communicator, line)
    process.exit(0)
  },

  /** Its program is done at once. */
  nothing({ rank, size }) {
    print({ rank, size })
  },
}

try {
  const communicator = await mpiCommunicator()
  await scenarios[scenario]!(communicator)
} catch (error) {
  if (!isLockError(error)) throw error
  print({ code: error.code, message: error.message })
  process.exitCode = 4
}
