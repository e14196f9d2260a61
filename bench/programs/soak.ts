// SPDX-License-Identifier: MIT
// A long life: one process takes and gives back locks for an hour, on engines of your choice, at a steady pace, with waiting, time-outs, aborts, downgrades and new lock
// spaces. Each minute it says what it needs: memory, descriptors, timers. At the end nothing may be left, and nothing may have grown.
//
//     node --expose-gc build/bench/programs/soak.js [--minutes N] [--pause MS] [--json] [URL…]       URLs: memory: file:DIR redis://… zookeeper://…; default: memory: and a folder of its own
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connect, isLockError, type LockSpace } from 'holdfast'

const { values, positionals } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    pause: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const endsAt = performance.now() + Number(values.minutes) * 60_000
const sampleEveryMs = Math.max(1_000, Math.min(60_000, (Number(values.minutes) * 60_000) / 10))
const folder = mkdtempSync(join(tmpdir(), 'holdfast-soak-'))
const urls = positionals.length > 0 ? positionals : ['memory:', `file:${folder}`]
/** From the second quarter of the samples to the last, by their medians: beyond that something leaks. Lock files are kept open up to a number, which comes and goes. */
const MOST_GROWTH = { heap_mb: 8, descriptors: 400, resources: 3 }

interface Sample {
  readonly minute: number
  readonly grants: number
  readonly rss_mb: number
  readonly heap_mb: number
  readonly descriptors: number
  readonly resources: number
}

const samples: Sample[] = []
let grants = 0

function sample(): void {
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  const one: Sample = {
    minute: round((Number(values.minutes) * 60_000 - (endsAt - performance.now())) / 60_000),
    grants,
    rss_mb: round(rss / 2 ** 20),
    heap_mb: round(heapUsed / 2 ** 20),
    descriptors: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().length,
  }
  samples.push(one)
  if (!values.json) console.log(JSON.stringify(one))
}

/** The median of each. */
function typical(some: readonly Sample[]): Pick<Sample, 'rss_mb' | 'heap_mb' | 'descriptors' | 'resources'> {
  const median = (of: (one: Sample) => number): number => some.map(of).sort((a, b) => a - b)[Math.floor(some.length / 2)]!
  return {
    rss_mb: median((one) => one.rss_mb),
    heap_mb: median((one) => one.heap_mb),
    descriptors: median((one) => one.descriptors),
    resources: median((one) => one.resources),
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

/** A path that mostly was never there before, so that what is kept for a path shows. */
function path(turn: number): string {
  return `/soak/${turn % 7}/${turn}/${turn % 3}`
}

async function turns(locks: LockSpace): Promise<void> {
  for (let turn = 0; performance.now() < endsAt; turn++) {
    const lease = await locks.lock({ read: ['/shared', path(turn)], write: [`/own/${turn % 100}`] }, { name: 'soak' })
    const waiter = locks.write('/shared', { timeout: 2 }).catch((error: unknown) => ignore(error))
    const aborted = locks.write(path(turn), { signal: AbortSignal.timeout(1) }).catch(() => null)
    if (turn % 5 === 0) await lease.downgrade()
    await locks.tryRead(path(turn + 1)).then((other) => other?.release())
    if (turn % 50 === 0) await locks.inspect()
    await Promise.all([waiter, aborted])
    await lease.release()
    grants++
    await sleep(Number(values.pause))
  }
}

function ignore(error: unknown): void {
  if (!isLockError(error, 'LOCK_TIMEOUT')) throw error
}

const before = { descriptors: readdirSync('/proc/self/fd').length, resources: process.getActiveResourcesInfo().length }
const spaces = await Promise.all(urls.map((url) => connect(url)))
const sampling = setInterval(sample, sampleEveryMs)
await Promise.all(spaces.map(turns))
clearInterval(sampling)
sample()
await Promise.all(spaces.map((locks) => locks.close()))
rmSync(folder, { recursive: true, force: true })

const quarter = Math.ceil(samples.length / 4)
const settled = typical(samples.slice(quarter, 2 * quarter))
const last = typical(samples.slice(-quarter))
const growth = {
  heap_mb: round(last.heap_mb - settled.heap_mb),
  descriptors: last.descriptors - settled.descriptors,
  resources: last.resources - settled.resources,
}
const grown = Object.entries(MOST_GROWTH).filter(([what, most]) => growth[what as keyof typeof growth] > most)
await sleep(100)
const left = {
  descriptors: readdirSync('/proc/self/fd').length - before.descriptors,
  resources: process.getActiveResourcesInfo().length - before.resources,
}
console.log(
  JSON.stringify({
    minutes: Number(values.minutes),
    urls: urls.map((url) => url.split(':')[0]),
    grants,
    settled,
    last,
    growth,
    left,
    samples: values.json ? samples : samples.length,
  }),
)
if (grown.length > 0) {
  console.error(`It grew: ${grown.map(([what]) => what).join(', ')}.`)
  process.exitCode = 1
}
