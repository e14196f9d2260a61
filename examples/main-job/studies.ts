// SPDX-License-Identifier: MIT
// What the workers do to a file, and nothing about locks. A study is a file that at rest always holds the bytes of one of the real HDF5
// files, so that one digest tells whether somebody read it while it was being rewritten.
import { createHash } from 'node:crypto'
import { access, copyFile, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** A real HDF5 file, whole. */
export interface RealFile {
  readonly name: string
  readonly bytes: Buffer
  readonly digest: string
}

/** Smaller files are rewritten in one piece or a few, too fast for anybody to walk in on. */
const SMALLEST_BYTES = 64 * 1024
const WRITE_BYTES = 8 * 1024
/** Reading is faster than writing, so a reader overtakes a writer. */
const READ_BYTES = 16 * 1024
/** Between two pieces, as a slow disk or a slow computation would make it. */
const PAUSE_MS = 1

/** The larger files of `examples/data`, wherever this program was compiled to. */
export async function realFiles(): Promise<readonly RealFile[]> {
  const folder = fileURLToPath(new URL('examples/data/', import.meta.resolve('holdfast/package.json')))
  const names = (await readdir(folder)).filter((name) => name.endsWith('.h5')).sort()
  const files = await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(folder, name))
      return { name, bytes, digest: createHash('sha256').update(bytes).digest('hex') }
    }),
  )
  return files.filter((file) => file.bytes.length >= SMALLEST_BYTES)
}

/** Copies the first `count` real files to `folder`, and names them. */
export async function copyStudies(files: readonly RealFile[], count: number, folder: string): Promise<readonly string[]> {
  const source = fileURLToPath(new URL('examples/data/', import.meta.resolve('holdfast/package.json')))
  const chosen = files.slice(0, count)
  await Promise.all(chosen.map((file) => copyFile(join(source, file.name), join(folder, file.name))))
  return chosen.map((file) => basename(file.name, '.h5'))
}

export class Study {
  readonly name: string
  private readonly file: string
  private readonly note: string
  private readonly contents: readonly RealFile[]

  constructor(folder: string, name: string, contents: readonly RealFile[]) {
    this.name = name
    this.file = join(folder, `${name}.h5`)
    this.note = join(folder, `${name}.intent`)
    this.contents = contents
  }

  /** Reads it piece by piece: which of the real files it is, or null when it is none of them. */
  async identify(): Promise<RealFile | null> {
    const hash = createHash('sha256')
    const piece = Buffer.alloc(READ_BYTES)
    const handle = await open(this.file, 'r')
    try {
      for (let position = 0; ; ) {
        const { bytesRead } = await handle.read(piece, 0, READ_BYTES, position)
        if (bytesRead === 0) break
        hash.update(piece.subarray(0, bytesRead))
        position += bytesRead
        await pause(PAUSE_MS)
      }
    } finally {
      await handle.close()
    }
    const digest = hash.digest('hex')
    return this.contents.find((content) => content.digest === digest) ?? null
  }

  /** A real file to rewrite it with, of another size than it has now: so every rewrite that is not finished shows. */
  async anotherContent(): Promise<RealFile> {
    const { size } = await stat(this.file)
    const others = this.contents.filter((content) => content.bytes.length !== size)
    return others[Math.floor(Math.random() * others.length)]!
  }

  /** Rewrites it in place, piece by piece, with another file's bytes. */
  async rewrite(content: RealFile, halfway: () => Promise<void>): Promise<void> {
    const { bytes } = content
    const middle = Math.floor(bytes.length / 2 / WRITE_BYTES) * WRITE_BYTES
    const handle = await open(this.file, 'r+')
    try {
      for (let position = 0; position < bytes.length; position += WRITE_BYTES) {
        if (position === middle) await halfway()
        await handle.write(bytes, position, Math.min(WRITE_BYTES, bytes.length - position), position)
        await pause(PAUSE_MS)
      }
      if ((await handle.stat()).size !== bytes.length) await handle.truncate(bytes.length)
    } finally {
      await handle.close()
    }
  }

  /** Whether a writer has died on it. The answer means something only under a lock: without one the note may be a live writer's. */
  async leftUnfinished(): Promise<boolean> {
    return access(this.note).then(
      () => true,
      () => false,
    )
  }

  /** What a writer puts down before its first piece, so that whoever holds the lock next knows if it never got to the last. */
  async noteIntent(content: RealFile): Promise<void> {
    await writeFile(this.note, content.name)
  }

  async eraseIntent(): Promise<void> {
    await rm(this.note, { force: true })
  }
}
