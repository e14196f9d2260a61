// SPDX-License-Identifier: MIT
// A process that takes random locks on ZooKeeper servers until it is told to stop (SIGTERM), is stopped or is killed, and writes down what it believes
// to hold, and when, for test/redis/oracle.ts: so that what it believes is never more than what it was promised. Stamps are nanoseconds of
// CLOCK_BOOTTIME, which all processes share. A grant is stamped after it came, a release before it is sent; and while a lease is held, its process
// looks again and again whether it is valid, and until when, with a stamp from before it looked.
//
//     node zookeeper-worker.js SERVERS ROOT first-come|writers LEASE LOG SEED
import { openSync, writeSync } from 'node:fs'
import { isLockError, type Lease, type LockRequest, LockSpace, type Preference } from 'holdfast'
import { zookeeperBackend } from 'holdfast/zookeeper'
import { bootNow } from '../../src/native/clock.ts'

const [servers, root, prefer, leaseMs, log, seed] = process.argv.slice(2) as [string, string, Preference, string, string, string]
const out = openSync(log, 'a')
const TASKS = 3
/** Whoever waits for so long waits in vain. */
const STRANDED_MS = 60_000
const LOOK_EVERY_MS = 10
const CONNECT_WITHIN_MS = 3_000

let state = Number(seed) | 1
function random(below: number): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

const PATHS = ['/a', '/a', '/a/b', '/a/b/c', '/a/d', '/e', '/e/f', '/e/g', '/h/i', '/h/i/j', '/k', '/l/m', '/a/b/c/d/e/f']
function somePaths(): string[] {
  const most = random(20) === 0 ? 9 : 3
  return Array.from({ length: random(most) }, () => (random(4) === 0 ? `/own/${process.pid}/${random(5)}` : PATHS[random(PATHS.length)]!))
}
function someRequest(): LockRequest {
  if (random(50) === 0) return random(2) === 0 ? { write: ['/'] } : { read: ['/'], write: ['/a/b'] }
  const request = { read: somePaths(), write: random(2) === 0 ? somePaths() : [] }
  return request.read.length + request.write.length === 0 ? someRequest() : request
}

function note(word: string, at: bigint, what: object): void {
  writeSync(out, `\n${JSON.stringify({ word, pid: process.pid, at: at.toString(), ...what })}\n`)
}

/** Mostly short; now and then longer than the lease. */
function holdMs(): number {
  const kind = random(300)
  return kind === 0 ? 500 + random(2 * Number(leaseMs)) : kind < 25 ? random(80) : random(5)
}

let stopping = false
process.on('SIGTERM', () => {
  stopping = true
})

const stopped = new BigInt64Array(new SharedArrayBuffer(8))
let leases = 0

/** Holds the lease for a while, and says what it can count on meanwhile. */
async function hold(lease: Lease, forMs: number): Promise<void> {
  const id = ++leases
  const until = new BigInt64Array(new SharedArrayBuffer(8))
  lease.mirror(until)
  const believe = (word: string, more: object = {}): boolean => {
    const now = bootNow()
    const [deadline] = until
    if (!lease.valid || deadline === stopped[0]) return false
    note(word, now, { id, deadline: deadline!.toString(), ...more })
    return true
  }
  if (!believe('GRANTED', { token: lease.token.toString(), claims: lease.claims })) return lease.release()
  lease.signal.addEventListener('abort', () => note('LOST', bootNow(), { id }))
  const end = performance.now() + forMs
  let weakened = random(4) !== 0 || lease.write.length === 0
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(LOOK_EVERY_MS, end - performance.now())))
    if (!believe('VALID')) break
    if (!weakened) {
      weakened = true
      note('WEAKENED', bootNow(), { id })
      await lease.downgrade()
    }
  }
  if (lease.state !== 'lost') note('RELEASED', bootNow(), { id })
  const released = lease.release()
  if (random(4) !== 0) await released
}

function expected(error: unknown): boolean {
  if (error === 'changed my mind') return true
  // Longer away than a request waits for the servers; a lease that was lost while it was weakened.
  return isLockError(error, 'LOCK_UNAVAILABLE') || isLockError(error, 'LOCK_LOST')
}

async function task(locks: LockSpace): Promise<void> {
  while (!stopping) {
    const kind = random(10)
    const abort = new AbortController()
    const timeout = kind === 1 ? random(50) : STRANDED_MS
    try {
      const asked = kind === 0 ? locks.tryLock(someRequest()) : locks.lock(someRequest(), { signal: abort.signal, timeout })
      if (kind === 2) setTimeout(() => abort.abort('changed my mind'), random(50))
      const lease = await asked
      if (lease !== null) await hold(lease, holdMs())
    } catch (error) {
      if (!expected(error) && !(isLockError(error, 'LOCK_TIMEOUT') && kind === 1)) {
        note('FAILED', bootNow(), { what: String((error as Error).stack ?? error) })
        process.exit(1)
      }
      if (!isLockError(error, 'LOCK_TIMEOUT')) note('ERROR', bootNow(), { what: String(error).slice(0, 100) })
    }
    await new Promise((resolve) => setTimeout(resolve, random(5)))
  }
}

async function open(): Promise<LockSpace> {
  for (;;) {
    try {
      const options = { servers, root, prefer, lease: Number(leaseMs), connectTimeout: CONNECT_WITHIN_MS }
      return new LockSpace(await zookeeperBackend(options))
    } catch (error) {
      // The servers may be down just now.
      note('ERROR', bootNow(), { what: String(error).slice(0, 100) })
    }
  }
}

const locks = await open()
process.stdout.write('open\n')
await Promise.all(Array.from({ length: TASKS }, () => task(locks)))
await locks.close()
process.exit(0)
