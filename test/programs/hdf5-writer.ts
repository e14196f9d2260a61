// SPDX-License-Identifier: MIT
// A process that runs one random write transaction after the other on an HDF5 file, until it is killed. Each is first rehearsed on a copy: a line of
// the log says what the file is before it and what it shall be after it, as digests, and the second in which that was, as HDF5 stores times. It says
// "ready" when it is warm, takes a job from its standard input, and says before each transaction how many milliseconds its rehearsal took.
//
//     node hdf5-writer.js LOCKS SCRATCH
//
// A job is {"do": "write", "path", "log", "seed"}, {"do": "recover", "path"}, or {"do": "fill", "path"}: fills the dataset "large" with 1 in a
// transaction that ends with the standard input; says "filled" before, and "done" at the end.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, openSync, readFileSync, writeSync } from 'node:fs'
import { LockSpace } from 'holdfast'
import { fileBackend } from 'holdfast/file'
import { File, type Group, hardLink, ndArray, recoverFile, slice, softLink } from 'holdfast/hdf5'
import { generator } from '../support/random.ts'

type Job =
  | { readonly do: 'write'; readonly path: string; readonly log: string; readonly seed: number }
  | { readonly do: 'recover' | 'fill'; readonly path: string }

const [directory, scratch] = process.argv.slice(2) as [string, string]
const locks = new LockSpace(fileBackend({ directory }))
const MOST_OBJECTS = 8

await warmUp()
say('ready')
const [line] = (await once(process.stdin, 'data')) as [Buffer]
const job = JSON.parse(line.toString()) as Job
if (job.do === 'recover') {
  say('recover')
  await recoverFile(job.path, { locks })
} else if (job.do === 'write') await writeForever(job.path, job.log, job.seed)
else {
  const file = await File.open(job.path, 'r+', { locks })
  await file.write(async (tx) => {
    await (await tx.dataset('large')).write(1)
    say('filled')
    await once(process.stdin, 'end')
  })
  say('done')
}

async function writeForever(path: string, log: string, seed: number): Promise<void> {
  const out = openSync(log, 'a')
  const random = generator(seed)
  say('open')
  const file = await File.open(path, 'r+', { locks })
  const copy = `${path}.rehearsal`
  copyFileSync(path, copy)
  const rehearsal = await File.open(copy, 'r+', { locks })
  for (;;) {
    const choice = random()
    const before = digest(path)
    let start: number
    let second: number
    do {
      copyFileSync(path, copy)
      start = Date.now()
      second = Math.floor(start / 1000)
      await transaction(rehearsal, choice)
    } while (second !== secondNow())
    const after = digest(copy)
    writeSync(out, `${before} ${after} ${second}\n`)
    say(`begin ${Date.now() - start}`)
    await transaction(file, choice)
    const found = digest(path)
    if (found !== after && second === secondNow()) throw new Error('The transaction did not do what its rehearsal did.')
    writeSync(out, `${found} ${found} ${second}\n`)
  }
}

function secondNow(): number {
  return Math.floor(Date.now() / 1000)
}

/** At once: a stream might keep it. */
function say(words: string): void {
  writeSync(1, `${words}\n`)
}

/** Given the same file and number, the same changes. */
async function transaction(file: File, choice: number): Promise<void> {
  const random = generator(choice)
  const fails = random() % 6 === 0
  const refusal = new Error('On purpose.')
  try {
    await file.write(async (tx) => {
      // What is written to a dataset without chunks is on the disk at once, other things mostly at the end.
      if (random() % 4 > 0) await overwrite(tx, random)
      for (let steps = 2 + (random() % 6); steps > 0; steps--) await change(tx, random)
      if (fails) throw refusal
    })
  } catch (error) {
    if (error !== refusal) throw error
  }
}

async function change(tx: Group, random: () => number): Promise<void> {
  const objects = await tx.group('objects')
  const names = await objects.keys()
  const name = `object ${random() % 1000}`
  switch (names.length >= MOST_OBJECTS ? 5 : random() % 9) {
    case 0: {
      const start = random() % 250
      await (await tx.dataset('zipped')).write(ndArray(Int32Array.from(noise(random, 150 * 300)), [150, 300]), slice(start, start + 150))
      return
    }
    case 1:
      await overwrite(tx, random)
      return
    case 2: {
      const log = await tx.dataset('log')
      if ((await log.length) > 6000) await log.resize(random() % 100, 0)
      await log.append(BigInt64Array.from(noise(random, random() % 2000), BigInt))
      return
    }
    case 3:
      if (names.includes(name)) return
      await objects.createDataset(name, {
        data: ndArray(Float32Array.from(noise(random, 6000)), [60, 100]),
        ...(random() % 2 === 0 ? {} : { gzip: 1, shuffle: random() % 2 === 0, chunks: [20, 50], maxShape: [null, 100] }),
      })
      return
    case 4:
      if (names.includes(name)) return
      if (random() % 2 === 0) await objects.createGroup(`${name}/in/it`)
      else await objects.createLink(name, random() % 2 === 0 ? softLink('/grid') : hardLink('/log'))
      return
    case 5:
      for (const one of names) if (names.length === 1 || random() % 2 === 0) await objects.delete(one)
      return
    case 6:
      await (random() % 2 === 0 ? tx : await tx.dataset('zipped')).attrs.set(
        `attribute ${random() % 5}`,
        random() % 2 === 0 ? `text ${random()}` : Float64Array.from(noise(random, random() % 200)),
      )
      return
    case 7: {
      const [first] = await tx.attrs.keys()
      if (first !== undefined) await tx.attrs.delete(first)
      return
    }
    default:
      await (await tx.dataset('texts')).write(`a text ${'that is long '.repeat(random() % 40)}`, random() % 20)
  }
}

async function overwrite(tx: Group, random: () => number): Promise<void> {
  const step = 1 + (random() % 3)
  await (await tx.dataset('grid')).write(random() / 7, slice(random() % 100, null, step), slice(null, 100 + (random() % 100)))
}

function noise(random: () => number, length: number): number[] {
  return Array.from({ length }, () => random() & 0xffff)
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** Starts a thread and both libraries, which takes longer than a transaction. */
async function warmUp(): Promise<void> {
  const file = await File.open(`${scratch}/scratch-${process.pid}.h5`, 'w', { locks })
  await file.createGroup('a')
  await file.delete('a')
}
