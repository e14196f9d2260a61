// SPDX-License-Identifier: MIT
// One reader or writer process. With locks and without it does the same; only how it gets at the file differs.
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type LockSpace } from 'holdfast'
import { BareStudy } from './bare-study.ts'
import { LockedStudy } from './locked-study.ts'
import { type Assignment, now, type Order, type Outcome, type WorkerRecord } from './records.ts'
import { isWhole, type Study, type Visit } from './study.ts'

/** Between two operations, at random. Writers, who go first, would leave the readers little with less. */
const THINK_AT_MOST_MS = { reader: 12, writer: 50 } as const

const assignment = JSON.parse(process.argv[2] ?? '') as Assignment
const { role, number, file, lockUrl } = assignment
// Nobody is left behind: without its parent, or after its time, a worker goes.
process.once('disconnect', () => process.exit(1))
setTimeout(() => process.exit(1), assignment.lifetimeMs).unref()
let stopping = false
let faltering = false
let left = 0

const visit: Visit = {
  entered: (token) => tell({ event: 'granted', at: now(), token: token === null ? null : token.toString() }),
  halfway: falterWhenTold,
  leaving: () => {
    left = now()
  },
}

process.on('message', (order: Order) => {
  if (order === 'go') void work().then(leave, fail)
  else if (order === 'falter') faltering = true
  else stopping = true
})
const locks: LockSpace | null = lockUrl === null ? null : await connect(lockUrl).catch(fail)
const study: Study = await (locks === null ? BareStudy.open(file) : LockedStudy.open(file, locks)).catch(fail)
/** Read while nobody writes yet. It also starts whatever has to be started for the first access. */
const original = await study.original().catch(fail)
tell({ event: 'ready' })

async function work(): Promise<void> {
  for (let sequence = 1; !stopping; sequence++) {
    const batch = role === 'reader' ? null : { writer: number, sequence }
    tell({ event: 'asked', at: now(), batch })
    const outcome = await (batch === null ? read() : append(batch)).catch(failed)
    tell({ event: 'ended', at: left, outcome })
    await pause(Math.random() * THINK_AT_MOST_MS[role])
  }
}

async function read(): Promise<Outcome> {
  return isWhole(await study.read(visit), original) ? 'whole' : 'torn'
}

async function append(batch: { readonly writer: number; readonly sequence: number }): Promise<Outcome> {
  await study.append(batch, visit)
  return 'appended'
}

/** Without locks the file is ruined by others at any time, and errors are part of the show. */
function failed(error: unknown): Outcome {
  if (locks !== null) throw error
  left = now()
  return 'failed'
}

/** Hangs here with the lock in its hands, as a program does that waits for a dead disk, until it is killed. */
async function falterWhenTold(): Promise<void> {
  if (!faltering) return
  tell({ event: 'halfway' })
  await new Promise<never>(() => undefined)
}

function tell(record: WorkerRecord, then?: () => void): void {
  // Without a callback, a parent that is gone would be an error that nobody catches; 'disconnect' deals with it.
  process.send?.(record, () => then?.())
}

async function leave(): Promise<void> {
  await locks?.close()
  tell({ event: 'left' }, () => process.exit(0))
}

function fail(error: unknown): Promise<never> {
  const message = error instanceof Error ? error.message : String(error)
  return new Promise(() => tell({ event: 'failed', message }, () => process.exit(1)))
}
