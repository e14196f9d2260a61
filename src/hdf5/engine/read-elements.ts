// SPDX-License-Identifier: MIT
// Reads elements out of h5wasm's heap into arrays of our own, in blocks, so that the heap stays small.
import { isHdf5Error } from '../errors.ts'
import { type Element, type NdArray, ndArray, sizeOf, type TypedArray } from '../values/nd-array.ts'
import { resolve, type Selection } from '../values/selection.ts'
import { problem, type Where } from '../where.ts'
import { blocksOf } from './blocks.ts'
import { isSwapped } from './codec/encode.ts'
import { hasPointers, isBool, numberOf } from './codec/layout.ts'
import { ARRAYS } from './codec/numbers.ts'
import { decode, type Layout, type Memory, type ResolveReference } from './codec.ts'
import type { H5Module } from './h5-module.ts'
import { type DatasetFacts, datasetFacts } from './metadata.ts'
import { axesOf, innermost } from './nested.ts'
import { expectKind } from './objects.ts'
import type { OpenFile } from './open-file.ts'

/** What one answer can hold. */
const MOST_BYTES = 2 ** 31 - 1
const BLOCK_BYTES = 32 * 2 ** 20
/** What the pointers in a block lead to lies in the heap as well. */
const POINTER_BLOCK_BYTES = 2 ** 20

/** @throws Hdf5Error `HDF5_NO_OBJECT`, `HDF5_KIND`, `HDF5_LINK`, `HDF5_SHAPE`, `HDF5_BOUNDS`, `HDF5_FILTER`, `HDF5_TOO_LARGE` */
export function readDataset(file: OpenFile, path: string, selection: Selection): NdArray {
  const where = { file: file.path, object: path }
  const { shape, layout, chunks, isContiguous } = factsAt(file, path)
  if (shape === null) throw problem('HDF5_SHAPE', where, 'the dataset is empty: it has no elements, and no shape.')
  const part = resolve(selection, shape, where)
  const size = sizeOf(part.count)
  checkSize(size, layout, where)
  const collected = new Collected(size, layout, namesIn(file))
  const step = part.step.map(BigInt)
  const limit = hasPointers(layout) ? POINTER_BLOCK_BYTES : BLOCK_BYTES
  for (const block of blocksOf(part, layout.size, chunks, limit)) {
    const start = block.start.map(BigInt)
    const count = block.count.map(BigInt)
    const read = ({ module, id, address }: Room) =>
      count.length === 0
        ? module.get_dataset_data(id, path, null, null, null, address)
        : module.get_dataset_data(id, path, count, start, step, address)
    const reclaim = ({ module, id, address }: Room) => module.reclaim_vlen_memory_count(id, path, '', address, count)
    // What variable lengths lead to, and where chunks lie, the library keeps.
    const isAllElements = isContiguous && !hasPointers(layout)
    inRoom(file, where, sizeOf(block.count), layout, { read, reclaim, isAllElements }, (bytes, memory) => {
      collected.add(bytes, block.offset, sizeOf(block.count), memory)
    })
  }
  return ndArray(collected.elements as TypedArray, [...part.shape, ...axesOf(layout)])
}

/** All elements of an attribute that is there. */
export function readAttributeData(
  file: OpenFile,
  path: string,
  name: string,
  count: number,
  layout: Layout,
): TypedArray | readonly Element[] {
  const where = { file: file.path, object: `${path}@${name}` }
  checkSize(count, layout, where)
  const collected = new Collected(count, layout, namesIn(file))
  if (count === 0) return collected.elements
  const read = ({ module, id, address }: Room) => module.get_attribute_data(id, path, name, address)
  const reclaim = ({ module, id, address }: Room) => module.reclaim_vlen_memory(id, path, name, address)
  inRoom(file, where, count, layout, { read, reclaim, isAllElements: false }, (bytes, memory) => {
    collected.add(bytes, 0, count, memory)
  })
  return collected.elements
}

/** Asks what it is only when that has failed: mostly it is a dataset. */
function factsAt(file: OpenFile, path: string): DatasetFacts {
  try {
    return datasetFacts(file, path)
  } catch (error) {
    if (isHdf5Error(error)) expectKind(file, path, 'dataset')
    throw error
  }
}

function checkSize(count: number, layout: Layout, where: Where): void {
  if (count * layout.size <= MOST_BYTES) return
  const much = `${count} elements of ${layout.size} bytes are more than one read can hold (2 GiB)`
  throw problem('HDF5_TOO_LARGE', where, `${much}: read it in parts.`)
}

/** Where in the heap elements are put. */
interface Room {
  readonly module: H5Module
  readonly id: bigint
  readonly address: bigint
}

interface Reading {
  /** Answers a negative number when it fails. */
  read(room: Room): number
  /** Frees what the elements point to. */
  reclaim(room: Room): number
  /** Nothing but elements is read of the file in long pieces. */
  readonly isAllElements: boolean
}

/** Reads into the heap, hands out the bytes, and frees all of it. */
function inRoom(
  file: OpenFile,
  where: Where,
  count: number,
  layout: Layout,
  { read, reclaim, isAllElements }: Reading,
  take: (bytes: Uint8Array, memory: Memory) => void,
): void {
  const { module, id } = file.wasm()
  const length = count * layout.size
  const at = file.call(where.object, () => module._malloc(length))
  if (at === 0) throw problem('HDF5_TOO_LARGE', where, `${length} bytes find no room in the memory of h5wasm: read it in parts.`)
  try {
    const address = BigInt(at)
    const room = { module, id, address }
    const points = hasPointers(layout)
    if (points) module.HEAPU8.fill(0, at, at + length)
    const work = () => read(room)
    const status = isAllElements ? file.callForElements(where.object, work) : file.call(where.object, work)
    if (status < 0) throw problem('HDF5_FAILED', where, 'its elements cannot be read.')
    take(module.HEAPU8.subarray(at, at + length), new HeapView(module, where))
    if (points) file.call(where.object, () => reclaim(room))
  } finally {
    file.call(where.object, () => module._free(at))
  }
}

/** The elements of one read, block by block. */
class Collected {
  elements: TypedArray | Element[] = []
  private readonly size: number
  private readonly layout: Layout
  private readonly resolve: ResolveReference
  /** The elements as bytes, where bytes need nothing but to be copied. */
  private readonly plain: Uint8Array | null = null

  constructor(size: number, layout: Layout, resolveReference: ResolveReference) {
    this.size = size
    this.layout = layout
    this.resolve = resolveReference
    const single = innermost(layout)
    const word = single.kind === 'enum' ? single.base! : single
    const isNumber = word.kind === 'integer' || word.kind === 'float' || word.kind === 'bitfield'
    const isHalf = word.kind === 'float' && word.size === 2
    if (!isNumber || isHalf || isSwapped(single)) {
      if (size === 0) this.elements = decode(new Uint8Array(0), 0, layout, NO_MEMORY)
      return
    }
    this.elements = new (isBool(single) ? Uint8Array : ARRAYS[numberOf(word)])(size * sizeOf(axesOf(layout)))
    this.plain = new Uint8Array(this.elements.buffer)
  }

  add(bytes: Uint8Array, offset: number, count: number, memory: Memory): void {
    const { layout, plain, size } = this
    if (plain !== null) {
      plain.set(bytes, offset * layout.size)
      return
    }
    const decoded = decode(bytes, count, layout, memory, this.resolve)
    if (count === size) this.elements = decoded
    else if (Array.isArray(decoded)) for (const element of decoded) (this.elements as Element[]).push(element)
    else this.set(decoded as Float64Array, offset * (decoded.length / count))
  }

  private set(decoded: Float64Array, offset: number): void {
    if (Array.isArray(this.elements)) {
      this.elements = new (decoded.constructor as Float64ArrayConstructor)(this.size * sizeOf(axesOf(this.layout)))
    }
    ;(this.elements as Float64Array).set(decoded, offset)
  }
}

/** h5wasm's heap to read from. A damaged file can make pointers lead anywhere. */
class HeapView implements Memory {
  readonly pointerSize = 4
  private readonly module: H5Module
  private readonly where: Where

  constructor(module: H5Module, where: Where) {
    this.module = module
    this.where = where
  }

  view(address: number, length: number): Uint8Array {
    const heap = this.module.HEAPU8
    if (address + length > heap.length) throw this.damaged()
    return heap.subarray(address, address + length)
  }

  text(address: number): Uint8Array {
    const heap = this.module.HEAPU8
    const end = heap.indexOf(0, address)
    if (address > heap.length || end < 0) throw this.damaged()
    return heap.subarray(address, end)
  }

  store(): number {
    throw new TypeError('Elements are read here, not written.')
  }

  private damaged(): Error {
    return problem('HDF5_FAILED', this.where, 'the file is damaged: an element is longer than what there is.')
  }
}

const NO_MEMORY: Memory = { pointerSize: 4, view: () => new Uint8Array(0), text: () => new Uint8Array(0), store: () => 0 }

/** Asks for each reference once: HDF5 may have to look through the whole file for the name of an object. */
function namesIn(file: OpenFile): ResolveReference {
  const names = new Map<string, string | null>()
  return (bytes, to) => {
    const key = Buffer.from(bytes).toString('latin1')
    let name = names.get(key)
    if (name === undefined) {
      name = nameOf(file, bytes, to)
      names.set(key, name)
    }
    return name
  }
}

function nameOf(file: OpenFile, bytes: Uint8Array, to: 'object' | 'region'): string | null {
  try {
    return file.call('/', ({ module, id }) => module.get_referenced_name(id, bytes, to === 'object'))
  } catch (error) {
    // What it pointed to is gone.
    if (isHdf5Error(error)) return null
    throw error
  }
}
