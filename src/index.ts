// SPDX-License-Identifier: MIT
// The public face of Holdfast.
import './diagnostics.ts'

export { type MemoryOptions, memoryBackend } from './backends/memory.ts'
export { type AgreedOptions, type Agreement, agreedBackend, agreementOf, type Candidate, type PassedOver } from './config/agreed.ts'
export { connect } from './config/url.ts'
export type { Backend, Preference, Supports, Wait } from './core/backend.ts'
export type { Claim, Claims } from './core/claims.ts'
export { isLockError, LockError, type LockErrorCode } from './core/errors.ts'
export type { Holder, Inspection, Owner, Waiter } from './core/inspection.ts'
export type { Lease, LeaseJson, LeaseState } from './core/lease.ts'
export type { Mode } from './core/mode.ts'
export type { LockNode, PathLike, PathStyle } from './core/path.ts'
export { CHANNELS } from './diagnostics.ts'
export {
  type CloseOptions,
  type LockOptions,
  type LockRequest,
  LockSpace,
  type LockSpaceOptions,
  type Paths,
  type TryOptions,
  type Work,
} from './lock-space.ts'
