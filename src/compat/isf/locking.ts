// SPDX-License-Identifier: MIT
// One configuration in use: connected when it is first needed, and exchanged for another one only while nothing is locked. What the functions of the
// entry do for the process, an object of this class does for whoever has it.
import { LockError } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import type { LockSpace } from '../../lock-space.ts'
import type { Entry, LockingServer } from './configuration.ts'
import { openSpace, servingEntry } from './engine.ts'
import { type Held, IsfLock, type Patience } from './lock.ts'
import { pathOf } from './names.ts'
import { type Kind, PythonLocks } from './python.ts'
import { BLOCK_VARIABLE, type IsfOptions, isBlocked, type Settings, settingsFromEnvironment, settingsOf } from './settings.ts'

/** What is connected. */
interface Connected {
  readonly settings: Settings
  readonly locks: LockSpace
  readonly python: PythonLocks | null
}

/** A lock that somebody holds or waits for. */
interface Use {
  readonly name: string
  held: Held | null
}

const NAMED_USES = 3

export class Locking {
  private settings: Settings | null = null
  private connecting: Promise<Connected> | null = null
  private connected: Connected | null = null
  private readonly uses = new Set<Use>()

  /** @throws LockError `LOCK_DENIED` where locking is blocked; `LOCK_INVALID`. */
  lock(name: string, kind: Kind): IsfLock {
    refuseIfBlocked()
    pathOf(name)
    return new ConfiguredLock(this, name, kind)
  }

  async server(): Promise<LockingServer | null> {
    return (await this.serving())?.entry.server ?? null
  }

  async client(): Promise<LockSpace | null> {
    return isBlocked() ? null : (await this.connect()).locks
  }

  async serverClient(): Promise<readonly [server: LockingServer | null, client: LockSpace | null]> {
    const serving = await this.serving()
    return serving === null ? [null, null] : [serving.entry.server, serving.locks]
  }

  async update(servers: unknown, options: IsfOptions): Promise<void> {
    const settings = settingsOf(servers, options)
    this.refuseIfInUse()
    this.settings = settings
    await this.close()
    if (!isBlocked()) await this.connect()
  }

  /** Of what is connected; the next use connects anew. Not while anything is locked. */
  async close(): Promise<void> {
    const { connecting } = this
    this.connecting = null
    this.connected = null
    const opened = await connecting?.catch(() => null)
    await opened?.locks.close()
    await opened?.python?.close()
  }

  /** @internal Rejects with `LOCK_TIMEOUT` when the time is up. */
  async take(name: string, kind: Kind, patience: Patience): Promise<Held> {
    refuseIfBlocked()
    const use: Use = { name, held: null }
    this.uses.add(use)
    try {
      const connected = await this.connect()
      use.held = await taken(connected, name, kind, patience)
      return this.counted(use, use.held)
    } catch (error) {
      this.uses.delete(use)
      throw error
    }
  }

  private async serving(): Promise<{ readonly entry: Entry; readonly locks: LockSpace } | null> {
    if (isBlocked()) return null
    const { locks, settings } = await this.connect()
    return { entry: await servingEntry(locks, settings), locks }
  }

  /** One connection for all who ask. What failed is tried again by the next. */
  private connect(): Promise<Connected> {
    this.connecting ??= this.open()
    return this.connecting
  }

  private open(): Promise<Connected> {
    const opening = (async (): Promise<Connected> => {
      this.settings ??= settingsFromEnvironment()
      const { settings } = this
      return { settings, locks: await openSpace(settings), python: settings.python ? new PythonLocks() : null }
    })()
    opening.then(
      (connected) => {
        if (this.connecting === opening) this.connected = connected
      },
      () => {
        if (this.connecting === opening) this.connecting = null
      },
    )
    return opening
  }

  private counted(use: Use, held: Held): Held {
    return {
      get token() {
        return held.token
      },
      get valid() {
        return held.valid
      },
      get signal() {
        return held.signal
      },
      release: async () => {
        await held.release()
        this.uses.delete(use)
      },
    }
  }

  /** Two configurations in one process would be two places. */
  private refuseIfInUse(): void {
    // A lock that is lost, and not given back, is in nobody's way.
    const inUse = [...this.uses].filter(({ held }) => held === null || held.valid)
    const names = [...new Set(inUse.map(({ name }) => name))]
    const { held = 0, waiting = 0 } = this.connected?.locks ?? {}
    if (names.length === 0 && held === 0 && waiting === 0) return
    const more = names.length > NAMED_USES ? ' and others' : ''
    const what = names.length === 0 ? 'paths of its lock space' : `${names.slice(0, NAMED_USES).join(', ')}${more}`
    throw new LockError(
      'LOCK_SPLIT',
      `The configuration cannot be changed while something is locked or waited for (${what}): give that back first.`,
    )
  }
}

class ConfiguredLock extends IsfLock {
  private readonly locking: Locking
  private readonly kind: Kind

  constructor(locking: Locking, name: string, kind: Kind) {
    super(name)
    this.locking = locking
    this.kind = kind
  }

  protected take(patience: Patience): Promise<Held> {
    return this.locking.take(this.name, this.kind, patience)
  }
}

/** Ours, and theirs beside it if that is wanted. When ours is lost while theirs is waited for, both are asked for anew. */
async function taken(connected: Connected, name: string, kind: Kind, { timeout, signal }: Patience): Promise<Held> {
  const { locks, python } = connected
  const until = timeout === undefined ? undefined : performance.now() + timeout
  const left = (): number | undefined => until && Math.max(0, until - performance.now())
  for (;;) {
    const lease = await locks[kind === 'read' ? 'read' : 'write'](pathOf(name), { timeout: left(), signal, name })
    if (python === null) return lease
    try {
      return both(lease, await theirs(connected, python, lease, { name, kind, patience: { timeout: left(), signal } }))
    } catch (error) {
      await lease.release()
      if (!lease.signal.aborted || signal?.aborted) throw error
    }
  }
}

interface Wanted {
  readonly name: string
  readonly kind: Kind
  readonly patience: Patience
}

/** The server stays as long as we have ours. */
async function theirs({ settings, locks }: Connected, python: PythonLocks, lease: Lease, { name, kind, patience }: Wanted): Promise<Held> {
  const { timeout, signal } = patience
  const entry = await servingEntry(locks, settings)
  return await python.take(entry, name, kind, { timeout, signal: signal ? AbortSignal.any([signal, lease.signal]) : lease.signal })
}

function both(lease: Lease, other: Held): Held {
  return {
    get token() {
      return lease.token
    },
    get valid() {
      return lease.valid && other.valid
    },
    signal: AbortSignal.any([lease.signal, other.signal]),
    async release() {
      await other.release()
      await lease.release()
    },
  }
}

function refuseIfBlocked(): void {
  if (isBlocked()) throw new LockError('LOCK_DENIED', `Locking is turned off: ${BLOCK_VARIABLE} is in the environment.`)
}
