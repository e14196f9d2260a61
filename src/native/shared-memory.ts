// SPDX-License-Identifier: MIT
// Memory that several processes see, in a file that never has a name and is gone with the last that has it open (memfd_create(2), mmap(2)).
import { closeSync, ftruncateSync } from 'node:fs'
import { libc, systemError } from './libc.ts'

const MFD_CLOEXEC = 1
const PROT_READ_WRITE = 3
const MAP_SHARED = 1
const MAP_FAILED = 2n ** 64n - 1n

/**
 * A descriptor of so many bytes of memory, all zero. A child that is given it sees the same bytes.
 *
 * @throws LockError `LOCK_UNSUPPORTED` as {@link libc} does; an error of the system when there is no room.
 */
export function createSharedMemory(name: string, bytes: number): number {
  const create = libc().library.func('int memfd_create(const char *name, unsigned int flags)') as (name: string, flags: number) => number
  const fd = create(name, MFD_CLOEXEC)
  if (fd < 0) throw systemError('memfd_create')
  try {
    ftruncateSync(fd, bytes)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return fd
}

export interface MappedMemory {
  readonly bytes: ArrayBuffer
  /** Nobody touches the bytes after this: the process would be killed. */
  unmap(): void
}

/** The memory of a descriptor, which may be closed afterwards. */
export function mapMemory(fd: number, size: number): MappedMemory {
  const { koffi, library } = libc()
  const map = library.func('void *mmap(intptr_t at, size_t size, int protection, int flags, int fd, int64_t offset)') as (
    ...words: number[]
  ) => bigint
  const address = map(0, size, PROT_READ_WRITE, MAP_SHARED, fd, 0)
  if (address === MAP_FAILED) throw systemError('mmap')
  return {
    bytes: koffi.view(address, size),
    unmap() {
      const unmap = library.func('int munmap(void *at, size_t size)') as (at: bigint, size: number) => number
      if (unmap(address, size) !== 0) throw systemError('munmap')
    },
  }
}
