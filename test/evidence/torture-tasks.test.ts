// SPDX-License-Identifier: MIT
// What a worker of the torture puts down is never more than what was true, however long it stands still in between.
import { expect, onTestFinished, test } from 'vitest'
import { Fenced } from '../../src/evidence/torture/fenced.ts'
import { keysBelow } from '../../src/evidence/torture/marks.ts'
import { Pulse } from '../../src/evidence/torture/pulse.ts'
import { type RawMark, SharedRecord } from '../../src/evidence/torture/record.ts'
import { Requests } from '../../src/evidence/torture/requests.ts'
import { Tasks } from '../../src/evidence/torture/tasks.ts'
import { LockSpace } from '../../src/index.ts'
import { bootNow } from '../../src/native/clock.ts'

/** Somebody with a larger token comes while whoever writes stands still. */
class Overtaken extends Fenced {
  readonly comes: bigint[] = []

  override write(): boolean {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    this.comes.push(bootNow())
    return false
  }
}

test('A write that is refused is put down with a time at which it had been refused', async () => {
  const record = SharedRecord.create(1, 1)
  onTestFinished(() => record.close())
  const locks = new LockSpace()
  const pulse = new Pulse(locks, 'pulse')
  await pulse.open()
  const ring = record.ring(0)
  ring.begin(bootNow())
  const fenced = new Overtaken(record.cells, 1)
  const tasks = new Tasks(locks, keysBelow('tree', 1), ring, fenced, pulse, (_, trouble) => expect.unreachable(trouble))
  const running = tasks.run([new Requests(1, 0, 0, 0, 1_000)])
  while (fenced.comes.length < 5) await new Promise((resolve) => setTimeout(resolve, 1))
  tasks.stop()
  await running
  await pulse.close()
  const marks: RawMark[] = []
  ring.take((mark) => marks.push(mark))
  const wrote = marks.filter(({ word }) => word === 'wrote')
  expect(wrote).toHaveLength(fenced.comes.length)
  for (const [i, { at, deadline }] of wrote.entries()) {
    expect(at).toBeGreaterThanOrEqual(fenced.comes[i]!)
    expect(deadline).toBe(0n)
  }
})
