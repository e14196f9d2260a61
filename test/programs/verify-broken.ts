// SPDX-License-Identifier: MIT
// Engines that break one promise each, to see that `holdfast verify` says so: in the memory of one thread, or on kernel files between processes.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import type { Backend, Claims } from 'holdfast'
import { type FileLease, fileBackend } from 'holdfast/file'
import { claiming, claimsWith, leasing, memoryBut, stranger } from '../conformance/spoiled-memory.ts'

export type MemoryFault =
  | 'none'
  | 'writes as reads'
  | 'reads as writes'
  | 'tries that wait'
  | 'a part left behind'
  | 'nobody is woken'
  | 'looks now and then'
  | 'tired after many grants'
  | 'one token for all'
export type FileFault = 'none' | 'apart' | 'the dead keep'

export type Argument = { readonly memory: MemoryFault } | { readonly file: FileFault; readonly directory: string }

export function openBackend(argument: unknown): Backend {
  const told = argument as Argument
  return 'memory' in told ? inMemory[told.memory]() : onFiles(told.file, told.directory)
}

/** Grants so many in the storm before it stops looking. */
const TIRED_AFTER = 20

const inMemory: Readonly<Record<MemoryFault, () => Backend>> = {
  none: () => memoryBut(() => ({}))('first-come'),
  'writes as reads': () => claiming((claims) => claims.withoutWriting())('first-come'),
  'reads as writes': () =>
    claiming((claims) =>
      claimsWith(
        claims,
        claims.list.map(({ key, mode }) => ({ key, mode: mode === 'S' ? 'X' : mode === 'IS' ? 'IX' : mode })),
      ),
    )('first-come'),
  'tries that wait': () =>
    memoryBut((engine) => ({
      supports: { ...engine.supports, immediate: false },
      tryAcquire: (claims, name) => engine.acquire(claims, stranger(name)),
    }))('first-come'),
  'a part left behind': () => memoryBut(leavesParts)('first-come'),
  'nobody is woken': () =>
    memoryBut((engine) => ({
      acquire: (claims, wait) =>
        claims.write.some((key) => key.endsWith('/hand-off'))
          ? new Promise((_, reject) => wait.begin(reject))
          : engine.acquire(claims, wait),
    }))('first-come'),
  'looks now and then': () =>
    memoryBut((engine) => ({
      async acquire(claims, wait) {
        const lease = await engine.acquire(claims, wait)
        await pause(150)
        return lease
      },
    }))('first-come'),
  'tired after many grants': () => {
    let grants = 0
    // Each of them grants what the other one has.
    const engines = [memoryBut(() => ({}))('first-come'), memoryBut(() => ({}))('first-come')] as const
    const next = ({ list }: Claims): Backend => {
      if (list.some(({ key }) => key.endsWith('/load'))) grants++
      return engines[grants > TIRED_AFTER ? grants % 2 : 0]!
    }
    return {
      ...engines[0],
      tryAcquire: (claims, name) => next(claims).tryAcquire(claims, name),
      acquire: (claims, wait) => next(claims).acquire(claims, wait),
    }
  },
  'one token for all': () => leasing((lease) => Object.defineProperty(lease, 'token', { value: 7n }))('first-come'),
}

/** Takes the roots of a request one by one, and forgets those that it has when the caller gives up. */
function leavesParts(engine: Backend): Partial<Backend> {
  return {
    acquire(claims, wait) {
      if (claims.write.length < 3) return engine.acquire(claims, wait)
      return new Promise((_, reject) => {
        wait.begin(reject)
        for (const root of claims.write) {
          const list = claims.list.filter(({ key }) => key === root)
          void engine.tryAcquire(claimsWith(claims, list), wait.name)
        }
      })
    },
  }
}

/** Longer than anybody waits for the locks of the dead. */
const KEPT_S = 4

function onFiles(fault: FileFault, directory: string): Backend {
  if (fault === 'none') return fileBackend({ directory })
  if (fault === 'apart') return fileBackend({ directory: join(directory, `${process.pid}.${threadId}`) })
  const engine = fileBackend({ directory })
  const tryAcquire = engine.tryAcquire.bind(engine)
  engine.tryAcquire = (claims, name) => {
    const lease = tryAcquire(claims, name) as FileLease | null
    // Somebody else has the files of the lock open, too.
    if (lease !== null && claims.write.some((key) => key.endsWith('/kill')))
      spawn('sleep', [String(KEPT_S)], { stdio: ['ignore', 'ignore', 'ignore', ...lease.descriptors], detached: true }).unref()
    return lease
  }
  return engine
}
