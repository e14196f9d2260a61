// SPDX-License-Identifier: MIT
// Processes that want one and the same lock on a Redis server: how soon it passes from one to the next, and whether each gets its turn.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { median, quantile } from './harness.ts'
import type { Contention, RedisAnswer, RedisOrder } from './programs/redis-client.ts'

const PROGRAM = fileURLToPath(new URL('./programs/redis-client.js', import.meta.url))

/** One round of contention for one lock. */
export interface Round {
  /** From just before a release in one process to just after the next grant, when that is in another process; milliseconds. */
  readonly handoffs: readonly number[]
  /** So many times in a row one process had it. */
  readonly longestRun: number
  /** From asking to having it; milliseconds. */
  readonly waits: readonly number[]
}

export class RedisClientProcess {
  private readonly child: ChildProcess
  private readonly pending = new Map<number, { resolve(answer: RedisAnswer): void; reject(error: Error): void }>()
  private orders = 0

  /** A process with both clients, connected to the server at this port. */
  static async start(port: number): Promise<RedisClientProcess> {
    const child = new RedisClientProcess(fork(PROGRAM, [String(port)], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
    await child.answer(0)
    return child
  }

  private constructor(child: ChildProcess) {
    this.child = child
    const kill = (): void => void child.kill('SIGKILL')
    process.once('exit', kill)
    child.on('message', (answer: RedisAnswer) => {
      const { resolve, reject } = this.pending.get(answer.id)!
      this.pending.delete(answer.id)
      if (answer.error === undefined) resolve(answer)
      else reject(new Error(answer.error))
    })
    child.once('exit', () => {
      process.off('exit', kill)
      for (const { reject } of this.pending.values()) reject(new Error('The process ended before it answered.'))
    })
  }

  tell(order: RedisOrder): Promise<RedisAnswer> {
    const id = ++this.orders
    this.child.send({ id, order })
    return this.answer(id)
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = new Promise((resolve) => this.child.once('exit', resolve))
    this.child.kill('SIGKILL')
    await gone
  }

  private answer(id: number): Promise<RedisAnswer> {
    return new Promise((resolve, reject) => this.pending.set(id, { resolve, reject }))
  }
}

/** The name, among locks, of bare messages that go from process to process. */
export const BARE_PUSH = 'bare push'

/** So many processes contend for each of the locks in turn, round after round. By lock. */
export async function contend(
  port: number,
  locks: readonly string[],
  { processes, rounds, ms }: { readonly processes: number; readonly rounds: number; readonly ms: number },
): Promise<ReadonlyMap<string, readonly Round[]>> {
  const clients = await Promise.all(Array.from({ length: processes }, () => RedisClientProcess.start(port)))
  const all = new Map<string, Round[]>(locks.map((lock) => [lock, []]))
  try {
    for (let round = 0; round < rounds; round++) {
      for (const lock of locks) {
        const until = Number(process.hrtime.bigint()) / 1e6 + ms
        const path = `/contention/${lock}/${round}`
        const order = (place: number): RedisOrder =>
          lock === BARE_PUSH ? { do: 'relay', ring: path, place, places: processes, until } : { do: 'contend', lock, path, until }
        const answers = await Promise.all(clients.map((client, place) => client.tell(order(place))))
        all.get(lock)!.push(reckon(answers.map(({ contention }) => contention!)))
      }
    }
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
  return all
}

/** The median, over the rounds, of a quantile within each. NaN where it never went from one process to another. */
export function typical(rounds: readonly Round[], times: 'handoffs' | 'waits', part: number): number {
  const quantiles = rounds.filter((round) => round[times].length > 0).map((round) => quantile(round[times], part))
  return quantiles.length === 0 ? Number.NaN : median(quantiles)
}

/** Counted is the time in which all of them want it. */
function reckon(all: readonly Contention[]): Round {
  const from = Math.max(...all.map((one) => one.from))
  const to = Math.min(...all.map((one) => one.to))
  const turns = all
    .flatMap((one, who) => one.turns.map(([asked, granted, released]) => ({ who, asked, granted, released })))
    .sort((a, b) => a.granted - b.granted)
  const handoffs: number[] = []
  let longestRun = 0
  let run = 0
  for (const [i, { who, granted }] of turns.entries()) {
    const before = turns[i - 1]
    if (before !== undefined && granted < before.released) throw new Error('Two processes had the lock at once.')
    if (granted < from || granted > to) continue
    run = who === before?.who ? run + 1 : 1
    longestRun = Math.max(longestRun, run)
    if (before !== undefined && who !== before.who) handoffs.push(granted - before.released)
  }
  return { handoffs, longestRun, waits: turns.map(({ asked, granted }) => granted - asked) }
}
