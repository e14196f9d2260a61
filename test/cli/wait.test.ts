// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { holdfast, place, start } from './program.ts'

describe('holdfast wait', () => {
  test('returns at once, with 0 and in silence, when the path is free', async () => {
    const { url } = place()
    expect(await holdfast(['wait', '--on', url, '/a'])).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
  })

  test('returns when the last writer has left, and says meanwhile for whom it waits', async () => {
    const { url, locks } = place()
    const here = await locks()
    const lease = await here.write('/a/b')
    const program = start(['wait', '--on', url, '/a'])
    await program.says(/waiting to read \/a: pid \d+/, 'stderr')
    await lease.release()
    expect(await program.ended).toMatchObject({ code: 0 })
    expect(await here.tryWrite('/a')).not.toBeNull()
  })

  test.each([
    [[], 0],
    [['--read'], 0],
    [['--write'], 75],
  ])('with %j beside a reader ends with %i', async (words, code) => {
    const { url, locks } = place()
    await (await locks()).read('/a')
    expect(await holdfast(['wait', '--on', url, '--timeout', '0', ...words, '/a'])).toMatchObject({ code })
  })

  test('gives up after --timeout with 75, and says for what', async () => {
    const { url, locks } = place()
    await (await locks()).write('/a', { name: 'me' })
    const { code, stderr } = await holdfast(['wait', '--on', url, '-w', '0.05', '/a'])
    expect({ code, stderr }).toEqual({
      code: 75,
      stderr: expect.stringMatching(/^holdfast: Not granted within 50 ms: read \/a\..*\(LOCK_TIMEOUT\)\n$/),
    })
  })
})
