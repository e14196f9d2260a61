// SPDX-License-Identifier: MIT
// Which object in which file a message is about, and the errors that begin with it.
import { Hdf5Error, type Hdf5ErrorCode, isHdf5Error } from './errors.ts'

export interface Where {
  /** The path of the HDF5 file. */
  readonly file: string
  /** The path of the object in it; an attribute as `/object@name`. */
  readonly object: string
}

/** An error whose message begins with the object and the file. */
export function problem(code: Hdf5ErrorCode, where: Where | undefined, message: string, cause?: unknown): Hdf5Error {
  const text = where === undefined ? message : `${where.object} in ${where.file}: ${message}`
  return new Hdf5Error(code, text, { ...where, ...(cause === undefined ? {} : { cause }) })
}

/** The same error, with `prefix` before its message and the object and the file before that. Other errors are passed on as they are. */
export function located(error: unknown, where: Where | undefined, prefix: string = ''): unknown {
  if (!isHdf5Error(error) || error.file !== undefined) return error
  const message = `${prefix}${error.message}`
  return problem(error.code, where, where === undefined || message.endsWith('.') ? message : `${message}.`, error.cause)
}

/** A value as a message shows it: short, and recognisable. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : String(value)
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (ArrayBuffer.isView(value)) return `${article(value.constructor.name)} of ${value.byteLength} bytes`
  return article(value.constructor?.name ?? 'Object')
}

/** A shape as a message shows it: `[3, 4]`. */
export function shownShape(shape: readonly (number | null)[]): string {
  return `[${shape.map((length) => length ?? 'unlimited').join(', ')}]`
}

function article(name: string): string {
  return `${/^[aeiou]/i.test(name) ? 'an' : 'a'} ${name}`
}
