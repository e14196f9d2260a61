// SPDX-License-Identifier: MIT
// What the HDF5 library says went wrong, as an Hdf5Error.
import type { LibHdf5 } from '../../../native/libhdf5.ts'
import { Hdf5Error, type Hdf5ErrorCode } from '../../errors.ts'
import { problem, type Where } from '../../where.ts'
import { type Calls, DEFAULT, type Id } from './calls.ts'

/** One entry of the library's error stack. */
interface Entry {
  readonly minor: Id
  readonly text: string
}

/** From the function that met the failure to the one that we called. */
const UPWARD = 0
/** struct H5E_error2_t: ids of class, major and minor error, the line (32 bits), the names of function and file, the text. */
const MINOR_AT = 16
const TEXT_AT = 48
const ENTRY_BYTES = 56

/** What the function that met the failure calls it. Those above it have names for it that say less, or something else. */
const CODES: readonly (readonly [minor: string, code: Hdf5ErrorCode])[] = [
  ['H5E_NOFILTER_g', 'HDF5_FILTER'],
  ['H5E_EXISTS_g', 'HDF5_EXISTS'],
  ['H5E_VERSION_g', 'HDF5_UNSUPPORTED'],
  ['H5E_NOTFOUND_g', 'HDF5_NO_OBJECT'],
]

export class ErrorStack {
  private readonly calls: Calls
  private readonly visit: bigint
  private entries: Entry[] = []

  constructor({ koffi, copyFrom }: LibHdf5, calls: Calls) {
    this.calls = calls
    const words = new BigInt64Array(ENTRY_BYTES / 8)
    this.visit = koffi.register(
      (_index: number, entry: bigint) => {
        try {
          copyFrom(words, entry, ENTRY_BYTES)
          const text = words[TEXT_AT / 8]!
          this.entries.push({ minor: words[MINOR_AT / 8]!, text: text === 0n ? '' : koffi.decode.string(text) })
        } catch {
          // Whatever could be read is told.
        }
        return 0
      },
      koffi.pointer(koffi.proto('int', ['uint', 'void *', 'void *'])),
    )
  }

  /** Keeps the library from printing what it has to say. */
  silence(): void {
    this.calls.H5Eset_auto2(DEFAULT, null, null)
  }

  /** The failure of the call that has just failed. `usual`: its code unless the library knows better. */
  failure(usual: Hdf5ErrorCode, where: Where, what: string): Hdf5Error {
    this.entries = []
    this.calls.H5Ewalk2(DEFAULT, UPWARD, this.visit, null)
    const met = BigInt(this.entries[0]?.minor ?? -1)
    const known = CODES.find(([name]) => BigInt(this.calls.constant(name)) === met)
    return problem(known?.[1] ?? usual, where, `${what} failed. ${this.words()}`)
  }

  /** What the function that was called says, and the one that met the failure. */
  private words(): string {
    const said = this.entries.map((entry) => entry.text).filter((text) => text !== '')
    if (said.length === 0) return 'HDF5 does not say why.'
    const outer = said.at(-1)!
    return `HDF5 says: ${said[0] === outer ? outer : `${outer}: ${said[0]}`}.`
  }
}

/** There is no library that could do it. */
export function missing(what: string, file: string, tried: string): Hdf5Error {
  const why = tried === '' ? '' : ` What was found cannot be used: ${tried}`
  return new Hdf5Error(
    'HDF5_NEEDS_LIBRARY',
    `${file}: ${what} needs the HDF5 library of the system, 1.10.2 or later. Install it (Debian and Ubuntu: apt-get install libhdf5-103-1, or ` +
      `libhdf5-310 where there is no such package; Fedora: dnf install hdf5; Alpine: apk add hdf5; Arch: pacman -S hdf5), or name the file ` +
      `of the library in the environment variable HOLDFAST_LIBHDF5.${why}`,
    { file },
  )
}
