// SPDX-License-Identifier: MIT
// What `holdfast/lock-file` is: the class, and lockmgr's face of it.
export { LockFile, LockFileLease, type LockFileOptions, type LockFileWork } from '../lock-file/index.ts'
export { type AcquireLockOptions, LockMgr } from './lock-mgr.ts'
