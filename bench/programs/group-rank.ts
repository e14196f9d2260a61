// SPDX-License-Identifier: MIT
// One rank of a group that is measured: node group-rank.js FOLDER SMOKE
// Rank 1 times locks of which rank 0 is the home, beside bare messages to it and back; then all stand still, and each says what that costs.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { LockSpace } from 'holdfast'
import { groupBackend, sync, thisCommunicator } from 'holdfast/group'
import { type Case, time } from '../harness.ts'

/** What rank 1 has measured. */
export interface Measured {
  readonly median_ns: Readonly<Record<string, number>>
  readonly spread: Readonly<Record<string, number>>
  readonly write_vs_ping: number
  readonly read_vs_ping: number
}

/** How long it took until every rank had what one has written. */
export interface Fenced {
  readonly collectMs: number
}

/** What each rank costs that has nothing to do. */
export interface Idle {
  readonly corePercent: number
}

const HOME = 0
const MEASURING = 1
const PATH = '/study/mouse-7/session-3'
const PING = Uint8Array.of(1, 2, 3, 4)
const END = Uint8Array.of(9)
const MEGABYTE = new Uint8Array(2 ** 20).fill(7)
const ROUNDS = 21
const SETTLE_MS = 300
const IDLE_MS = 1_500

const [folder, smoke] = [process.argv[2]!, process.argv[3] === 'true']
const communicator = await thisCommunicator()
const { rank, size, transport } = communicator
const locks = new LockSpace(groupBackend(communicator))
const letGo = communicator.keepAlive()
let pong = (): void => {}
let end = (): void => {}
const ended = new Promise<void>((resolve) => {
  end = resolve
})
const line = communicator.openChannel({
  received(from, bytes) {
    if (bytes.length === END.length) end()
    else if (rank === HOME) line.send(from, bytes)
    else pong()
  },
  gone() {},
  over() {},
})
if (rank === MEASURING) await measure()
await ended
await fences()
await idle()
letGo()

async function measure(): Promise<void> {
  const cases: Case[] = [
    repeated('ping', () => {
      const answered = new Promise<void>((resolve) => {
        pong = resolve
      })
      line.send(HOME, PING.slice())
      return answered
    }),
    repeated('write', async () => (await locks.write(PATH)).release()),
    repeated('read', async () => (await locks.read(PATH)).release()),
  ]
  const timings = await time(cases, { rounds: 41, sliceMs: 20, smoke })
  const measured: Measured = {
    median_ns: timings.medians(),
    spread: timings.spreads(),
    write_vs_ping: timings.ratio('write', 'ping'),
    read_vs_ping: timings.ratio('read', 'ping'),
  }
  writeFileSync(join(folder, 'measured'), JSON.stringify(measured))
  for (let to = 0; to < size; to++) line.send(to, END.slice())
}

function repeated(name: string, once: () => Promise<void>): Case {
  return {
    name,
    async run(times) {
      for (let i = 0; i < times; i++) await once()
    },
  }
}

/** One rank shares a megabyte, all collect it: from the call to the return, on the rank that waits longest. */
async function fences(): Promise<void> {
  const controller = await sync()
  const took: number[] = []
  for (let round = 0; round < (smoke ? 2 : ROUNDS); round++) {
    await controller.barrier()
    const since = performance.now()
    await controller.singleWrite({ rank: HOME }, async (fence) => {
      if (fence.access) fence.share(MEGABYTE)
      await fence.collect()
    })
    took.push(performance.now() - since)
  }
  took.sort((a, b) => a - b)
  writeFileSync(join(folder, `fence-${rank}`), JSON.stringify({ collectMs: took[took.length >> 1]! } satisfies Fenced))
  await controller.close()
}

async function idle(): Promise<void> {
  await pause(SETTLE_MS)
  const before = process.cpuUsage()
  const from = performance.now()
  await pause(smoke ? 50 : IDLE_MS)
  const { user, system } = process.cpuUsage(before)
  // Threads share the account of their process.
  const ranks = transport === 'threads' ? size : 1
  const corePercent = (user + system) / 10 / (performance.now() - from) / ranks
  writeFileSync(join(folder, `idle-${rank}`), JSON.stringify({ corePercent } satisfies Idle))
}
