// SPDX-License-Identifier: MIT
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { File, ndArray, recoverFile } from '../../src/hdf5/index.ts'
import { temporaryFolder } from '../support/file-folders.ts'
import { codeOf, lockFolder, newPath, useOwnLocks } from '../support/hdf5-files.ts'
import { freshSeed, generator } from '../support/random.ts'
import { hasH5py } from '../support/rival.ts'
import { patience, scaled } from '../support/scale.ts'
import { H5py } from './oracle/h5py.ts'
import { killChildren, Writer } from './oracle/writer.ts'
import { isWhole } from './storage/files.ts'

useOwnLocks()

let h5py: H5py
beforeAll(() => {
  h5py = new H5py()
})
afterAll(() => h5py.end())
afterEach(killChildren)

interface Kind {
  readonly name: string
  readonly userBlock: number
  make(path: string): Promise<unknown>
}

const KINDS: readonly Kind[] = [
  { name: "h5py's usual", userBlock: 0, make: (path) => h5py.makeForWriter(path, null, 0) },
  { name: "h5py's latest", userBlock: 0, make: (path) => h5py.makeForWriter(path, 'latest', 0) },
  { name: "h5py's with a user block", userBlock: 1024, make: (path) => h5py.makeForWriter(path, null, 1024) },
  { name: 'our own', userBlock: 0, make: makeByOurselves },
]
const KILLS_PER_FILE = 5

async function makeByOurselves(path: string): Promise<void> {
  const file = await File.open(path, 'w')
  await file.write(async (tx) => {
    const data = ndArray(
      Int32Array.from({ length: 400 * 300 }, (_, index) => index),
      [400, 300],
    )
    await tx.createDataset('zipped', { data, chunks: [50, 60], gzip: 1 })
    await tx.createDataset('grid', { data: ndArray(Float64Array.from({ length: 200 * 200 }, Math.sqrt), [200, 200]) })
    await tx.createDataset('log', { shape: [0], dtype: 'int64', maxShape: [null], chunks: [500] })
    await tx.createDataset('texts', { shape: [20], dtype: 'string' })
    await tx.createGroup('objects')
    await tx.attrs.set('made by', 'Holdfast')
  })
}

/** What happened, to be told. */
const counts = { kills: 0, inside: 0, torn: 0, recovering: 0, refused: 0, byTimeOnly: 0 }

/** One file after the other, whose writers are killed. */
class Lane {
  private readonly folder = temporaryFolder()
  private readonly random: () => number
  private next: Writer
  private path = ''
  private log = ''
  private kind: Kind = KINDS[0]!
  private killedAt = 0

  constructor(seed: number) {
    this.random = generator(seed)
    this.next = this.start()
  }

  async run(kills: number, kinds: readonly Kind[]): Promise<void> {
    for (let kill = 0; kill < kills; kill++) {
      if (kill % KILLS_PER_FILE === 0) await this.begin(kinds[Math.floor(kill / KILLS_PER_FILE) % kinds.length]!)
      await this.kill()
      // Else the next writer does it, and may be killed meanwhile.
      if (this.random() % 3 > 0 || kill % KILLS_PER_FILE === KILLS_PER_FILE - 1 || kill === kills - 1) await this.recover()
    }
    await this.next.kill()
  }

  private async begin(kind: Kind): Promise<void> {
    this.kind = kind
    this.path = join(this.folder, `${counts.kills}.h5`)
    this.log = `${this.path}.log`
    await kind.make(this.path)
    writeFileSync(this.log, `${digest(this.path)} ${digest(this.path)} 0\n`)
  }

  private start(): Writer {
    return new Writer(lockFolder, this.folder)
  }

  private async kill(): Promise<void> {
    const { random } = this
    const wasTorn = !this.isWhole()
    const writer = this.next
    this.next = this.start()
    await writer.expect('ready')
    writer.tell({ do: 'write', path: this.path, log: this.log, seed: random() })
    await writer.expect('open')
    if (wasTorn && random() % 2 === 0) {
      counts.recovering++
      await milliseconds(random() % 8)
    } else {
      let begun = await writer.expect('begin')
      for (let more = random() % 3; more > 0; more--) begun = await writer.expect('begin')
      await milliseconds(Number(begun) * ((random() % 1000) / 1600))
    }
    await writer.kill()
    this.killedAt = Date.now()
    counts.kills++
    if (this.isWhole()) await this.check()
    else counts.torn++
    const [before, after] = this.logged()
    if (!this.isWhole() || (before !== after && before === digest(this.path))) counts.inside++
  }

  private async recover(): Promise<void> {
    const { path, random } = this
    const torn = !this.isWhole()
    if (torn && random() % 4 === 0) {
      expect(await h5py.tryToRead(path)).toContain('file signature not found')
      counts.refused++
    }
    const way = random() % 3
    if (way === 0) await (await File.open(path)).keys()
    else if (way === 1) expect(await recoverFile(path)).toBe(torn)
    else await giveUp(await File.open(path, 'r+'))
    if (torn) expect(digest(path)).toBe(this.logged()[0])
    else await this.check()
    if (random() % 4 === 0) expect(await h5py.tryToRead(path)).toBe('opened')
  }

  /** Before or after, byte for byte; only when the clock went on from the rehearsal to the transaction, value for value. */
  private async check(): Promise<void> {
    const [before, after, second] = this.logged()
    const found = digest(this.path)
    if (found === before || found === after) return
    if (this.killedAt < 1000 * (Number(second) + 1)) expect([before, after]).toContain(found)
    counts.byTimeOnly++
    expect(await h5py.dump(this.path)).toEqual(await h5py.dump(`${this.path}.rehearsal`))
  }

  /** The last line may be incomplete: then its transaction has not begun. */
  private logged(): string[] {
    return readFileSync(this.log, 'utf8').split('\n').at(-2)!.split(' ')
  }

  private isWhole(): boolean {
    return isWhole(this.path, this.kind.userBlock)
  }
}

/** A transaction that is taken back. */
async function giveUp(file: File): Promise<void> {
  const failing = file.write(async (tx) => {
    await tx.attrs.set('given up', 1)
    throw new Error('On purpose.')
  })
  await expect(failing).rejects.toThrow('On purpose.')
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** A random moment is what is wanted, no event. */
function milliseconds(delay: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delay))
}

describe.runIf(hasH5py)('A file whose writers are killed', () => {
  test(
    'is as before or after the transaction, byte for byte, whoever made it.',
    async () => {
      const seed = freshSeed()
      const start = performance.now()
      try {
        const kills = scaled(20, KILLS_PER_FILE)
        await Promise.all([new Lane(seed).run(kills, KINDS.slice(0, 2)), new Lane(seed ^ 1).run(kills, KINDS.slice(2))])
      } catch (error) {
        throw new Error(`HOLDFAST_TEST_SEED=${seed}`, { cause: error })
      }
      const seconds = ((performance.now() - start) / 1000).toFixed(1)
      console.log(
        `${counts.kills} writers killed in ${seconds} s, ${counts.inside} before they were done, the file torn after ${counts.torn} of them (${counts.recovering} killed as they opened it; ` +
          `h5py tried ${counts.refused} torn ones; ${counts.byTimeOnly} compared by value)`,
      )
      expect(counts.torn).toBeGreaterThan(counts.kills / 4)
    },
    patience(90_000),
  )

  test(
    'is restored though those that restore it are killed, too.',
    async () => {
      const { path, before } = await largeFile()
      const folder = temporaryFolder()
      await begin(path).then((writer) => writer.kill())
      let torn = 0
      const kills = scaled(6)
      for (let kill = 0; kill < kills; kill++) {
        const writer = new Writer(lockFolder, folder)
        await writer.expect('ready')
        writer.tell({ do: 'recover', path })
        await writer.expect('recover')
        await milliseconds(Math.random() * 40)
        await writer.kill().catch(() => undefined)
        if (isWhole(path)) {
          expect(digest(path)).toBe(before)
          await begin(path).then((another) => another.kill())
        } else torn++
      }
      console.log(`${kills} killed as they restored a file, which was torn after ${torn} of them`)
      expect(await recoverFile(path)).toBe(true)
      expect(digest(path)).toBe(before)
    },
    patience(60_000),
  )

  test("is not touched while its writer only stands still, and is the writer's when that goes on.", async () => {
    const { path, before } = await largeFile()
    const file = await File.open(path)
    const writer = await begin(path)
    writer.signal('SIGSTOP')
    expect(await codeOf(file.with({ timeout: 200 }).keys())).toBe('LOCK_TIMEOUT')
    expect(await codeOf(recoverFile(path, { timeout: 200 }))).toBe('LOCK_TIMEOUT')
    expect(await h5py.tryToRead(path)).toContain('unable to lock file')
    expect(digest(path)).not.toBe(before)
    const reading = file.dataset('large').then((dataset) => dataset.read(-1, -1))
    writer.signal('SIGCONT')
    writer.finish()
    expect((await reading).data).toEqual(Float64Array.of(1))
    await writer.expect('done')
    expect(await h5py.tryToRead(path)).toBe('opened')
  })
})

/** 16 MiB of zeros that have their place on the disk. */
async function largeFile(): Promise<{ path: string; before: string }> {
  const path = newPath()
  const file = await File.open(path, 'w')
  await (await file.createDataset('large', { shape: [1024, 2048], dtype: 'float64' })).write(0)
  return { path, before: digest(path) }
}

/** A writer in the middle of a transaction. */
async function begin(path: string): Promise<Writer> {
  const writer = new Writer(lockFolder, dirname(path))
  await writer.expect('ready')
  writer.tell({ do: 'fill', path })
  await writer.expect('filled')
  return writer
}
