// SPDX-License-Identifier: MIT
// One real file as an engine with a single node. A lock table orders the requests of this thread, whichever object they come from; the kernel arbitrates
// between them and all other programs, and frees what a dead one held.
import type { Backend, Supports, Wait } from '../core/backend.ts'
import type { Claims } from '../core/claims.ts'
import { holding, type Inspection, inspectionOf, waiting } from '../core/inspection.ts'
import { type Lease, LeaseList } from '../core/lease.ts'
import { type Footprint, LockTable } from '../core/lock-table.ts'
import type { FlockType } from '../native/flock.ts'
import { owner } from '../owner.ts'
import { asLockError } from './failures.ts'
import { otherHolders } from './holders.ts'
import { KernelWait } from './kernel-wait.ts'
import { type LeaseEnd, LockFileLease } from './lease.ts'
import { OpenFile, type OpenOptions } from './open-file.ts'

const SUPPORTS: Supports = {
  scope: 'machine',
  immediate: true,
  order: 'approximate',
  exactTry: false,
  deadHolder: 'at-once',
  loss: true,
  durableTokens: false,
}

/** A file that is replaced so often in a row counts as busy. */
const TRIES = 10

/** All lock files of this thread: each is a node, by its path. */
const line: LockTable<Request> = new LockTable<Request>({ admit: (request) => request.admitted() })
/** Leases of this thread, and requests whose turn it is. */
const held = new Set<LockFileLease>()
const taking = new Set<Request>()

export class LockFileBackend implements Backend, LeaseEnd {
  readonly name = 'lock-file'
  readonly supports: Supports = SUPPORTS
  readonly prefer = 'first-come'
  readonly leases: LeaseList = new LeaseList()
  readonly path: string
  readonly options: OpenOptions
  /** Since when processes are known to hold the file: the kernel does not say. */
  private readonly firstSeen = new Map<number, string>()
  /** Requests that gave up, and clear away what they had begun. */
  private readonly leaving = new Set<Promise<void>>()

  constructor(path: string, options: OpenOptions) {
    this.path = path
    this.options = options
  }

  tryAcquire(claims: Claims, name: string | undefined): Lease | null {
    const footprint = footprintOf(claims)
    if (!line.tryEnter(footprint)) return null
    let file: OpenFile | null = null
    try {
      file = this.tryLock(typeOf(claims))
    } catch (error) {
      line.leave(footprint)
      throw asLockError(error, this.path)
    }
    if (file !== null) return this.grant(claims, name, file)
    line.leave(footprint)
    return null
  }

  acquire(claims: Claims, wait: Wait): Promise<Lease> {
    return new Promise((resolve, reject) => new Request(this, claims, wait, resolve, reject).start())
  }

  grant(claims: Claims, name: string | undefined, file: OpenFile): Lease {
    const lease = new LockFileLease(this, claims, name, file)
    this.leases.add(lease)
    held.add(lease)
    return lease
  }

  left(lease: LockFileLease, claims: Claims): void {
    this.leases.remove(lease)
    held.delete(lease)
    line.leave(footprintOf(claims))
  }

  weakened(from: Claims, to: Claims): void {
    line.weaken(footprintOf(from), footprintOf(to))
  }

  clearAway(request: Promise<void>): void {
    this.leaving.add(request)
    void request.finally(() => this.leaving.delete(request))
  }

  inspect(): Promise<Inspection> {
    const self = owner()
    const isHere = (claims: Claims): boolean => claims.list[0]!.key === this.path
    const leases = [...held].filter((lease) => isHere(lease.granted))
    const requests = [...taking, ...Array.from(line.waiting, (ticket) => ticket.owner)].filter((request) => isHere(request.claims))
    const holders = [...leases.map((lease) => holding(lease, self)), ...otherHolders(this.path, leases.length > 0, this.firstSeen)]
    const waiters = requests.map((request) => waiting(request, self))
    return Promise.resolve(inspectionOf(this.name, holders, waiters))
  }

  async close(): Promise<void> {
    await Promise.all(this.leaving)
  }

  private tryLock(type: FlockType): OpenFile | null {
    for (let tries = 0; tries < TRIES; tries++) {
      const file = new OpenFile(this.path, type, this.options)
      try {
        if (!file.tryLock()) {
          file.release()
          return null
        }
        if (file.intact) return file
      } catch (error) {
        file.release()
        throw error
      }
      file.release()
    }
    return null
  }
}

/** A request that waits: first for its turn in this thread, then for other programs. */
class Request {
  readonly claims: Claims
  readonly wait: Wait
  private readonly backend: LockFileBackend
  private readonly resolve: (lease: Lease) => void
  private readonly reject: (reason: unknown) => void
  private over = false

  constructor(backend: LockFileBackend, claims: Claims, wait: Wait, resolve: (lease: Lease) => void, reject: (reason: unknown) => void) {
    this.backend = backend
    this.claims = claims
    this.wait = wait
    this.resolve = resolve
    this.reject = reject
  }

  start(): void {
    const ticket = line.enter(footprintOf(this.claims), this)
    if (ticket === null) this.admitted()
    else
      this.wait.begin((reason) => {
        if (line.withdraw(ticket)) this.reject(reason)
      })
  }

  /** Its turn in this thread has come. */
  admitted(): void {
    const { backend, claims, wait } = this
    taking.add(this)
    const kernel = new KernelWait(backend.path, typeOf(claims), backend.options, {
      granted: (file) => {
        taking.delete(this)
        wait.end()
        this.resolve(backend.grant(claims, wait.name, file))
      },
      failed: (error) => {
        wait.end()
        this.leave(asLockError(error, backend.path))
      },
    })
    wait.begin((reason) => backend.clearAway(kernel.cancel().then(() => this.leave(reason))))
    kernel.start()
  }

  private leave(reason: unknown): void {
    if (this.over) return
    this.over = true
    taking.delete(this)
    line.leave(footprintOf(this.claims))
    this.reject(reason)
  }
}

function typeOf(claims: Claims): FlockType {
  return claims.write.length > 0 ? 'exclusive' : 'shared'
}

function footprintOf(claims: Claims): Footprint {
  if (claims.memoOf !== line) {
    claims.memo = line.footprint(claims)
    claims.memoOf = line
  }
  return claims.memo as Footprint
}
