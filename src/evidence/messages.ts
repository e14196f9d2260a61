// SPDX-License-Identifier: MIT
// The messages between whoever examines a lock space and its workers.
import type { LockErrorCode } from '../core/errors.ts'
import type { FileLockKind, FileLockType } from './file-locks.ts'
import type { Hands, Opening } from './hands.ts'

type Methods = Omit<Hands, 'constructor'>
export type Command = keyof Methods
export type ArgumentsOf<C extends Command> = Parameters<Methods[C]>
export type Answer<C extends Command> = Awaited<ReturnType<Methods[C]>>

export type Ask =
  | { readonly open: Opening; readonly who: string }
  | { readonly hands: number; readonly command: Command; readonly parameters: readonly unknown[] }
  | { readonly fileLock: string; readonly kind: FileLockKind; readonly type: FileLockType }

export interface ToWorker {
  readonly call: number
  readonly ask: Ask
}

export type FromWorker =
  | { readonly call: number; readonly result: unknown }
  | { readonly call: number; readonly error: { readonly code: LockErrorCode | null; readonly message: string } }

/** The descriptor under which a process finds the file for its marks. */
export const MARKS_FD = 4
