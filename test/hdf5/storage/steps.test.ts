// SPDX-License-Identifier: MIT
// What can happen between any two steps on the disk: the process dies, the power goes, the lease is lost, somebody renames a file.
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { createFile } from '../../../src/hdf5/storage/create.ts'
import { journalPath } from '../../../src/hdf5/storage/journal.ts'
import { recoverFile } from '../../../src/hdf5/storage/recover.ts'
import type { StoredFile } from '../../../src/hdf5/storage/stored-file.ts'
import { temporaryFolder } from '../../support/file-folders.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'
import { CHANGES, dieAt, type StepName, type Watcher, watched, writePart } from './faulty-disk.ts'
import { FOR_EVER, failureOf, isWhole, leaseUntil, makeFile, open, overwrite, tear, tryOpen } from './files.ts'
import { Disk } from './power-loss.ts'
import { content, PLACES, perform, randomTransaction, type Step } from './transactions.ts'

vi.mock('node:fs', async (original) => (await import('./faulty-disk.ts')).faulty(await original()))

const LIMITS = { steps: 6, bytes: 12_000, size: 60_000 }

interface Plan {
  readonly path: string
  readonly at: number
  readonly before: Buffer
  readonly after: Buffer
  readonly steps: readonly Step[]
  readonly end: 'commit' | 'rollBack'
  readonly durability: 'process' | 'power'
}

function randomPlan(random: () => number, folder: string): Plan {
  const at = PLACES[random() % PLACES.length]!
  const before = content(random, 3000 + (random() % 40_000), at)
  const end = random() % 3 === 0 ? 'rollBack' : 'commit'
  const durability = random() % 2 === 0 ? 'process' : 'power'
  let planned = randomTransaction(random, before, at, LIMITS)
  while (planned.after.equals(before)) planned = randomTransaction(random, before, at, LIMITS)
  return { path: join(folder, 'data.h5'), at, before, ...planned, end, durability }
}

function run(stored: StoredFile, { steps, end }: Plan): void {
  for (const step of steps) perform(step, stored)
  stored[end]()
}

/** Writes the same inode again: a journal knows its file by it. */
function reset({ path, before }: Plan): void {
  writeFileSync(path, before)
  for (const name of readdirSync(dirname(path))) if (name !== basename(path)) rmSync(join(dirname(path), name))
}

/** The file, open for writing, runs its plan until the process dies at a step. Answers false when it did not come to that. */
function die(plan: Plan, step: number, random: () => number): boolean {
  reset(plan)
  const opened: StoredFile[] = []
  const work = (): void => {
    opened.push(open(plan.path, { durability: plan.durability }))
    run(opened[0]!, plan)
  }
  const died = dieAt(step, work, undefined, writePart(random))
  for (const stored of opened) stored.close()
  return died
}

function contentOf({ path, before, after }: Plan): 'before' | 'after' | 'torn' {
  const bytes = readFileSync(path)
  return bytes.equals(before) ? 'before' : bytes.equals(after) ? 'after' : 'torn'
}

function withSeed(work: (random: () => number, seed: number) => void): void {
  const seed = freshSeed()
  try {
    work(generator(seed), seed)
  } catch (error) {
    console.log(`HOLDFAST_TEST_SEED=${seed}`)
    throw error
  }
}

describe('A process that dies at any step', () => {
  test('of a transaction leaves the file before it or after it, once it is opened again, also if that one dies at any step.', () => {
    let torn = 0
    withSeed((random) => {
      const folder = temporaryFolder()
      for (let round = scaled(8); round > 0; round--) {
        const plan = randomPlan(random, folder)
        const { path, at, durability } = plan
        for (let step = 0; die(plan, step, random); step++) {
          // An HDF5 library would open it: then it is whole.
          const found = contentOf(plan)
          if (isWhole(path, at)) expect(found).not.toBe('torn')
          else torn++
          for (let again = random() % 4; !isWhole(path, at); again += 1 + (random() % 4)) {
            dieAt(again, () => void recoverFile({ path, durability, lease: null }), undefined, writePart(random))
            if (isWhole(path, at)) expect(contentOf(plan)).not.toBe('torn')
          }
          const whole = contentOf(plan)
          expect(whole).not.toBe('torn')
          if (found !== 'torn') expect([found, whole]).not.toEqual(['before', 'after'])
          const stored = open(path)
          stored.write(Buffer.from('next'), at + 100)
          stored.commit()
          stored.close()
          expect(readdirSync(folder)).toEqual(['data.h5'])
        }
        expect(contentOf(plan)).toBe(plan.end === 'commit' ? 'after' : 'before')
      }
    })
    expect(torn).toBeGreaterThan(0)
  })

  test('of making or replacing a file leaves no part of a new one under its name.', () => {
    withSeed((random) => {
      const folder = temporaryFolder()
      const path = join(folder, 'data.h5')
      const empty = content(random, 2000, 0)
      for (const old of [null, content(random, 9000, 0)]) {
        for (let step = 0, died = true; died; step++) {
          rmSync(path, { force: true })
          if (old !== null) writeFileSync(path, old)
          const request = { path, replace: old !== null, durability: 'power', lease: null } as const
          died = dieAt(step, () => void createFile(request, empty), undefined, writePart(random))
          const found = readdirSync(folder).includes('data.h5') ? readFileSync(path) : null
          if (!died || !(found === null ? old === null : old?.equals(found))) expect(found?.equals(empty)).toBe(true)
        }
      }
      expect(readdirSync(folder).filter((name) => !/^data\.h5$|^\.holdfast-.*\.new$/.test(name))).toEqual([])
    })
  })
})

test('A loss of power at any step leaves the file as before or after the transaction, and as after it once it is committed.', () => {
  let losses = 0
  withSeed((random) => {
    const folder = temporaryFolder()
    for (let round = scaled(6); round > 0; round--) {
      const first = { ...randomPlan(random, folder), end: 'commit', durability: 'power' } as const
      const next = randomTransaction(random, first.after, first.at, LIMITS)
      const second: Plan = { ...first, ...next, before: first.after, end: random() % 3 === 0 ? 'rollBack' : 'commit' }
      const { path } = first
      for (let step = 0, more = true; more; step += 1 + (random() % 3)) {
        reset(first)
        const disk = new Disk(path, journalPath(path), first.before)
        const stored = watched(disk.watch, () => open(path, { durability: 'power' }))
        const done: Plan[] = []
        const work = (): void => {
          for (const plan of [first, second]) {
            run(stored, plan)
            done.push(plan)
          }
        }
        more = dieAt(step, work, disk.watch)
        stored.close()
        const allowed = [done.length === 0 ? first.before : first.after]
        if (done.length < 2) allowed.push(done.length === 0 ? first.after : second.after)
        else if (second.end === 'commit') allowed[0] = second.after
        for (let sample = 0; sample < 3; sample++) {
          disk.lose(random)
          losses++
          open(path).close()
          const found = readFileSync(path)
          expect(allowed.some((bytes) => bytes.equals(found))).toBe(true)
        }
      }
    }
  })
  expect(losses).toBeGreaterThan(0)
})

test('A commit that the disk fails at its last sync can be rolled back, also when the power goes meanwhile.', () => {
  withSeed((random) => {
    const folder = temporaryFolder()
    for (let round = scaled(6); round > 0; round--) {
      const plan = { ...randomPlan(random, folder), end: 'commit', durability: 'power' } as const
      for (let step = 0, more = true; more; step++) {
        reset(plan)
        const disk = new Disk(plan.path, journalPath(plan.path), plan.before)
        const stored = watched(disk.watch, () => open(plan.path, { durability: 'power' }))
        const failing: Watcher = (name, args, go) => {
          if (name === 'fdatasyncSync' && isWhole(plan.path, plan.at)) throw Object.assign(new Error('EIO'), { code: 'EIO' })
          return disk.watch(name, args, go)
        }
        watched(disk.watch, () => {
          for (const one of plan.steps) perform(one, stored)
        })
        expect(failureOf(() => watched(failing, () => stored.commit())).code).toBe('EIO')
        more = dieAt(step, () => stored.rollBack(), disk.watch)
        stored.close()
        for (let sample = 0; sample < 3; sample++) {
          disk.lose(random)
          open(plan.path).close()
          expect(contentOf(plan)).not.toBe('torn')
          if (!more) expect(contentOf(plan)).toBe('before')
        }
      }
    }
  })
})

test('A lease that is lost at any step is the end of it: nothing more is changed, and the next writer rolls back.', () => {
  withSeed((random) => {
    const folder = temporaryFolder()
    for (let round = scaled(8); round > 0; round--) {
      const plan = randomPlan(random, folder)
      // A write so large that it takes several pieces.
      const large: Step = { do: 'write', position: plan.before.length, bytes: Buffer.alloc(2_500_000, 1) }
      if (round % 4 === 0) (plan.steps as Step[]).push(large)
      for (let step = 0, over = false; !over; step++) {
        reset(plan)
        const cell = leaseUntil(FOR_EVER)
        const stored = open(plan.path, { lease: cell.lease, durability: plan.durability })
        let left = step
        const late: StepName[] = []
        let ended = false
        watched(
          (name, _args, go) => {
            if (left < 0 && CHANGES.includes(name)) late.push(name)
            if (left-- === 0) cell.set(0n)
            return go()
          },
          () => {
            try {
              run(stored, plan)
              ended = true
            } catch (error) {
              expect(error).toMatchObject({ code: 'LOCK_LOST' })
              if (!isWhole(plan.path, plan.at)) expect(failureOf(() => stored.rollBack()).code).toBe('LOCK_LOST')
            }
            stored.close()
          },
        )
        over = left >= 0
        expect(late).toEqual([])
        open(plan.path).close()
        if (!ended) expect(contentOf(plan)).toBe('before')
      }
    }
  })
})

describe('A file whose name goes to another', () => {
  test('while it is being locked is not the one that is opened.', () => {
    const folder = temporaryFolder()
    const { path } = makeFile(folder)
    const other = makeFile(folder, 'other.h5')
    overwrite(other.path, 100, Buffer.from('other'))
    let renamed = false
    const rename = (name: StepName, go: () => unknown): unknown => {
      const result = go()
      if (name === 'openSync' && !renamed) {
        renamed = true
        renameSync(other.path, path)
      }
      return result
    }
    const stored = watched(
      (name, _args, go) => rename(name, go),
      () => open(path),
    )
    const into = Buffer.alloc(5)
    stored.read(into, 100)
    expect(into.toString()).toBe('other')
    stored.close()
  })

  test('again and again is busy.', () => {
    const folder = temporaryFolder()
    const { path, before } = makeFile(folder)
    const take = (name: StepName, go: () => unknown): unknown => {
      const result = go()
      if (name !== 'openSync') return result
      writeFileSync(`${path}.new`, before)
      renameSync(`${path}.new`, path)
      return result
    }
    expect(
      watched(
        (name, _args, go) => take(name, go),
        () => tryOpen(path),
      ),
    ).toBe('busy')
  })
})

test('A failure while rolling back leaves the rest to the next try.', () => {
  const { path, before } = makeFile(temporaryFolder())
  for (let step = 0, failed = true; failed; step++) {
    tear(path)
    const stored = open(path)
    stored.write(Buffer.alloc(9000, 1), 1000)
    stored.truncate(12_000)
    let left = step
    const fault = Object.assign(new Error('EIO'), { code: 'EIO' })
    const watch = (name: StepName, go: () => unknown): unknown => {
      if (name !== 'closeSync' && name !== 'unlinkSync' && left-- === 0) throw fault
      return go()
    }
    failed = false
    try {
      watched(
        (name, _args, go) => watch(name, go),
        () => stored.rollBack(),
      )
    } catch (error) {
      expect(error).toBe(fault)
      expect(isWhole(path)).toBe(false)
      failed = true
      stored.rollBack()
    }
    stored.close()
    expect(readFileSync(path).equals(before)).toBe(true)
  }
})
