// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { descentOf, groupOf, type Kin, stop } from '../../src/cli/processes.ts'
import { isRunning, Program } from './program.ts'

/** A shell, its child, and a grandchild that outlives both unless it is stopped too. */
async function family(): Promise<{ eldest: number; youngest: number }> {
  const program = new Program('sh', ['-c', 'sh -c \'sleep 60 & echo "ready $!"; wait\'; true'])
  const [, youngest] = await program.says(/ready (\d+)/)
  return { eldest: program.child.pid!, youngest: Number(youngest) }
}

describe('Stopping a command by descent', () => {
  test('reaches the children of children', async () => {
    const { eldest, youngest } = await family()
    expect(await stop(descentOf(eldest), 5_000)).toBe(true)
    expect([isRunning(eldest), isRunning(youngest)]).toEqual([false, false])
  })

  test('does not reach those who were orphans before it began to look', async () => {
    const { eldest, youngest } = await family()
    process.kill(eldest, 'SIGKILL')
    await expect.poll(() => isRunning(eldest), { interval: 5 }).toBe(false)
    expect(descentOf(eldest).alive()).toBe(false)
    expect(isRunning(youngest)).toBe(true)
    process.kill(youngest)
  })
})

describe('Stopping', () => {
  test('sends SIGTERM first, and SIGKILL after the grace to those who stay', async () => {
    const sent: string[] = []
    let alive = true
    const kin: Kin = {
      send: (signal) => {
        sent.push(signal)
        if (signal === 'SIGKILL') alive = false
      },
      alive: () => alive,
    }
    expect(await stop(kin, 20)).toBe(false)
    expect(sent).toEqual(['SIGTERM', 'SIGCONT', 'SIGKILL'])
  })

  test('sends nothing more than SIGTERM to those who go', async () => {
    const sent: string[] = []
    const kin: Kin = { send: (signal) => sent.push(signal), alive: () => sent.length < 2 }
    expect(await stop(kin, 10_000)).toBe(true)
    expect(sent).toEqual(['SIGTERM', 'SIGCONT'])
  })

  test('a group that is gone is no error', async () => {
    const program = new Program('true', [])
    await program.ended
    const kin = groupOf(program.child.pid!)
    expect(kin.alive()).toBe(false)
    kin.send('SIGTERM')
  })
})
