// SPDX-License-Identifier: MIT
// What happens between processes: hand-over, sudden death, waiting in silence, a writer among readers.
import { setTimeout as pause } from 'node:timers/promises'
import { open, withClients } from './clients.ts'

const IDLE_PROCESSES = 5
const IDLE_WAITERS_EACH = 10
const READERS = 4
/** Started together, before the first is killed, so that starting does not disturb what is timed. */
const KILLS_AT_A_TIME = 10

/** Nanoseconds from a release to the grant in another process. */
export async function handOver(directory: string, rounds: number): Promise<number[]> {
  const space = open(directory)
  return withClients(1, directory, async ([waiter]) => {
    const took: number[] = []
    for (let round = 0; round < rounds; round++) {
      const lease = await space.write('/x')
      await waiter!.tell({ do: 'ask', paths: ['/x'] })
      const granted = waiter!.tell({ do: 'granted' })
      await pause(2 + 2 * Math.random())
      const from = now()
      await lease.release()
      took.push((await granted).grantedAt! - from)
      await waiter!.tell({ do: 'release' })
    }
    return took
  })
}

/** Nanoseconds from a SIGKILL of the holder to the grant here. */
export async function killHolders(directory: string, rounds: number): Promise<number[]> {
  const space = open(directory)
  const took: number[] = []
  while (took.length < rounds) {
    await withClients(Math.min(KILLS_AT_A_TIME, rounds - took.length), directory, async (holders) => {
      for (const holder of holders) {
        await holder.tell({ do: 'hold', paths: ['/x'] })
        const lease = space.write('/x')
        await pause(10 + 10 * Math.random())
        const from = now()
        holder.kill()
        const granted = await lease
        took.push(now() - from)
        await granted.release()
      }
    })
  }
  return took
}

/** Processor time that waiting takes, per cent of one core. */
export async function waitIdly(directory: string, ms: number): Promise<number> {
  const space = open(directory)
  const paths = Array.from({ length: (IDLE_PROCESSES * IDLE_WAITERS_EACH) / 2 }, (_, i) => `/alone/${i}`)
  const leases = await Promise.all(['/crowded', ...paths].map((path) => space.write(path)))
  return withClients(IDLE_PROCESSES, directory, async (clients) => {
    for (const [i, client] of clients.entries()) {
      const own = paths.slice((i * IDLE_WAITERS_EACH) / 2, ((i + 1) * IDLE_WAITERS_EACH) / 2)
      await client.tell({ do: 'ask', paths: own.flatMap((path) => ['/crowded', path]) })
    }
    const answers = await Promise.all(clients.map((client) => client.tell({ do: 'idle', ms })))
    if (leases.some((lease) => !lease.valid)) throw new Error('A lease was lost.')
    return (100 * answers.reduce((sum, { cpuMs }) => sum + cpuMs!, 0)) / ms
  })
}

export interface Beside {
  /** Of the writer, in milliseconds. */
  readonly waits: readonly number[]
  readonly reads: number
}

export async function writeBesideReaders(directory: string, ms: number, holdMs: number): Promise<Beside> {
  const space = open(directory)
  return withClients(READERS, directory, async (readers) => {
    const reading = Promise.all(readers.map((reader) => reader.tell({ do: 'read', path: '/x', ms, holdMs })))
    const waits: number[] = []
    for (const end = performance.now() + ms; performance.now() < end; ) {
      const from = performance.now()
      const lease = await space.write('/x')
      waits.push(performance.now() - from)
      await lease.release()
      await pause(1)
    }
    return { waits, reads: (await reading).reduce((sum, { reads }) => sum + reads!, 0) }
  })
}

/** CLOCK_MONOTONIC, the same in all processes of the machine, in nanoseconds. */
function now(): number {
  return Number(process.hrtime.bigint())
}
