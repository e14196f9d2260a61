// SPDX-License-Identifier: MIT
// What becomes of a window when a rank dies, or does not do what the others do.
import { describe, expect, test } from 'vitest'
import { MPI_FAMILIES } from '../support/mpi.ts'
import { type Launcher, run, SURVIVING } from './window-ranks.ts'

const RANKS = 3
const FREE = 'resolved "the window is free"'

async function act(launcher: Launcher, scene: string) {
  const { stdout, stderr, failure } = await run(launcher, RANKS, 'window-endings', [scene])
  const said = (rank: number): string[] =>
    stdout
      .split('\n')
      .filter((line) => line.startsWith(`rank ${rank}: `))
      .map((line) => line.slice(`rank ${rank}: `.length))
  return { said, shown: `${stdout}${stderr}${failure}`, failure }
}

describe.each(SURVIVING)('Ranks that are %s', (launcher) => {
  test('learn that the one that writes has died, and can lock what it had locked', async () => {
    const { said, failure } = await act(launcher, 'the writer dies')
    for (const rank of [0, 2]) expect(said(rank)).toEqual(['LOCK_UNAVAILABLE', FREE, 'LOCK_UNAVAILABLE'])
    expect(failure).toMatch(/Rank 1/)
  })

  test('get the lock of one that has died', async () => {
    const { said } = await act(launcher, 'a holder dies')
    for (const rank of [0, 2]) expect(said(rank)).toEqual([FREE])
  })

  test('lose their locks with the rank that keeps them', async () => {
    const { said, failure } = await act(launcher, 'the master dies')
    expect(said(1)).toEqual(['LOCK_UNAVAILABLE', 'LOCK_UNAVAILABLE'])
    expect(said(2)).toEqual(['lost, false, true', 'LOCK_UNAVAILABLE'])
    expect(failure).toMatch(/Rank 0/)
  })

  test('do not wait for one whose program has ended', async () => {
    const { said, failure } = await act(launcher, 'a program ends too soon')
    for (const rank of [0, 2]) expect(said(rank)).toEqual(['LOCK_UNAVAILABLE', 'LOCK_UNAVAILABLE', FREE])
    expect(failure).toBeNull()
  })

  test('do not wait for one that has failed, whose error is shown', async () => {
    const { said, failure, shown } = await act(launcher, 'an error is not caught')
    for (const rank of [0, 2]) expect(said(rank)).toEqual(['LOCK_UNAVAILABLE'])
    expect(failure).toMatch(/Rank 1/)
    expect(shown).toContain('this rank is broken')
  })
})

describe.each(MPI_FAMILIES)('Ranks of %s', (launcher) => {
  test.each(['the writer dies', 'a holder dies', 'the master dies'])('end together when one does: %s', async (scene) => {
    const { failure, shown } = await act(launcher, scene)
    expect(failure).toMatch(/exit code/)
    expect(shown).toMatch(/KILLED BY SIGNAL|signal 9/i)
  })

  test('do not wait for one whose program has ended', async () => {
    const { said, failure } = await act(launcher, 'a program ends too soon')
    for (const rank of [0, 2]) expect(said(rank)).toEqual(['LOCK_UNAVAILABLE', 'LOCK_UNAVAILABLE', FREE])
    expect(failure).toBeNull()
  })

  test('end together when one has failed, and its error is shown', async () => {
    const { failure, shown } = await act(launcher, 'an error is not caught')
    expect(failure).toMatch(/exit code/)
    expect(shown).toContain('this rank is broken')
  })
})
