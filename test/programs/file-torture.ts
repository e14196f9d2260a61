// SPDX-License-Identifier: MIT
// A process that takes random locks in a lock directory until it is killed or told to stop, and writes what it believes to hold to a log that all
// processes append to: `ENTER` after a grant, `WEAKEN` before a downgrade, `LEAVE` before a release.
//
//     node file-torture.js DIRECTORY LOG SEED SECONDS
import { openSync, writeSync } from 'node:fs'
import { isLockError, type Lease, type LockRequest, LockSpace } from 'holdfast'
import { fileBackend } from 'holdfast/file'

const [directory, log, seed, seconds] = process.argv.slice(2) as [string, string, string, string]
const out = openSync(log, 'a')
const locks = new LockSpace(fileBackend({ directory }))
const end = performance.now() + Number(seconds) * 1000

let state = Number(seed) | 1
function random(below: number): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

const PATHS = ['/', '/a', '/a/b', '/a/b/c', '/a/d', '/e', '/e/f', '/e/g', '/h/i/j/k']
function somePaths(): string[] {
  return Array.from({ length: random(3) }, () => PATHS[random(PATHS.length)]!)
}
function someRequest(): LockRequest {
  const request = { read: somePaths(), write: somePaths() }
  return request.read.length + request.write.length === 0 ? someRequest() : request
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

async function task(): Promise<void> {
  while (performance.now() < end) {
    const kind = random(10)
    const abort = new AbortController()
    try {
      const waiting =
        kind === 0
          ? locks.tryLock(someRequest())
          : kind === 1
            ? locks.lock(someRequest(), { timeout: random(20) })
            : locks.lock(someRequest(), { signal: abort.signal, timeout: 20_000 })
      if (kind === 2) setTimeout(() => abort.abort('changed my mind'), random(5))
      const lease = await waiting
      if (lease === null) continue
      const id = ++count
      note('ENTER', id, lease)
      await pause()
      if (random(4) === 0 && lease.write.length > 0) {
        note('WEAKEN', id)
        await lease.downgrade()
        await pause()
      }
      if (lease.state !== 'held') throw new Error(`A lease that nobody took away is ${lease.state}.`)
      note('LEAVE', id)
      await lease.release()
    } catch (error) {
      if (error === 'changed my mind') continue
      if (isLockError(error, 'LOCK_TIMEOUT') && (kind === 1 || kind === 0)) continue
      note(`FAILED ${String(error)}`, 0)
      process.exit(1)
    }
    await pause()
  }
}

await Promise.all(Array.from({ length: 4 }, task))
await locks.close()
