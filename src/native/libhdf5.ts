// SPDX-License-Identifier: MIT
// Finds the system's HDF5 library (libhdf5, a C library) and loads it, once for the thread and to stay for the life of the process.
import { libc } from './libc.ts'

type LibC = ReturnType<typeof libc>

export interface LibHdf5 {
  readonly koffi: LibC['koffi']
  readonly library: LibC['library']
  /** The name it was found under. */
  readonly name: string
  readonly version: readonly [major: number, minor: number, release: number]
  /** Copies bytes from an address of the process. Unlike a view of it, this may be done in a thread that is being ended. */
  readonly copyFrom: (into: ArrayBufferView, address: bigint, bytes: number) => void
  readonly copyTo: (address: bigint, from: ArrayBufferView, bytes: number) => void
}

/** Nothing that can be used; `tried` says what was met, a sentence or nothing. */
interface NoLibHdf5 {
  readonly tried: string
}

/** Debian's names first, then those of others, the older ABI first: most systems have one of them. The last two are there for developers only. */
const NAMES = [
  'libhdf5_serial.so.103',
  'libhdf5_serial.so.310',
  'libhdf5_serial.so.320',
  'libhdf5.so.103',
  'libhdf5.so.200',
  'libhdf5.so.310',
  'libhdf5.so.320',
  'libhdf5_serial.so',
  'libhdf5.so',
]

const RTLD_LAZY = 1
const RTLD_NODELETE = 0x1000

let found: LibHdf5 | null = null

/**
 * The library that the environment variable HOLDFAST_LIBHDF5 names, else the first of the usual names that can be loaded and has a version
 * that `isUsable` accepts. Only one thread of the process may be here at a time: not every build of the library is made for threads.
 */
export function libhdf5(isUsable: (version: LibHdf5['version']) => boolean): LibHdf5 | NoLibHdf5 {
  if (found !== null) return found
  const named = process.env.HOLDFAST_LIBHDF5
  const unusable: string[] = []
  for (const name of named ? [named] : NAMES) {
    const candidate = load(name)
    if (typeof candidate === 'string') {
      if (named) unusable.push(candidate)
    } else if (isUsable(candidate.version)) {
      found = candidate
      return candidate
    } else {
      unusable.push(`${name} is of version ${candidate.version.join('.')}, for which this is not made.`)
    }
  }
  return { tried: unusable.join(' ') }
}

function load(name: string): LibHdf5 | string {
  const { koffi, library: c } = libc()
  let library: LibHdf5['library']
  try {
    library = koffi.load(name)
  } catch (error) {
    return `${name}: ${(error as Error).message}`
  }
  try {
    // A thread that ends must not take the library from the others, and what it would do at exit could call into threads that are gone.
    c.func('void *dlopen(str name, int flags)')(name, RTLD_LAZY | RTLD_NODELETE)
    library.func('int H5dont_atexit()')()
    const version = new Uint32Array(3)
    const parts = [0, 1, 2].map((part) => version.subarray(part, part + 1))
    library.func('int H5get_libversion(uint32_t *major, uint32_t *minor, uint32_t *release)')(...parts)
    return {
      koffi,
      library,
      name,
      version: [version[0]!, version[1]!, version[2]!],
      copyFrom: c.func('void memcpy(void *into, uintptr_t address, size_t bytes)') as LibHdf5['copyFrom'],
      copyTo: c.func('void memcpy(uintptr_t address, const void *from, size_t bytes)') as LibHdf5['copyTo'],
    }
  } catch (error) {
    return `${name} is no HDF5 library: ${(error as Error).message}`
  }
}
