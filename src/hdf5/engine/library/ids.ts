// SPDX-License-Identifier: MIT
// What the library has handed out in the course of an operation, to be given back at its end, whatever happens.
import type { Hdf5ErrorCode } from '../../errors.ts'
import type { Where } from '../../where.ts'
import type { Calls, Id } from './calls.ts'
import type { ErrorStack } from './failures.ts'

export class Ids {
  readonly calls: Calls
  readonly where: Where
  private readonly errors: ErrorStack
  private readonly what: string
  private readonly open: Id[] = []

  /** @param what what is being done, as a sentence begins that says that it failed */
  constructor(calls: Calls, errors: ErrorStack, where: Where, what: string) {
    this.calls = calls
    this.errors = errors
    this.where = where
    this.what = what
  }

  /** The result of a call, if it is no failure. */
  check<Result extends Id>(result: Result, code: Hdf5ErrorCode = 'HDF5_FAILED'): Result {
    if (result < 0) throw this.errors.failure(code, this.where, this.what)
    return result
  }

  /** An id that is closed at the end, if it is no failure. */
  keep(id: Id, code: Hdf5ErrorCode = 'HDF5_FAILED'): Id {
    this.open.push(this.check(id, code))
    return id
  }

  /** Gives all back, the last one first. Of a dataset and an attribute it is part of making them, and may fail. */
  close(): void {
    for (let id = this.open.pop(); id !== undefined; id = this.open.pop()) this.check(this.calls.H5Idec_ref(id))
  }

  /** The same after a failure: no other is looked for. */
  release(): void {
    for (let id = this.open.pop(); id !== undefined; id = this.open.pop()) this.calls.H5Idec_ref(id)
  }
}
