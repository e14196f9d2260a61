// SPDX-License-Identifier: MIT
// Folders for lock directories, and lock spaces in them; after each test spaces are closed, agents killed and folders removed, in that order.
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { type FileOptions, fileBackend } from '../../src/backends/file/index.ts'
import { LockSpace } from '../../src/index.ts'
import { killAgents } from './file-agent.ts'

const folders: string[] = []
const spaces: LockSpace[] = []

/** A new folder, on the disk unless `below` lies elsewhere, that other users may enter, too. */
export function temporaryFolder(below: string = tmpdir()): string {
  const folder = mkdtempSync(join(below, 'holdfast-test-'))
  folders.push(folder)
  chmodSync(folder, 0o755)
  return folder
}

/** A new folder in memory: on tmpfs. */
export function memoryFolder(): string {
  return temporaryFolder('/dev/shm')
}

/** A lock space of this process. */
export function openSpace(directory: string, options: FileOptions = {}): LockSpace {
  const space = new LockSpace(fileBackend({ directory, ...options }))
  spaces.push(space)
  return space
}

/** Descriptors that this process has open. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

afterEach(async () => {
  await Promise.all(spaces.splice(0).map((space) => space.close({ timeout: 0 })))
  await killAgents()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
})
