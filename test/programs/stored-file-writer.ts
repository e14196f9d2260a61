// SPDX-License-Identifier: MIT
// A process that runs one random transaction after the other on a file until it is killed. Before each it appends a line to a log: what the file is
// before it, and what it is to be after it. With `bare` it writes as if there were no journal.
//
//     node stored-file-writer.js FILE LOG SEED journal|bare
import { createHash } from 'node:crypto'
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { StoredFile } from '../../src/hdf5/storage/stored-file.ts'
import { perform, randomTransaction, type Step } from '../hdf5/storage/transactions.ts'
import { generator } from '../support/random.ts'

const [path, log, seed, how] = process.argv.slice(2) as [string, string, string, 'journal' | 'bare']
const random = generator(Number(seed))
const out = openSync(log, 'a')
const AT = 512

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

function opened(): StoredFile {
  const stored = StoredFile.open({ path, mode: 'write', durability: 'process', lease: null })
  if (typeof stored === 'string') throw new Error(`${path} is ${stored}.`)
  return stored
}

function writeBare(fd: number, step: Step): void {
  if (step.do === 'write') writeSync(fd, step.bytes, 0, step.bytes.length, step.position)
  else ftruncateSync(fd, step.length)
}

process.send?.('ready')
// What a predecessor left is rolled back before anything else.
if (how === 'journal') opened().close()
let content: Buffer = readFileSync(path)
let before = digest(content)
for (;;) {
  const { steps, after } = randomTransaction(random, content, AT, { steps: 60, bytes: 40_000, size: 400_000 })
  const next = digest(after)
  writeSync(out, `${before} ${next}\n`)
  const keep = how === 'bare' || random() % 4 > 0
  if (how === 'journal') {
    const stored = opened()
    for (const step of steps) perform(step, stored)
    if (keep) stored.commit()
    else stored.rollBack()
    stored.close()
  } else {
    const fd = openSync(path, 'r+')
    for (const step of steps) writeBare(fd, step)
    closeSync(fd)
  }
  if (keep) {
    content = after
    before = next
  }
}
