// SPDX-License-Identifier: MIT
// A group whose ranks are worker threads of one process.
import { isMainThread, type MessagePort, workerData } from 'node:worker_threads'
import type { Communicator } from './communicator.ts'
import { Member } from './member.ts'
import { perThread } from './per-thread.ts'
import { PortLink } from './port-link.ts'

/** Where a rank finds its place, in its `workerData`. */
export const THREAD_PLACE = 'holdfastRank'

export interface ThreadPlace {
  readonly rank: number
  readonly id: string
  readonly ports: readonly (MessagePort | null)[]
  readonly launcher: MessagePort
}

/** The group of this thread, the same at every call; null unless {@link runThreads} started it. */
export function threadCommunicator(): Communicator | null {
  return perThread('threadCommunicator', join)
}

function join(): Communicator | null {
  const place = (workerData as Partial<Record<typeof THREAD_PLACE, ThreadPlace>> | null)?.[THREAD_PLACE]
  if (isMainThread || place === undefined) return null
  const links = place.ports.map((port) => (port === null ? null : new PortLink(port)))
  const { rank, id } = place
  return new Member({ transport: 'threads', rank, id, links, launcher: new PortLink(place.launcher) })
}
