// SPDX-License-Identifier: MIT
// The conformance suite on one transport: first with the home among the clients, in one group for all tests; then what takes a client's life, or stops
// it, where the home is left in peace.
import { afterAll, describe, test } from 'vitest'
import { conformance } from '../../src/conformance/index.ts'
import type { Supports } from '../../src/index.ts'
import { patience, scale } from '../support/scale.ts'
import type { Launcher } from './launchers.ts'
import { Ranks } from './ranks.ts'

/** What the documentation of groups promises. */
const SUPPORTS: Supports = {
  scope: 'machine',
  immediate: false,
  order: 'strict',
  exactTry: true,
  deadHolder: 'at-once',
  loss: true,
  durableTokens: false,
}
const UNDER_MPI: Supports = { ...SUPPORTS, scope: 'network', deadHolder: 'none' }

const TOGETHER = 4
/** A test for both. */
const CLIENTS = 'The clients of the suite are'
/** The home, two that stay, and as many as one test kills. */
const MORTAL = 3 + 4

export function onTransport(launcher: Launcher): void {
  const mpi = launcher === 'mpich' || launcher === 'openmpi'
  const supports = mpi ? UNDER_MPI : SUPPORTS
  const titles = new Set<string>()
  describe(`A group of ranks on ${launcher}`, () => {
    const ranks = new Ranks(launcher, TOGETHER, false)
    afterAll(() => ranks.stop())
    let turn = 0
    conformance({
      name: `group, ${launcher}`,
      test: (title, body) => {
        if (!title.includes(CLIENTS)) titles.add(title)
        test(title, body, patience(30_000))
      },
      supports,
      // Each of the ranks has its turn to be the first, and the home.
      open: ({ prefer }) => ranks.arena({ prefer, home: (turn >> 1) % TOGETHER }, turn++ % TOGETHER),
      scale,
      patience: patience(10_000),
    })
  })
  describe(`A group whose ranks die, or stand still, on ${launcher}`, () => {
    const ranks = new Ranks(launcher, mpi ? TOGETHER : MORTAL, true)
    afterAll(() => ranks.stop())
    conformance({
      name: `group, ${launcher}`,
      test: (title, body) => {
        if (!titles.has(title)) test(title, body, patience(30_000))
      },
      supports,
      clients: launcher === 'threads' ? 'threads' : 'processes',
      open: ({ prefer }) => ranks.arena({ prefer }, 1),
      // One rank dies in each round of a test, and a group has no more of them.
      scale: Math.min(scale, 1),
      patience: patience(10_000),
    })
  })
}
