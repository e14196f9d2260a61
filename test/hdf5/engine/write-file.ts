// SPDX-License-Identifier: MIT
// A file that write operations are done to in this thread, each list of them a transaction, and how h5py and we see it afterwards.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '../../../src/hdf5/engine/codec.ts'
import { openLibrary } from '../../../src/hdf5/engine/library/index.ts'
import { datasetFacts } from '../../../src/hdf5/engine/metadata.ts'
import { OpenedFile } from '../../../src/hdf5/engine/opened-file.ts'
import type { WriteOperation } from '../../../src/hdf5/engine/protocol.ts'
import { type Engine, loadEngine } from '../../../src/hdf5/engine/wasm.ts'
import { withHeap } from '../../../src/hdf5/engine/wasm-heap.ts'
import { performWrite } from '../../../src/hdf5/engine/write-operations.ts'
import { StoredFile } from '../../../src/hdf5/storage/stored-file.ts'
import type { Dtype } from '../../../src/hdf5/values/dtype.ts'
import type { Element, TypedArray } from '../../../src/hdf5/values/nd-array.ts'
import { sizeOf } from '../../../src/hdf5/values/nd-array.ts'
import { temporaryFolder } from '../../support/file-folders.ts'

export interface ReadBack {
  readonly elements: TypedArray | Element[]
  readonly shape: readonly number[] | null
  readonly dtype: Dtype
}

let shared: Promise<Engine> | undefined

/** An empty file in a temporary folder. */
export async function newFile(): Promise<WrittenFile> {
  shared ??= loadEngine()
  const engine = await shared
  const path = join(temporaryFolder(), 'data.h5')
  writeFileSync(path, engine.emptyFile())
  return new WrittenFile(path, engine)
}

export class WrittenFile {
  readonly path: string
  private readonly engine: Engine

  constructor(path: string, engine: Engine) {
    this.path = path
    this.engine = engine
  }

  /** A file of another name, in which nothing need be yet. */
  beside(name: string): WrittenFile {
    return new WrittenFile(join(this.path, '..', name), this.engine)
  }

  /** One transaction. */
  write(...operations: WriteOperation[]): void {
    this.session('write', (file) => {
      for (const operation of operations) performWrite(file, operation)
    })
  }

  /** What an operation that fails throws, and whether it had announced a change. */
  failure(operation: WriteOperation): { error: unknown; hasChanged: boolean } {
    let failed: { error: unknown; hasChanged: boolean } | undefined
    this.session('write', (file) => {
      try {
        performWrite(file, operation)
      } catch (error) {
        failed = { error, hasChanged: file.hasChanged }
      }
    })
    if (failed === undefined) throw new Error(`It did not fail: ${JSON.stringify(operation)}`)
    return failed
  }

  read(path: string): ReadBack {
    return this.session('read', (file) => {
      const { shape, layout, dtype } = datasetFacts(file, path)
      const size = shape === null ? 0 : sizeOf(shape)
      const elements = file.call(path, ({ module, id }) =>
        withHeap(module, (heap) => {
          const bytes = size * layout.size
          const address = heap.store(new Uint8Array(bytes))
          if (size > 0) module.get_dataset_data(id, path, null, null, null, BigInt(address))
          return decode(heap.view(address, bytes), size, layout, heap)
        }),
      )
      return { elements, shape, dtype }
    })
  }

  /** Works on the open file; in mode `write`, as a transaction. */
  session<Result>(mode: 'read' | 'write', work: (file: OpenedFile<StoredFile>) => Result): Result {
    const stored = StoredFile.open({ path: this.path, mode, durability: 'process', lease: null })
    if (typeof stored === 'string') throw new Error(`${this.path} is ${stored}.`)
    const file = new OpenedFile(stored, this.engine, (same: StoredFile) => openLibrary(same, 'the test'))
    try {
      const result = work(file)
      file.close()
      if (mode === 'write') stored.commit()
      return result
    } catch (error) {
      stored.discard()
      try {
        file.close()
      } finally {
        if (mode === 'write') stored.rollBack()
      }
      throw error
    } finally {
      stored.close()
    }
  }
}
