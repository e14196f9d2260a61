// SPDX-License-Identifier: MIT
// Folders on an object store: each operation takes many requests, and a lock on the folders concerned makes them look like one.
import { LockSpace, memoryBackend } from 'holdfast'
import { TreeLock, type TreeLockRequest } from 'holdfast/tree-lock'
import type { SlowStore } from './slow-store.ts'

/** What an operation runs under. {@link treeLock} is the real thing; {@link noLock} shows what happens without. */
export type Guard = <Result>(request: TreeLockRequest, work: () => Promise<Result>) => Promise<Result>

/** A lock over the keys of an object store: relative, with `''` above them all. */
export function treeLock(): Guard {
  const lock = new TreeLock(new LockSpace(memoryBackend(), { paths: 'object-key' }))
  return (request, work) => lock.with(request, work)
}

export function noLock(): Guard {
  return (_, work) => work()
}

export class Folders {
  private readonly store: SlowStore
  private readonly guard: Guard

  constructor(store: SlowStore, guard: Guard) {
    this.store = store
    this.guard = guard
  }

  write(key: string, body: string): Promise<void> {
    return this.guard({ write: [key] }, () => this.store.put(key, body))
  }

  /** Everything in a folder, as it was at one moment. */
  read(folder: string): Promise<Map<string, string>> {
    return this.guard({ read: [folder] }, async () => {
      const found = new Map<string, string>()
      for (const key of await this.store.list(folder)) {
        const body = await this.store.get(key)
        if (body !== undefined) found.set(key, body)
      }
      return found
    })
  }

  delete(folder: string): Promise<void> {
    return this.guard({ write: [folder] }, async () => {
      for (const key of await this.store.list(folder)) await this.store.delete(key)
    })
  }

  copy(from: string, to: string): Promise<void> {
    return this.guard({ read: [from], write: [to] }, async () => {
      for (const key of await this.store.list(from)) await this.duplicate(key, to + key.slice(from.length))
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.guard({ write: [from, to] }, async () => {
      for (const key of await this.store.list(from)) {
        await this.duplicate(key, to + key.slice(from.length))
        await this.store.delete(key)
      }
    })
  }

  private async duplicate(from: string, to: string): Promise<void> {
    const body = await this.store.get(from)
    if (body !== undefined) await this.store.put(to, body)
  }
}
