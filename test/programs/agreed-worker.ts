// SPDX-License-Identifier: MIT
// A process that takes random locks on several engines that serve as one until it is killed, and writes down what it believes to hold, and when, for
// test/redis/oracle.ts: so that what it believes is never more than what it was promised. Stamps are nanoseconds of CLOCK_BOOTTIME.
//
//     node agreed-worker.js ARGUMENT LOG SEED             ARGUMENT: that of conformance-agreed.ts, as JSON
import { openSync, writeSync } from 'node:fs'
import { agreementOf, isLockError, type Lease, LockSpace } from 'holdfast'
import { bootNow } from '../../src/native/clock.ts'
import { openBackend } from './conformance-agreed.ts'

const [argument, log, seed] = process.argv.slice(2) as [string, string, string]
const out = openSync(log, 'a')
const TASKS = 3
const LOOK_EVERY_MS = 5
const PATHS = ['/a', '/a/b', '/a/c', '/d'] as const

let state = Number(seed) | 1
function random(below: number): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

function note(word: string, what: object, at: bigint = bootNow()): void {
  writeSync(out, `\n${JSON.stringify({ word, pid: process.pid, at: at.toString(), ...what })}\n`)
}

let leases = 0

async function hold(lease: Lease, engine: string | null, forMs: number): Promise<void> {
  const id = ++leases
  const until = new BigInt64Array(new SharedArrayBuffer(8))
  lease.mirror(until)
  const believe = (word: string, more: object = {}): boolean => {
    const now = bootNow()
    const [deadline] = until
    if (!lease.valid || deadline === 0n) return false
    note(word, { id, deadline: deadline!.toString(), ...more }, now)
    return true
  }
  if (!believe('GRANTED', { token: lease.token.toString(), claims: lease.claims, engine })) return lease.release()
  lease.signal.addEventListener('abort', () => note('LOST', { id }))
  const end = performance.now() + forMs
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    if (!believe('VALID')) break
  }
  if (lease.state !== 'lost') note('RELEASED', { id })
  await lease.release()
}

async function task(locks: LockSpace): Promise<void> {
  for (;;) {
    const path = PATHS[random(PATHS.length)]!
    try {
      const options = { timeout: random(4) === 0 ? random(50) : 3_000 }
      const lease = await (random(3) === 0 ? locks.read(path, options) : locks.write(path, options))
      await hold(lease, agreementOf(locks.backend)!.engine, random(10) === 0 ? random(1_000) : random(20))
    } catch (error) {
      note(isLockError(error) && ['LOCK_UNAVAILABLE', 'LOCK_TIMEOUT'].includes(error.code) ? 'ERROR' : 'FAILED', { what: String(error) })
    }
    await new Promise((resolve) => setTimeout(resolve, random(30)))
  }
}

for (;;) {
  try {
    const locks = new LockSpace(await openBackend(JSON.parse(argument)))
    await Promise.all(Array.from({ length: TASKS }, () => task(locks)))
  } catch (error) {
    note(isLockError(error, 'LOCK_UNAVAILABLE') ? 'ERROR' : 'FAILED', { what: String(error) })
  }
}
