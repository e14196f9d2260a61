// SPDX-License-Identifier: MIT
// One reader or writer process. With locks and without it does the same; only what surrounds the work differs.
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type LockSpace } from 'holdfast'
import { type Assignment, now, type Order, type Outcome, type WorkerRecord } from './records.ts'
import { type RealFile, realFiles, Study } from './studies.ts'

/** Longer than any lease of a dead holder, on any engine; whoever waits so long is stuck. */
const STUCK_AFTER_MS = 60_000
/** Between two operations, at random. */
const THINK_AT_MOST_MS = 12

interface Done {
  readonly outcome: Outcome
  readonly content: RealFile | null
}

const assignment = JSON.parse(process.argv[2] ?? '') as Assignment
// Nobody is left behind: without its parent, or after its time, a worker goes.
process.once('disconnect', () => process.exit(1))
setTimeout(() => process.exit(1), assignment.lifetimeMs).unref()
const contents = await realFiles()
const studies = assignment.studies.map((name) => new Study(assignment.folder, name, contents))
const locks: LockSpace | null = assignment.lockUrl === null ? null : await connect(assignment.lockUrl).catch(fail)
const timeout = { timeout: STUCK_AFTER_MS }
let stopping = false
let faltering = false

process.on('message', (order: Order) => {
  if (order === 'go') void work().then(leave, fail)
  else if (order === 'falter') faltering = true
  else stopping = true
})
tell({ event: 'ready' })

async function work(): Promise<void> {
  const operate = assignment.role === 'reader' ? read : write
  while (!stopping) {
    for (const study of inRandomOrder(studies)) {
      if (stopping) return
      tell({ event: 'asked', at: now(), study: study.name })
      await operate(study)
      await pause(Math.random() * THINK_AT_MOST_MS)
    }
  }
}

async function read(study: Study): Promise<void> {
  if (locks === null) await observed(null, () => check(study))
  else await locks.withRead(`/studies/${study.name}`, timeout, (lease) => observed(lease.token, () => checkUnlessUnfinished(study)))
}

async function write(study: Study): Promise<void> {
  if (locks === null) await observed(null, () => rewrite(study))
  else await locks.withWrite(`/studies/${study.name}`, timeout, (lease) => observed(lease.token, () => rewriteWithIntent(study)))
}

/** Under a lock no writer is at it, so an intent that stands written is a dead writer's: the file is damaged, and not by us. */
async function checkUnlessUnfinished(study: Study): Promise<Done> {
  return (await study.leftUnfinished()) ? { outcome: 'skipped', content: null } : await check(study)
}

async function check(study: Study): Promise<Done> {
  const content = await study.identify()
  return { outcome: content === null ? 'torn' : 'whole', content }
}

async function rewriteWithIntent(study: Study): Promise<Done> {
  const restoring = await study.leftUnfinished()
  const content = await study.anotherContent()
  await study.noteIntent(content)
  await study.rewrite(content, falterWhenTold)
  await study.eraseIntent()
  return { outcome: restoring ? 'restored' : 'rewritten', content }
}

async function rewrite(study: Study): Promise<Done> {
  const content = await study.anotherContent()
  await study.rewrite(content, falterWhenTold)
  return { outcome: 'rewritten', content }
}

/** Hangs here with the lock in its hands, as a program does that waits for a dead disk, until it is killed. */
async function falterWhenTold(): Promise<void> {
  if (!faltering) return
  tell({ event: 'halfway' })
  await new Promise<never>(() => undefined)
}

async function observed(token: bigint | null, task: () => Promise<Done>): Promise<void> {
  tell({ event: 'granted', at: now(), token: token === null ? null : token.toString() })
  const { outcome, content } = await task()
  tell({ event: 'ended', at: now(), outcome, content: content?.name ?? null })
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

function inRandomOrder<Item>(items: readonly Item[]): readonly Item[] {
  return items
    .map((item) => ({ item, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
}
