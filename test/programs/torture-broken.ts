// SPDX-License-Identifier: MIT
// Engines that break one promise each, to see that `holdfast torture` finds it: in the memory of one process, or on kernel files between processes.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type Backend, type Lease, LockError, memoryBackend, type Wait } from 'holdfast'
import { type FileLease, fileBackend } from 'holdfast/file'
import { claimsWith, inAnyOrder, leasing, memoryBut, stranger } from '../conformance/spoiled-memory.ts'

export type MemoryFault =
  | 'none'
  | 'lets somebody in beside'
  | 'takes a token again'
  | 'forgets to wake somebody'
  | 'serves in any order'
  | 'keeps what was given up'
  | 'shows who is gone'
  | 'keeps the first lease'
  | 'fails for no reason'
export type FileFault = 'none' | 'apart' | 'the dead keep'

export type Argument = { readonly memory: MemoryFault } | { readonly file: FileFault; readonly directory: string }

export function openBackend(argument: unknown): Backend {
  const told = argument as Argument
  return 'memory' in told ? inMemory[told.memory]() : onFiles(told.file, told.directory)
}

/** Every so many times it goes wrong. */
const NOW_AND_THEN = 200

/** True for every so many calls. */
function sometimes(): () => boolean {
  let calls = 0
  return () => ++calls % NOW_AND_THEN === 0
}

const inMemory: Readonly<Record<MemoryFault, () => Backend>> = {
  none: () => memoryBut(() => ({}))('first-come'),
  'lets somebody in beside': () =>
    memoryBut((engine) => {
      const [elsewhere, wrong] = [memoryBackend(), sometimes()]
      return {
        tryAcquire(claims, name) {
          const lease = engine.tryAcquire(claims, name)
          if (lease !== null || !wrong()) return lease
          const beside = elsewhere.tryAcquire(claims, name)
          if (beside === null) return null
          // Its token is as it should be.
          const other = engine.tryAcquire(claimsWith(claims, [{ key: 'a token', mode: 'IS' }]), undefined) as Lease
          Object.defineProperty(beside, 'token', { value: other.token })
          void other.release()
          return beside
        },
      }
    })('first-come'),
  'takes a token again': () => {
    const wrong = sometimes()
    let last = 1n
    return leasing((lease) => {
      if (wrong()) Object.defineProperty(lease, 'token', { value: last })
      else last = lease.token
    })('first-come')
  },
  'forgets to wake somebody': () =>
    memoryBut((engine) => {
      const wrong = sometimes()
      return {
        acquire: (claims, wait) => (wrong() ? new Promise((_, reject) => wait.begin(reject)) : engine.acquire(claims, wait)),
      }
    })('first-come'),
  'serves in any order': () => inAnyOrder()('first-come'),
  'keeps what was given up': () =>
    memoryBut((engine) => ({
      acquire: (claims, wait) =>
        new Promise<Lease>((resolve, reject) => {
          wait.begin(reject)
          engine.acquire(claims, stranger(wait.name)).then((lease) => {
            wait.end()
            resolve(lease)
          }, reject)
        }),
    }))('first-come'),
  'shows who is gone': () =>
    memoryBut((engine) => {
      let seen: Awaited<ReturnType<Backend['inspect']>>['holders'] = []
      return {
        acquire: async (claims, wait: Wait) => {
          const lease = await engine.acquire(claims, wait)
          if (seen.length === 0) seen = (await engine.inspect()).holders.filter(({ write }) => write.length > 0)
          return lease
        },
        inspect: async () => ({ ...(await engine.inspect()), holders: seen }),
      }
    })('first-come'),
  'keeps the first lease': () => {
    let first = true
    return leasing((lease) => {
      if (first) lease.release = () => Promise.resolve()
      first = false
    })('first-come')
  },
  'fails for no reason': () =>
    memoryBut((engine) => {
      const wrong = sometimes()
      return {
        acquire: (claims, wait) =>
          wrong() ? Promise.reject(new LockError('LOCK_UNAVAILABLE', 'The dog ate it.')) : engine.acquire(claims, wait),
      }
    })('first-come'),
}

function onFiles(fault: FileFault, directory: string): Backend {
  if (fault === 'none') return fileBackend({ directory })
  if (fault === 'apart') return fileBackend({ directory: join(directory, String(process.pid)) })
  const engine = fileBackend({ directory })
  const { tryAcquire } = engine
  let spoilt = false
  engine.tryAcquire = (claims, name) => {
    const lease = tryAcquire.call(engine, claims, name) as FileLease | null
    // Somebody else has the files of the lock open, too: it is still locked when this process is gone.
    if (lease !== null && claims.write.length > 0 && !spoilt) {
      spoilt = true
      // As long as the test does.
      spawn('sh', ['-c', 'while [ -e "$0" ]; do sleep 0.2; done', directory], {
        stdio: ['ignore', 'ignore', 'ignore', ...lease.descriptors],
        detached: true,
      }).unref()
    }
    return lease
  }
  return engine
}
