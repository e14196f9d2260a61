// SPDX-License-Identifier: MIT
// The protocol on a real file, taken apart: one user is killed, or stands still, after each of its steps, while another one comes, who sees other
// engines up.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Agreed, type Entry, enter, type Opened, type Script, type Step } from '../../src/config/agreement.ts'
import { AgreementFile } from '../../src/config/agreement-file.ts'
import { isLockError, LockError } from '../../src/core/errors.ts'
import { folder } from './several.ts'

const PATIENCE = { electionMs: 100, strangerMs: 100 }
const NAMES = ['a', 'b'] as const
const ENTRIES: readonly Entry[] = NAMES.map((name) => ({ digest: name, shown: name }))

/** A user who goes step by step. */
class Walker {
  readonly file: AgreementFile
  result: Agreed | LockError | null = null
  steps = 0
  private readonly sees: readonly string[]
  private readonly script: Script<Agreed>
  private next: IteratorResult<Step, Agreed> | null = null

  /** @param sees the engines that answer, as far as this one can tell. */
  constructor(home: string, name: string, sees: readonly string[] = NAMES) {
    this.sees = sees
    this.file = new AgreementFile(join(home, 'agreement'), 'test')
    this.script = enter(ENTRIES, name, PATIENCE)
    onTestFinished(() => this.file.close())
  }

  async walk(steps: number = Number.POSITIVE_INFINITY): Promise<this> {
    for (let i = 0; i < steps && this.result === null; i++) {
      try {
        this.next = this.next === null ? this.script.next() : await this.step(this.next.value as Step)
        if (this.next.done) this.result = this.next.value
        else this.steps++
      } catch (error) {
        if (!isLockError(error)) throw error
        this.result = error
      }
    }
    return this
  }

  /** As the kernel does with what a process had locked. */
  kill(): void {
    this.file.close()
  }

  get agreed(): Agreed {
    if (this.result === null || isLockError(this.result)) throw this.result ?? new Error('It has not come to an end.')
    return this.result
  }

  private async step(step: Step): Promise<IteratorResult<Step, Agreed>> {
    let answer: unknown
    try {
      answer = await this.perform(step)
    } catch (error) {
      return this.script.throw(error)
    }
    return this.script.next(answer)
  }

  private async perform(step: Step): Promise<unknown> {
    const { file } = this
    const now = performance.now()
    const answers: Readonly<Record<Step['do'], () => unknown>> = {
      'begin-election': () => file.beginElection(),
      'end-election': () => file.endElection(),
      share: () => file.share(),
      claim: () => file.claim(),
      leave: () => file.leave(),
      others: () => file.others(),
      read: () => file.read(),
      'highest-epoch': () => file.highestEpoch,
      write: () => step.do === 'write' && file.write(step.record),
      'is-the-file': () => file.isTheFile,
      reopen: () => file.reopen(),
      open: () => step.do === 'open' && this.open(step.entry),
      who: () => file.who(),
      pause: () => new Promise((resolve) => setTimeout(resolve, 1)),
      'look-at-clocks': () => ({ ms: now, wallMs: Date.now() }),
    }
    return await answers[step.do]()
  }

  private open(entry: number): Opened {
    const name = NAMES[entry]!
    if (this.sees.includes(name)) return { state: 'open', identity: name }
    return { state: 'down', error: new LockError('LOCK_UNAVAILABLE', `${name} is down.`) }
  }
}

/** How many steps an election takes to its end. */
async function lengthOfElection(): Promise<number> {
  return (await new Walker(folder(), 'alone').walk()).steps
}

describe('A user who elects', () => {
  test('may be killed after any step: the next one comes in, and epochs rise', async () => {
    const length = await lengthOfElection()
    expect(length).toBeGreaterThan(8)
    for (let steps = 1; steps <= length; steps++) {
      const home = folder()
      const before = await new Walker(home, 'before').walk()
      before.kill()
      const victim = await new Walker(home, 'victim').walk(steps)
      victim.kill()
      const next = await new Walker(home, 'next', ['b']).walk()
      expect(next.agreed).toMatchObject({ entry: 1, record: { by: 'next' } })
      expect(next.agreed.record.epoch).toBeGreaterThan(before.agreed.record.epoch)
    }
  })

  test('may stand still after any step: whoever comes meanwhile and sees other engines up is never in on another one', async () => {
    const length = await lengthOfElection()
    const outcomes = new Set<string>()
    for (let steps = 1; steps <= length; steps++) {
      const home = folder()
      const stopped = await new Walker(home, 'stopped').walk(steps)
      const other = await new Walker(home, 'other', ['b']).walk()
      if (isLockError(other.result)) {
        // It has U: nobody else may elect, and what it has elected is not up for the other.
        expect(other.result.code).toBe('LOCK_UNAVAILABLE')
        expect(other.result.message).toContain(`${process.pid}@`)
        expect((await stopped.walk()).agreed.entry).toBe(0)
        outcomes.add('refused')
      } else {
        expect(other.agreed.entry).toBe(1)
        expect((await stopped.walk()).agreed).toEqual(other.agreed)
        outcomes.add('in')
      }
      expect(stopped.file.read()).toEqual(stopped.agreed.record)
    }
    expect(outcomes).toEqual(new Set(['in', 'refused']))
  })

  test('may stand still after any step, while the others come, go, and lose the file: it is in on what the last of them has elected', async () => {
    const length = await lengthOfElection()
    for (let steps = 1; steps <= length; steps++) {
      const home = folder()
      const stopped = await new Walker(home, 'stopped').walk(steps)
      // Whoever has the users byte of a file that is not there any more stands for nobody: that is what removing it takes away.
      if (new Walker(home, 'looks').file.others() !== 'nobody') continue
      ;(await new Walker(home, 'before', ['b']).walk()).kill()
      rmSync(stopped.file.path)
      const other = await new Walker(home, 'other', ['b']).walk()
      expect(other.agreed.entry).toBe(1)
      expect((await stopped.walk()).agreed).toEqual(other.agreed)
    }
  })
})
