// SPDX-License-Identifier: MIT
// A process that takes locks as it is told, and answers each order with one message.
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { type Lease, LockSpace } from 'holdfast'
import { fileBackend } from 'holdfast/file'

export type Order =
  /** Holds all these to the end. */
  | { readonly do: 'hold'; readonly paths: readonly string[] }
  /** Asks for all these; answered before they are granted. */
  | { readonly do: 'ask'; readonly paths: readonly string[] }
  /** Answered when what was asked for is granted. */
  | { readonly do: 'granted' }
  /** Gives back what was asked for. */
  | { readonly do: 'release' }
  /** Does nothing for a while, and measures what that costs. */
  | { readonly do: 'idle'; readonly ms: number }
  /** Reads over and over: holds each lock for so long (0: for a turn of the event loop) and asks again at once. */
  | { readonly do: 'read'; readonly path: string; readonly ms: number; readonly holdMs: number }

export interface Answer {
  readonly id: number
  /** CLOCK_MONOTONIC in nanoseconds. */
  readonly grantedAt?: number
  readonly cpuMs?: number
  readonly reads?: number
  readonly error?: string
}

/** Before measuring idleness: what the order itself set going has ended. */
const SETTLE_MS = 300

const space = new LockSpace(fileBackend({ directory: process.argv[2] }))
let asked: Promise<Lease>[] = []
let grantedAt = 0

process.on('disconnect', () => process.exit())
process.on('message', ({ id, order }: { id: number; order: Order }) => {
  obey(order).then(
    (answer) => process.send!({ id, ...answer }),
    (error: unknown) => process.send!({ id, error: String(error) }),
  )
})
process.send!({ id: 0 })

async function obey(order: Order): Promise<Omit<Answer, 'id'>> {
  switch (order.do) {
    case 'hold':
      for (const path of order.paths) await space.write(path)
      return {}
    case 'ask':
      asked = order.paths.map((path) => space.write(path).then(noteTime))
      return {}
    case 'granted':
      await Promise.all(asked)
      return { grantedAt }
    case 'release':
      for (const lease of await Promise.all(asked)) await lease.release()
      return {}
    case 'idle': {
      await pause(SETTLE_MS)
      const before = process.cpuUsage()
      await pause(order.ms)
      const { user, system } = process.cpuUsage(before)
      return { cpuMs: (user + system) / 1000 }
    }
    case 'read': {
      const end = performance.now() + order.ms
      let reads = 0
      for (; performance.now() < end; reads++) {
        const lease = await space.read(order.path)
        await (order.holdMs === 0 ? turn() : pause(order.holdMs))
        void lease.release()
      }
      return { reads }
    }
  }
}

function noteTime(lease: Lease): Lease {
  grantedAt = Number(process.hrtime.bigint())
  return lease
}
