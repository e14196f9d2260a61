// SPDX-License-Identifier: MIT
// A process that locks one file again and again until it is killed or its time is over, and writes what it believes to hold to a log that all processes
// append to: `ENTER` after a grant, `WEAKEN` before a downgrade, `LEAVE` before a release.
//
//     node lock-file-torture.js FILE LOG SEED SECONDS
import { openSync, writeSync } from 'node:fs'
import { isLockError, type Lease } from 'holdfast'
import { LockFile } from 'holdfast/lock-file'

const [path, log, seed, seconds] = process.argv.slice(2) as [string, string, string, string]
const out = openSync(log, 'a')
const file = new LockFile(path)
const end = performance.now() + Number(seconds) * 1000

let state = Number(seed) | 1
function random(below: number): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

let count = 0
function note(word: string, id: number, lease?: Lease): void {
  const what = lease === undefined ? {} : { token: lease.token.toString(), claims: lease.claims }
  writeSync(out, `\n${JSON.stringify({ word, pid: process.pid, id, ...what })}\n`)
}

async function pause(): Promise<void> {
  if (random(3) === 0) await new Promise((resolve) => setTimeout(resolve, random(4)))
  else if (random(2) === 0) await new Promise((resolve) => setImmediate(resolve))
}

async function request(kind: number, reads: boolean): Promise<Lease | null> {
  if (kind === 0) return await (reads ? file.tryRead() : file.tryWrite())
  const abort = new AbortController()
  if (kind === 2) setTimeout(() => abort.abort('changed my mind'), random(200))
  const options = kind === 1 ? { timeout: random(200) } : { timeout: 60_000, signal: abort.signal }
  return await (reads ? file.read(options) : file.write(options))
}

async function task(): Promise<void> {
  while (performance.now() < end) {
    const kind = random(10)
    try {
      const lease = await request(kind, random(3) > 0)
      if (lease === null) continue
      const id = ++count
      note('ENTER', id, lease)
      await pause()
      if (lease.write.length > 0 && random(4) === 0) {
        note('WEAKEN', id)
        await lease.downgrade()
        await pause()
      }
      if (lease.state !== 'held') throw new Error(`A lease that nobody took away is ${lease.state}.`)
      note('LEAVE', id)
      await lease.release()
    } catch (error) {
      if (error === 'changed my mind' || (kind === 1 && isLockError(error, 'LOCK_TIMEOUT'))) continue
      note(`FAILED ${String(error)}`, 0)
      process.exit(1)
    }
    await pause()
  }
}

await Promise.all([task(), task()])
await file.close()
