// SPDX-License-Identifier: MIT
// One real file as a lock that other programs honour.
export { LockFileLease } from './lease.ts'
export { LockFile, type LockFileOptions, type LockFileWork } from './lock-file.ts'
