// SPDX-License-Identifier: MIT
// What happens to leases, for whoever listens. Silent until diagnostics.ts puts real channels here; a payload is built only after
// `hasSubscribers` said yes.
import type { Claims } from './claims.ts'
import type { Lease } from './lease.ts'

export interface EventChannel<Message> {
  readonly hasSubscribers: boolean
  publish(message: Message): void
}

export interface AcquireEvent {
  readonly lease: Lease
  /** How long the request had waited, in milliseconds; 0 when it was granted at once. */
  readonly waitedMs: number
}

export interface WaitEvent {
  readonly backend: string
  readonly claims: Claims
  readonly name: string | undefined
}

export interface ReleaseEvent {
  readonly lease: Lease
}

export interface LostEvent {
  readonly lease: Lease
  readonly reason: unknown
}

export interface Events {
  acquire: EventChannel<AcquireEvent>
  wait: EventChannel<WaitEvent>
  release: EventChannel<ReleaseEvent>
  lost: EventChannel<LostEvent>
}

const silent: EventChannel<unknown> = { hasSubscribers: false, publish() {} }

export const events: Events = { acquire: silent, wait: silent, release: silent, lost: silent }
