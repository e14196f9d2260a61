// SPDX-License-Identifier: MIT
// Two things to see: operations on different folders run side by side while those on the same wait for each other, and a folder that is
// renamed all the time is never seen half renamed.
import { Folders, type Guard, noLock, treeLock } from './folders.ts'
import { SlowStore } from './slow-store.ts'

const SHEETS = ['a', 'b', 'c']
const RENAMES = 6
const READERS = 3

export interface Outcome {
  /** What is in the store when all operations are done. */
  readonly keys: readonly string[]
  readonly torn: { readonly unlocked: number; readonly locked: number }
  readonly reads: { readonly unlocked: number; readonly locked: number }
}

/** @param latencyMs what each request to the store takes. */
export async function tell(print: (line: string) => void, latencyMs: number): Promise<Outcome> {
  const keys = await sideBySide(print, latencyMs)
  print('')
  const unlocked = await readWhileRenaming(noLock(), latencyMs)
  print(`Without a lock, ${unlocked.torn} of ${unlocked.reads} reads saw a folder half renamed.`)
  const locked = await readWhileRenaming(treeLock(), latencyMs)
  print(`With the lock, ${locked.torn} of ${locked.reads}.`)
  return { keys, torn: { unlocked: unlocked.torn, locked: locked.torn }, reads: { unlocked: unlocked.reads, locked: locked.reads } }
}

async function sideBySide(print: (line: string) => void, latencyMs: number): Promise<string[]> {
  const store = new SlowStore(latencyMs)
  const folders = new Folders(store, treeLock())
  for (const key of ['2025/a', '2025/b', '2026/a', 'drafts/x', 'drafts/y']) await folders.write(key, `body of ${key}`)

  const start = performance.now()
  const run = async (what: string, operation: Promise<unknown>): Promise<void> => {
    await operation
    print(
      `${Math.round(performance.now() - start)
        .toString()
        .padStart(5)} ms  ${what}`,
    )
  }
  print('All asked for at once, done after:')
  await Promise.all([
    run('read   2025              reads share', folders.read('2025')),
    run('read   2025', folders.read('2025')),
    run('write  2026/b            another folder: beside them', folders.write('2026/b', 'new')),
    run('rename 2025 -> old/2025  waited for both reads', folders.rename('2025', 'old/2025')),
    run('copy   2026 -> backup    waited for the write', folders.copy('2026', 'backup')),
    run('delete drafts            beside everything else', folders.delete('drafts')),
    run('read   everything        waited for all of them', folders.read('')),
  ])
  const keys = await store.list('')
  print(`Left: ${keys.join(', ')}`)
  return keys
}

async function readWhileRenaming(guard: Guard, latencyMs: number): Promise<{ torn: number; reads: number }> {
  const store = new SlowStore(latencyMs)
  const folders = new Folders(store, guard)
  for (const sheet of SHEETS) await folders.write(`studies/draft/${sheet}`, sheet)

  let renaming = true
  let reads = 0
  let torn = 0
  const read = async (): Promise<void> => {
    while (renaming) {
      const seen = await folders.read('studies')
      const names = new Set([...seen.keys()].map((key) => key.split('/')[1]))
      reads++
      if (seen.size !== SHEETS.length || names.size !== 1) torn++
    }
  }
  const rename = async (): Promise<void> => {
    for (let i = 0; i < RENAMES; i++) {
      await folders.rename(`studies/${i % 2 === 0 ? 'draft' : 'final'}`, `studies/${i % 2 === 0 ? 'final' : 'draft'}`)
    }
    renaming = false
  }
  await Promise.all([rename(), ...Array.from({ length: READERS }, read)])
  return { torn, reads }
}
