// SPDX-License-Identifier: MIT
// Debian's kazoo, a neighbour in Python: its locks, and a client that looks at nodes and makes them.
import { spawnSync } from 'node:child_process'
import { PYTHON } from '../support/rival.ts'
import { Driver } from './driver.ts'
import { type ConnectOptions, Neighbour, NeighbourClient, NeighbourLock } from './neighbour.ts'

/** True when there is a Python with kazoo. */
export const hasKazoo: boolean = spawnSync(PYTHON, ['-c', 'import kazoo']).status === 0

const PROGRAM = new URL('kazoo-driver.py', import.meta.url).pathname

export interface KazooLockOptions {
  /** The class of kazoo's; `Lock` when left out. */
  readonly kind?: 'Lock' | 'ReadLock' | 'WriteLock' | 'Semaphore'
  /** The data of its node. */
  readonly identifier?: string
  /** Names of other systems' nodes that it waits for too, as regular expressions: `Lock`, `ReadLock` and `WriteLock` only. */
  readonly extraPatterns?: readonly string[]
  /** Of a semaphore; 1 when left out. */
  readonly maxLeases?: number
}

export interface CreateOptions {
  readonly ephemeral?: boolean
  readonly sequential?: boolean
  /** Missing parents are made too. */
  readonly parents?: boolean
  readonly acl?: readonly Acl[]
}

export interface Acl {
  readonly scheme: string
  readonly id: string
  /** Of the letters c, d, r, w, a. */
  readonly permissions: string
}

/** Numbers of 64 bits are bigints. */
export interface Stat {
  readonly czxid: bigint
  readonly mzxid: bigint
  readonly pzxid: bigint
  readonly ephemeralOwner: bigint
  readonly ctime: number
  readonly mtime: number
  readonly version: number
  readonly cversion: number
  readonly aversion: number
  readonly dataLength: number
  readonly numChildren: number
}

/** One process can have many clients. It takes 0.2 s to start. */
export class Kazoo extends Neighbour {
  private constructor(driver: Driver) {
    super(driver)
  }

  /** Resolves when it listens. */
  static async start(): Promise<Kazoo> {
    const driver = new Driver(PYTHON, ['-B', PROGRAM])
    await driver.ask('hello')
    return new Kazoo(driver)
  }

  /** `hosts` as kazoo takes them: `host:port,host:port/chroot`. Rejects with `KazooTimeoutError` when there is no session within 10 s. */
  async connect(hosts: string, options: ConnectOptions = {}): Promise<KazooClient> {
    return new KazooClient(this.driver, await this.session(hosts, options))
  }
}

export class KazooClient extends NeighbourClient {
  async lock(path: string, options: KazooLockOptions = {}): Promise<KazooLock> {
    const { kind = 'Lock', identifier = null, extraPatterns = [], maxLeases = 1 } = options
    return new KazooLock(this.driver, await this.ask('lock', { path, kind, identifier, extraPatterns, maxLeases }), path)
  }

  /** Sorted. Rejects with `NoNodeError` when there is no such node. */
  children(path: string): Promise<string[]> {
    return this.ask('children', { path })
  }

  /** Null when there is no such node. */
  async get(path: string): Promise<{ data: string; stat: Stat } | null> {
    const found = await this.ask<{ data: string; stat: Record<string, string> } | null>('get', { path })
    if (found === null) return null
    const stat = Object.fromEntries(
      Object.entries(found.stat).map(([name, value]) => [name, WIDE.has(name) ? BigInt(value) : Number(value)]),
    )
    return { data: found.data, stat: stat as unknown as Stat }
  }

  /** The path that it got. */
  create(path: string, data: string = '', options: CreateOptions = {}): Promise<string> {
    const { ephemeral = false, sequential = false, parents = false, acl = null } = options
    return this.ask('create', { path, data, ephemeral, sequential, parents, acl })
  }

  async set(path: string, data: string): Promise<void> {
    await this.ask('set', { path, data })
  }

  /** With what is below it, when told so. */
  async delete(path: string, options: { readonly recursive?: boolean } = {}): Promise<void> {
    await this.ask('delete', { path, recursive: options.recursive ?? false })
  }

  acls(path: string): Promise<Acl[]> {
    return this.ask('acls', { path })
  }
}

const WIDE: ReadonlySet<string> = new Set(['czxid', 'mzxid', 'pzxid', 'ephemeralOwner'])

export class KazooLock extends NeighbourLock {
  /** An `acquire` that waits rejects with `CancelledError`. */
  async cancel(): Promise<void> {
    await this.driver.ask('cancel', { lock: this.lock })
  }

  /** The identifiers of those who hold it or wait for it, in their order. Not of a semaphore. */
  contenders(): Promise<string[]> {
    return this.driver.ask('contenders', { lock: this.lock })
  }
}
