// SPDX-License-Identifier: MIT
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { journalPath } from '../../../src/hdf5/storage/journal.ts'
import { SIGNATURE } from '../../../src/hdf5/storage/signature.ts'
import { bootNow } from '../../../src/native/clock.ts'
import { openDescriptors, temporaryFolder } from '../../support/file-folders.ts'
import { FOR_EVER, failureOf, hasJournal, isWhole, leaseUntil, makeFile, open, tear, tryOpen } from './files.ts'

function bytesOf(stored: { size: number; read(into: Uint8Array, position: number): number }): Buffer {
  const bytes = Buffer.alloc(stored.size)
  expect(stored.read(bytes, 0)).toBe(bytes.length)
  return bytes
}

describe('A stored file', () => {
  test('changes when it is committed, and carries a mark in place of its signature until then.', () => {
    const { path, before } = makeFile(temporaryFolder())
    const stored = open(path)
    expect(stored.size).toBe(20_000)
    stored.commit()
    expect(hasJournal(path)).toBe(false)
    stored.write(Buffer.from('new'), 9000)
    expect(isWhole(path)).toBe(false)
    expect(hasJournal(path)).toBe(true)
    const after = Buffer.from(before)
    after.write('new', 9000)
    expect(bytesOf(stored).equals(after)).toBe(true)
    stored.commit()
    expect(readFileSync(path).equals(after)).toBe(true)
    expect(hasJournal(path)).toBe(false)
    stored.write(Buffer.from('end'), 20_000)
    expect(stored.size).toBe(20_003)
    stored.commit()
    stored.close()
    stored.close()
    expect(readFileSync(path).equals(Buffer.concat([after, Buffer.from('end')]))).toBe(true)
    expect(readdirSync(dirname(path))).toEqual(['data.h5'])
  })

  test('is rolled back byte for byte, and takes no more writes then.', () => {
    const { path, before } = makeFile(temporaryFolder())
    const stored = open(path)
    stored.write(Buffer.alloc(10_000, 1), 100)
    stored.truncate(50)
    stored.truncate(30_000)
    stored.write(Buffer.alloc(10_000, 2), 25_000)
    stored.rollBack()
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(stored.size).toBe(20_000)
    stored.write(Buffer.alloc(10), 0)
    stored.truncate(100)
    stored.commit()
    stored.close()
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(hasJournal(path)).toBe(false)
  })

  test('pretends to write once its transaction is discarded.', () => {
    const { path, before } = makeFile(temporaryFolder())
    const stored = open(path)
    stored.write(Buffer.alloc(10, 1), 100)
    const torn = readFileSync(path)
    stored.discard()
    stored.write(Buffer.alloc(10, 2), 200)
    stored.truncate(100)
    expect(readFileSync(path).equals(torn)).toBe(true)
    expect(failureOf(() => stored.commit()).code).toBe('HDF5_CLOSED')
    stored.rollBack()
    stored.close()
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('shows its signature to whoever reads it through the transaction, and takes it when it is written.', () => {
    const { path, before } = makeFile(temporaryFolder(), 'data.h5', 512)
    const stored = open(path)
    for (const [position, length] of [
      [500, 100],
      [514, 3],
      [0, 512],
      [512, 8],
      [519, 10],
    ] as const) {
      const bytes = Buffer.from(before.subarray(position, position + length))
      stored.write(bytes, position)
      expect(isWhole(path, 512)).toBe(false)
      const into = Buffer.alloc(length)
      expect(stored.read(into, position)).toBe(length)
      expect(into).toEqual(bytes)
    }
    expect(stored.read(Buffer.alloc(100), 19_990)).toBe(10)
    expect(stored.read(Buffer.alloc(100), 30_000)).toBe(0)
    stored.commit()
    stored.close()
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('does not begin a transaction for a write of nothing, or for the length that it has.', () => {
    const { path } = makeFile(temporaryFolder())
    const stored = open(path)
    stored.write(Buffer.alloc(0), 100)
    stored.truncate(20_000)
    expect(hasJournal(path)).toBe(false)
    stored.close()
  })

  test('cannot lose its signature; whatever fails, only rolling back remains.', () => {
    const { path, before } = makeFile(temporaryFolder())
    const stored = open(path)
    stored.write(Buffer.alloc(10, 1), 100)
    const { code } = failureOf(() => stored.truncate(7))
    expect(code).toBe('HDF5_INVALID')
    expect(stored.failure).toMatchObject({ code })
    for (const step of [() => stored.write(Buffer.alloc(1), 0), () => stored.truncate(100), () => stored.commit()]) {
      expect(failureOf(step).code).toBe(code)
    }
    stored.rollBack()
    expect(stored.failure).toMatchObject({ code })
    stored.close()
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('that was opened for reading is not written, and does not work when it is closed.', () => {
    const { path, before } = makeFile(temporaryFolder())
    const stored = open(path, { mode: 'read' })
    expect(bytesOf(stored).equals(before)).toBe(true)
    expect(failureOf(() => stored.write(Buffer.alloc(1), 0)).code).toBe('HDF5_READ_ONLY')
    stored.close()
    expect(failureOf(() => stored.read(Buffer.alloc(1), 0)).code).toBe('HDF5_CLOSED')
  })

  test('is shared by readers and alone with its writer.', () => {
    const { path } = makeFile(temporaryFolder())
    const one = open(path, { mode: 'read' })
    const two = open(path, { mode: 'read' })
    expect(tryOpen(path)).toBe('busy')
    one.close()
    expect(tryOpen(path)).toBe('busy')
    two.close()
    const writer = open(path)
    expect(tryOpen(path)).toBe('busy')
    expect(tryOpen(path, { mode: 'read' })).toBe('busy')
    writer.close()
    open(path, { mode: 'read' }).close()
  })

  test('leaves no descriptor behind, however opening it ends.', () => {
    const folder = temporaryFolder()
    const { path } = makeFile(folder)
    writeFileSync(join(folder, 'foreign'), 'not HDF5')
    tear(makeFile(folder, 'torn.h5').path)
    open(path).close()
    const before = openDescriptors()
    for (const name of ['foreign', 'none', '.']) failureOf(() => tryOpen(join(folder, name)))
    tryOpen(join(folder, 'torn.h5'), { mode: 'read' })
    const stored = open(path)
    tryOpen(path)
    stored.write(Buffer.alloc(1), 100)
    stored.close()
    open(path).close()
    expect(openDescriptors()).toBe(before)
  })
})

describe('What cannot be opened', () => {
  test('is refused by its kind, at once and unharmed.', () => {
    const folder = temporaryFolder()
    const files: Record<string, string | Buffer> = {
      empty: '',
      short: Buffer.from(SIGNATURE.subarray(0, 7)),
      foreign: 'x'.repeat(10_000),
      elsewhere: Buffer.concat([Buffer.alloc(256), SIGNATURE, Buffer.alloc(1000)]),
    }
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes)
    mkdirSync(join(folder, 'folder'))
    expect(spawnSync('mkfifo', [join(folder, 'fifo')]).status).toBe(0)
    for (const mode of ['read', 'write'] as const) {
      for (const name of [...Object.keys(files), 'folder', 'fifo', '/dev/null']) {
        const path = name.startsWith('/') ? name : join(folder, name)
        const { code, message } = failureOf(() => tryOpen(path, { mode }))
        expect([name, code]).toEqual([name, 'HDF5_NOT_HDF5'])
        expect(message).toContain(path)
      }
      expect(failureOf(() => tryOpen(join(folder, 'none'), { mode })).code).toBe('HDF5_NO_FILE')
      expect(failureOf(() => tryOpen(join(folder, 'empty', 'none'), { mode })).code).toBe('HDF5_NO_FILE')
    }
    for (const [name, bytes] of Object.entries(files)) expect(readFileSync(join(folder, name))).toEqual(Buffer.from(bytes))
  })

  test('is a file with several names, for writing only.', () => {
    const { path } = makeFile(temporaryFolder())
    linkSync(path, `${path}.other`)
    expect(failureOf(() => tryOpen(path))).toMatchObject({ code: 'HDF5_HARD_LINKED', message: expect.stringContaining('2 names') })
    open(path, { mode: 'read' }).close()
    rmSync(`${path}.other`)
    open(path).close()
  })

  test('is a file without a place for its journal, which stays as it was.', () => {
    const folder = temporaryFolder()
    const { before } = makeFile(folder)
    const path = join(folder, 'n'.repeat(240))
    renameSync(join(folder, 'data.h5'), path)
    const stored = open(path)
    expect(failureOf(() => stored.write(Buffer.alloc(1), 100)).code).toBe('HDF5_INVALID')
    stored.rollBack()
    stored.close()
    expect(readFileSync(path).equals(before)).toBe(true)
  })
})

describe('A lost lease', () => {
  test('stops every step, for good, and leaves file and journal to the next writer.', () => {
    const { path, before } = makeFile(temporaryFolder())
    const cell = leaseUntil(FOR_EVER)
    const stored = open(path, { lease: cell.lease })
    stored.write(Buffer.alloc(5000, 1), 3000)
    cell.set(bootNow() - 1n)
    const files = (): Buffer => Buffer.concat([readFileSync(path), readFileSync(journalPath(path))])
    const then = files()
    const steps = [() => stored.write(Buffer.alloc(1), 9000), () => stored.truncate(100), () => stored.commit(), () => stored.rollBack()]
    for (const step of steps) expect(failureOf(step).code).toBe('LOCK_LOST')
    cell.set(FOR_EVER)
    for (const step of steps.slice(2)) expect(failureOf(step).code).toBe('LOCK_LOST')
    expect(stored.failure).toMatchObject({ code: 'LOCK_LOST' })
    expect(tryOpen(path)).toBe('busy')
    stored.close()
    expect(files().equals(then)).toBe(true)
    open(path).close()
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('is noticed before anything begins; one that has not run out is none.', () => {
    const { path } = makeFile(temporaryFolder())
    const cell = leaseUntil(0n)
    expect(failureOf(() => tryOpen(path, { lease: cell.lease })).code).toBe('LOCK_LOST')
    cell.set(bootNow() + 10n ** 12n)
    const stored = open(path, { lease: cell.lease })
    stored.write(Buffer.alloc(10, 1), 100)
    stored.commit()
    stored.close()
  })
})

describe('The journal', () => {
  test('may be read by those who may read the file, and belongs to its owner.', () => {
    const { path } = makeFile(temporaryFolder())
    chmodSync(path, 0o664)
    const umask = process.umask(0o077)
    onTestFinished(() => void process.umask(umask))
    const stored = open(path)
    stored.write(Buffer.alloc(1), 100)
    expect(statSync(journalPath(path)).mode & 0o777).toBe(0o664)
    expect(statSync(journalPath(path)).uid).toBe(statSync(path).uid)
    stored.rollBack()
    stored.close()
  })

  test('of a large change is made of many pieces.', () => {
    const { path } = makeFile(temporaryFolder())
    truncateSync(path, 5_000_000)
    const before = readFileSync(path)
    for (const end of ['close', 'rollBack'] as const) {
      const stored = open(path)
      stored.write(Buffer.alloc(2_500_000, 1), 1_000_001)
      stored.write(Buffer.alloc(4096, 2), 4_500_000)
      stored.truncate(2_000_000)
      stored[end]()
      stored.close()
      open(path).close()
      expect(readFileSync(path).equals(before)).toBe(true)
    }
  })
})

test('Other programs refuse a file that carries a mark, and read it after it was recovered.', () => {
  const folder = temporaryFolder()
  const plain = join(folder, 'plain.h5')
  const behind = join(folder, 'behind.h5')
  copyFileSync(new URL('../../../examples/data/array.h5', import.meta.url), plain)
  const python = (program: string): string => {
    const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', `import h5py, sys\n${program}`, plain, behind], { encoding: 'utf8' })
    return stdout + stderr
  }
  python('h5py.File(sys.argv[2], "w", userblock_size=2048)["numbers"] = list(range(1000))')
  const bytes = [plain, behind].map((path) => readFileSync(path))
  for (const [place, path] of [plain, behind].entries()) {
    const stored = open(path)
    stored.write(bytes[place]!.subarray(0, 3000), 0)
    stored.write(Buffer.alloc(500, 1), 2500)
    stored.close()
    expect(spawnSync('h5dump', ['-n', path]).status).not.toBe(0)
  }
  const tries = `
for path in sys.argv[1:]:
    for mode in ('r', 'r+'):
        try:
            print(len(h5py.File(path, mode)) > 0)
        except OSError as error:
            print('signature not found' in str(error))
`
  expect(python(tries.replace("'signature not found' in str(error)", "'refused' if 'signature not found' in str(error) else error"))).toBe(
    'refused\n'.repeat(4),
  )
  for (const [place, path] of [plain, behind].entries()) {
    open(path).close()
    expect(readFileSync(path)).toEqual(bytes[place])
  }
  expect(python(tries.replaceAll("'r+'", "'r'"))).toBe('True\n'.repeat(4))
})
