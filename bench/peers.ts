// SPDX-License-Identifier: MIT
// Other locks of this language, each used as its own documentation says.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Mutex } from 'async-mutex'
import { withLock } from 'superlock'

/** An exclusive lock, taken and given back. */
export interface Peer {
  readonly name: string
  readonly version: string
  /** Takes it and gives it back so many times, uncontended. */
  uncontended(times: number): Promise<void>
  /** Holds it while so many wait for it, then lets go: each in turn takes it and gives it back. */
  queue?(waiters: number): Promise<void>
}

// What has no types of its own, as far as it is used here.
interface AsyncLock {
  acquire<Result>(key: string, work: () => Result): Promise<Awaited<Result>>
}
interface CallbackLock {
  writeLock(key: string, work: (release: () => void) => void): void
}
interface WebLocks {
  request<Result>(name: string, work: () => Result): Promise<Awaited<Result>>
}
/** Its own types ask for a function that answers a promise; any function will do. */
type Superlock = (work: () => unknown) => Promise<unknown>
interface LockFile {
  lock(file: string): Promise<() => Promise<void>>
}

const require = createRequire(import.meta.url)
const nothing = (): void => {}

/** proper-lockfile, the most used lock file of this language. */
export function properLockfile(): LockFile {
  return require('proper-lockfile') as LockFile
}

/** Every peer that is there; `navigator.locks` only where this Node has it. */
export function memoryPeers(): Peer[] {
  return [asyncMutex(), asyncLock(), rwlock(), superlock(), ...webLocks()]
}

/** The version of an installed package. */
export function versionOf(name: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return (JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')) as { version: string }).version
    } catch {
      // Not in this folder.
    }
  }
  return 'unknown'
}

function asyncMutex(): Peer {
  const mutex = new Mutex()
  const waiter = async (): Promise<void> => {
    const release = await mutex.acquire()
    release()
  }
  return {
    name: 'async-mutex',
    version: versionOf('async-mutex'),
    async uncontended(times) {
      for (let i = 0; i < times; i++) {
        const release = await mutex.acquire()
        release()
      }
    },
    async queue(waiters) {
      const release = await mutex.acquire()
      const all = Array.from({ length: waiters }, waiter)
      release()
      await Promise.all(all)
    },
  }
}

function asyncLock(): Peer {
  const Lock = require('async-lock') as new (options: { maxPending: number }) => AsyncLock
  const lock = new Lock({ maxPending: Number.POSITIVE_INFINITY })
  return {
    name: 'async-lock',
    version: versionOf('async-lock'),
    async uncontended(times) {
      for (let i = 0; i < times; i++) await lock.acquire('/a/b/c/d/e', nothing)
    },
    queue: (waiters) => scopedQueue(waiters, (work) => lock.acquire('/a/b/c/d/e', work)),
  }
}

function rwlock(): Peer {
  const Lock = require('rwlock') as new () => CallbackLock
  const lock = new Lock()
  const take = (): Promise<() => void> => new Promise((resolve) => lock.writeLock('/a/b/c/d/e', resolve))
  const waiter = async (): Promise<void> => {
    const release = await take()
    release()
  }
  return {
    name: 'rwlock',
    version: versionOf('rwlock'),
    async uncontended(times) {
      for (let i = 0; i < times; i++) {
        const release = await take()
        release()
      }
    },
    async queue(waiters) {
      const release = await take()
      const all = Array.from({ length: waiters }, waiter)
      release()
      await Promise.all(all)
    },
  }
}

function superlock(): Peer {
  const lock = withLock() as Superlock
  return {
    name: 'superlock',
    version: versionOf('superlock'),
    async uncontended(times) {
      for (let i = 0; i < times; i++) await lock(nothing)
    },
    queue: (waiters) => scopedQueue(waiters, (work) => lock(work)),
  }
}

/** No queue: in some versions of Node a thousand waiters overflow the stack. */
function webLocks(): Peer[] {
  const { locks } = (globalThis as { navigator?: { locks?: WebLocks } }).navigator ?? {}
  if (locks === undefined) return []
  return [
    {
      name: 'navigator.locks',
      version: process.version,
      async uncontended(times) {
        for (let i = 0; i < times; i++) await locks.request('/a/b/c/d/e', nothing)
      },
    },
  ]
}

/** The same queue, for locks that run a function instead of handing out a release. */
async function scopedQueue(waiters: number, lock: (work: () => Promise<void> | void) => Promise<unknown>): Promise<void> {
  let letGo = nothing
  const first = lock(
    () =>
      new Promise<void>((resolve) => {
        letGo = resolve
      }),
  )
  await null
  const waiter = async (): Promise<void> => {
    await lock(nothing)
  }
  const all = Array.from({ length: waiters }, waiter)
  letGo()
  await Promise.all([first, ...all])
}
