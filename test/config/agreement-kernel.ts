// SPDX-License-Identifier: MIT
// What a process of agreement-model.ts is told by the kernel and the file, and what it would be told by a machine with a flaw.
import type { Others, Step } from '../../src/config/agreement.ts'
import type { File, Process } from './agreement-parts.ts'

/** What the machine gets wrong, to see that the oracle would notice. */
export const FLAWS = [
  'claim-beside-users',
  'share-beside-writer',
  'share-forgotten',
  'record-from-before',
  'wrong-identity',
  'leaves-with-lease',
  'leaves-without-grace',
  'old-file-overlooked',
  'reconnects-anywhere',
] as const
export type Flaw = (typeof FLAWS)[number]

/** The answer to a step. `current` is the file that others find. */
export function asked(process: Process, step: Step, current: File, flaw: Flaw | null): unknown {
  const { file } = process
  switch (step.do) {
    case 'begin-election':
      if (file.election !== null && file.election !== process) return false
      file.election = process
      return true
    case 'end-election':
      if (file.election === process) file.election = null
      return undefined
    case 'share':
      if (file.writer !== null && file.writer !== process && flaw !== 'share-beside-writer') return false
      if (file.writer === process) file.writer = null
      if (flaw !== 'share-forgotten') file.users.add(process)
      return true
    case 'claim':
      if (others(process) !== 'nobody' && flaw !== 'claim-beside-users') return false
      file.users.delete(process)
      file.writer = process
      return true
    case 'leave':
      file.users.delete(process)
      if (file.writer === process) file.writer = null
      return undefined
    case 'others':
      return others(process)
    case 'read':
      return flaw === 'record-from-before' && file.users.has(process) ? (process.known ?? file.slots.record) : file.slots.record
    case 'highest-epoch':
      return file.slots.highestEpoch
    case 'is-the-file':
      return file === current || flaw === 'old-file-overlooked'
    case 'reopen':
      process.unlock()
      process.file = current
      return undefined
    case 'who':
      return [...file.users].map(({ name }) => name)
    default:
      return undefined
  }
}

function others(process: Process): Others {
  const { writer, users } = process.file
  if (writer !== null && writer !== process) return 'writer'
  return [...users].some((user) => user !== process) ? 'users' : 'nobody'
}
