// SPDX-License-Identifier: MIT
// A window does what it promises, whatever starts the ranks and however many they are.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LAUNCHERS, run } from './window-ranks.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-window-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const SCENES = 18

describe.each(LAUNCHERS)('A window of %s', (launcher) => {
  test.each([1, 2, 4])('keeps its promises, %i of them', { timeout: 90_000 }, async (ranks) => {
    const { stdout, stderr, failure } = await run(launcher, ranks, 'window-scenarios', [mkdtempSync(join(folder, 'f-'))])
    expect(failure, stderr).toBeNull()
    expect(stdout.split('\n').filter((line) => line.startsWith('ok ')).length, stdout).toBe(SCENES)
    // Nobody has waited for long.
    expect(stderr).not.toContain('HOLDFAST_LONG_WAIT')
  })
})
