// SPDX-License-Identifier: MIT
// What authors of backends build on, published as `holdfast/backend`: see docs/writing-a-backend.md.
export type { Backend, Preference, Supports, Wait } from './core/backend.ts'
export { type Claim, Claims, claimsOf } from './core/claims.ts'
export { isLockError, LockError, type LockErrorCode, type LockErrorOptions } from './core/errors.ts'
export { type Holder, holding, type Inspection, inspectionOf, type Owner, type Waiter, waiting } from './core/inspection.ts'
export { Lease, type LeaseJson, LeaseList, type LeaseState } from './core/lease.ts'
export { Footprint, LockTable, type LockTableOptions, Ticket } from './core/lock-table.ts'
export { compatible, conflicting, join, MODES, type Mode, readingPartOf } from './core/mode.ts'
export { type LockNode, type PathLike, type PathStyle, parsePath } from './core/path.ts'
export { owner } from './owner.ts'
