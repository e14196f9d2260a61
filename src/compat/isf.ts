// SPDX-License-Identifier: MIT
// The face of data_base.distributed_lock: locks by name, on the first of several servers that answers, under the names that its users know.
import '../diagnostics.ts'
import type { LockSpace } from '../lock-space.ts'
import type { LockingServer } from './isf/configuration.ts'
import type { IsfLock } from './isf/lock.ts'
import { Locking } from './isf/locking.ts'
import type { IsfOptions } from './isf/settings.ts'

export type { FileServerConfig, LockingServer, RedisServerConfig, ZooKeeperServerConfig } from './isf/configuration.ts'
export type { AcquireOptions, IsfLock } from './isf/lock.ts'
export type { IsfOptions } from './isf/settings.ts'
export { InterProcessLockNoWritePermission } from './isf/write-permission.ts'
export {
  getLock as get_lock,
  getLockingClient as get_locking_client,
  getLockingServer as get_locking_server,
  getLockingServerClient as get_locking_server_client,
  getReadLock as get_read_lock,
  getWriteLock as get_write_lock,
  updateConfig as update_config,
}

/** What this thread uses. */
const locking = new Locking()

/**
 * A lock by its name, which may be any text. Nothing is asked for yet, and nobody is connected to: that is done when the first lock is acquired.
 *
 * @throws LockError `LOCK_DENIED` where `ISF_DISTRIBUTED_LOCK_BLOCK` is in the environment; `LOCK_INVALID` for a name that is none.
 */
function getLock(name: string): IsfLock {
  return locking.lock(name, 'lock')
}

/** As {@link getLock}: a lock that any number of readers share, and that keeps writers and holders of {@link getLock} out. */
function getReadLock(name: string): IsfLock {
  return locking.lock(name, 'read')
}

/** As {@link getLock}: a lock that keeps everybody else out. */
function getWriteLock(name: string): IsfLock {
  return locking.lock(name, 'write')
}

/**
 * The entry of the configuration that serves, as it is written there; null where locking is blocked. Connects if that has not been done.
 *
 * @throws LockError `CONFIG_INVALID`, `LOCK_UNAVAILABLE`, `LOCK_SPLIT`, and what a server says that refuses (the promise rejects with it).
 */
function getLockingServer(): Promise<LockingServer | null> {
  return locking.server()
}

/** The lock space on the server that serves; null where locking is blocked. As {@link getLockingServer} otherwise. */
function getLockingClient(): Promise<LockSpace | null> {
  return locking.client()
}

/** Both: `const [server, client] = await getLockingServerClient()`. */
function getLockingServerClient(): Promise<readonly [server: LockingServer | null, client: LockSpace | null]> {
  return locking.serverClient()
}

/**
 * Uses another list of servers from now on, in the format of the file, and connects.
 *
 * @throws LockError `CONFIG_INVALID`; `LOCK_SPLIT` while anything is locked or waited for; and as {@link getLockingServer}, after which the new list is in use
 * all the same, and tried again by the next who wants a lock (the promise rejects with it).
 */
function updateConfig(servers: readonly LockingServer[], options: IsfOptions = {}): Promise<void> {
  return locking.update(servers, options)
}

export { getLock, getLockingClient, getLockingServer, getLockingServerClient, getReadLock, getWriteLock, updateConfig }
