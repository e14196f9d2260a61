// SPDX-License-Identifier: MIT
// What the HDF5 library prints when something fails, to errors with a code. Its functions seldom tell of a failure in any other way.
import type { Hdf5Error, Hdf5ErrorCode } from '../errors.ts'
import { problem, type Where } from '../where.ts'

/** One line of HDF5's error stack, the outermost first. */
interface Frame {
  readonly where: string
  readonly what: string
}

const STACK = 'HDF5-DIAG: Error detected in'
const FRAME = /^ {2}#\d+: .*? in (\w+)\(\): (.*)$/gm

/** Asked of types for which there is no answer, by h5wasm, which does not mind: enums cannot be turned to another byte order. */
const HARMLESS: ReadonlySet<string> = new Set(['H5Tset_order', 'H5Tget_order', 'H5Tget_sign'])

/** What it says, anywhere in a stack, and what that means. The first that fits counts. */
const MEANINGS: readonly (readonly [RegExp, Hdf5ErrorCode])[] = [
  [/required filter|filter .* (is not|not) (registered|available)|unable to load .*filter/, 'HDF5_FILTER'],
  [/memory allocation failed|memory exhausted|out of memory/i, 'HDF5_TOO_LARGE'],
  [/already open for write|file is not already open for SWMR/, 'HDF5_TORN'],
  [/unable to open external file|external link|too many links|unable to follow symbolic link|symbolic link traversal/, 'HDF5_LINK'],
  [/file signature not found|truncated file|bad superblock|unable to read superblock|not an HDF5 file/, 'HDF5_NOT_HDF5'],
  [/already exists/, 'HDF5_EXISTS'],
  [/doesn't exist|component not found|can't locate (attribute|object)|object .* not found|not found in/, 'HDF5_NO_OBJECT'],
]

/** The failures in what the library printed; empty when nothing went wrong. */
export function stacksIn(printed: string): readonly (readonly Frame[])[] {
  if (printed === '') return []
  return printed
    .split(STACK)
    .map((text) => [...text.matchAll(FRAME)].map(([, where, what]): Frame => ({ where: where!, what: what! })))
    .filter((frames) => frames.length > 0 && !HARMLESS.has(frames[0]!.where))
}

/** The error that the first of these failures is: the others come of it. */
export function failureOf(stacks: readonly (readonly Frame[])[], where: Where): Hdf5Error {
  const frames = stacks[0]!
  const text = frames.map(({ what }) => what).join('\n')
  const code = MEANINGS.find(([pattern]) => pattern.test(text))?.[1] ?? 'HDF5_FAILED'
  return problem(code, where, `${explained(code, text)}HDF5 says: ${words(frames)}.`)
}

/** The outermost and the innermost say most; a filter is named in between. */
function words(frames: readonly Frame[]): string {
  const named = frames.find(({ what }) => /required filter/.test(what))
  const said = [frames[0]!, named ?? frames.at(-1)!].map(({ what }) => what)
  return [...new Set(said)].join(': ')
}

function explained(code: Hdf5ErrorCode, text: string): string {
  switch (code) {
    case 'HDF5_FILTER': {
      const name = /required filter '([^']*)'/.exec(text)?.[1]
      return `the compression filter ${name === undefined ? 'that it needs' : `'${name}'`} is not part of h5wasm, so the data cannot be read. `
    }
    case 'HDF5_TOO_LARGE':
      return 'the memory of h5wasm, 2 GiB, is not enough: take smaller parts. '
    case 'HDF5_TORN':
      return 'the file says that it is being written, but nobody holds it: a program that wrote it has died. `h5clear -s` opens it again, as it was left. '
    case 'HDF5_LINK':
      return 'a link on the way leads nowhere. '
    case 'HDF5_NOT_HDF5':
      return 'it is not an HDF5 file, or it is damaged. '
    case 'HDF5_FAILED':
      return ''
    default:
      return ''
  }
}
