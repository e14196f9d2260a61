// SPDX-License-Identifier: MIT
// One rank of many that lock at random, and put down what they have and when: node group-torture.js FILE GRANTS SEED PREFER
// It ends when it has had so many grants.
import { openSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { groupBackend } from '../../src/backends/group/index.ts'
import { thisCommunicator } from '../../src/communicators/this-group.ts'
import type { Preference } from '../../src/core/backend.ts'
import type { Lease } from '../../src/core/lease.ts'
import { FileMarks } from '../../src/evidence/marks.ts'
import { LockSpace } from '../../src/lock-space.ts'
import { generator } from '../support/random.ts'

const TASKS = 3
const FOR_EVER = 2n ** 63n - 1n
const PATHS = ['/', '/a', '/a/x', '/a/y', '/a/y/1', '/a/y/2', '/b', '/b/x', '/b/y', '/c', '/c/x', '/d', '/e']

const [file, grants, seed, prefer] = process.argv.slice(2)
const communicator = await thisCommunicator()
const who = `rank ${communicator.rank}`
const locks = new LockSpace(groupBackend(communicator, { prefer: prefer as Preference }))
const marks = new FileMarks(openSync(file!, 'a'))
const next = generator(Number(seed) + communicator.rank)
let left = Number(grants)
let leases = 0

await Promise.all(Array.from({ length: TASKS }, task))
await locks.close()
marks.close()

async function task(): Promise<void> {
  while (left > 0) {
    const roots = request()
    const lease = await ask(roots)
    if (lease === null) continue
    left--
    const number = ++leases
    marks.put({ word: 'granted', who, lease: number, at: now(), token: lease.token, deadline: FOR_EVER, ...roots })
    if (next() % 4 === 0) await turn()
    if (next() % 10 === 0) {
      marks.put({ word: 'weakened', who, lease: number, at: now() })
      await lease.downgrade()
      await turn()
    }
    marks.put({ word: 'released', who, lease: number, at: now() })
    await lease.release()
  }
}

/** Some wait, some try, some lose their patience. */
async function ask(roots: { read: string[]; write: string[] }): Promise<Lease | null> {
  const dice = next() % 10
  if (dice < 2) return await locks.tryLock(roots)
  if (dice < 3) return await locks.lock(roots, { timeout: 1 + (next() % 10) }).catch(() => null)
  return await locks.lock(roots)
}

function request(): { read: string[]; write: string[] } {
  const some = (most: number): string[] => Array.from({ length: next() % (most + 1) }, () => PATHS[next() % PATHS.length]!)
  for (;;) {
    const roots = { read: some(2), write: some(2) }
    if (roots.read.length + roots.write.length > 0) return roots
  }
}

function now(): bigint {
  return process.hrtime.bigint()
}
