// SPDX-License-Identifier: MIT
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { recoverFile } from '../../../src/hdf5/storage/recover.ts'
import { SIGNATURE_BYTES } from '../../../src/hdf5/storage/signature.ts'
import type { StoredFile } from '../../../src/hdf5/storage/stored-file.ts'
import { temporaryFolder } from '../../support/file-folders.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'
import { hasJournal, isWhole, open, tryOpen } from './files.ts'
import { apply, content, PLACES, perform, randomTransaction } from './transactions.ts'

function expectSameInside(stored: StoredFile, model: Buffer, random: () => number): void {
  expect(stored.size).toBe(model.length)
  const whole = Buffer.alloc(model.length + 10)
  expect(stored.read(whole, 0)).toBe(model.length)
  expect(whole.subarray(0, model.length).equals(model)).toBe(true)
  const from = random() % model.length
  const part = Buffer.alloc(1 + (random() % 100))
  const length = stored.read(part, from)
  expect(part.subarray(0, length).equals(model.subarray(from, from + part.length))).toBe(true)
}

test('A file after any transactions, committed, rolled back or dropped, is what a buffer in memory would be.', () => {
  const seed = freshSeed()
  const random = generator(seed)
  const folder = temporaryFolder()
  try {
    for (let round = scaled(8); round > 0; round--) {
      const at = PLACES[random() % PLACES.length]!
      const path = join(folder, `${round}.h5`)
      let model = content(random, at + SIGNATURE_BYTES + (random() % 100_000), at)
      writeFileSync(path, model)
      for (let count = 40; count > 0; count--) {
        const durability = random() % 10 === 0 ? 'power' : 'process'
        const stored = open(path, { durability })
        // Now and then more than one batch of the journal, or one piece of a write, can hold.
        const limits = { steps: 12, bytes: random() % 20 === 0 ? 2_500_000 : 30_000, size: 3_000_000 }
        const { steps, after } = randomTransaction(random, model, at, limits)
        let inside = model
        for (const step of steps) {
          perform(step, stored)
          inside = apply(step, inside)
          if (random() % 4 === 0) expectSameInside(stored, inside, random)
          expect(isWhole(path, at)).toBe(!hasJournal(path))
        }
        expectSameInside(stored, after, random)
        const end = random() % 4
        if (end <= 1) {
          stored.commit()
          model = after
          expectSameInside(stored, model, random)
        } else if (end === 2) {
          stored.rollBack()
          expectSameInside(stored, model, random)
        }
        stored.close()
        if (hasJournal(path)) {
          expect(tryOpen(path, { mode: 'read' })).toBe('torn')
          if (random() % 2 === 0) open(path).close()
          else expect(recoverFile({ path, durability, lease: null })).toBe(true)
        }
        expect(hasJournal(path)).toBe(false)
        expect(recoverFile({ path, durability, lease: null })).toBe(false)
        expect(readFileSync(path).equals(model)).toBe(true)
      }
    }
  } catch (error) {
    console.log(`HOLDFAST_TEST_SEED=${seed}`)
    throw error
  }
})
