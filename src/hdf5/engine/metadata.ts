// SPDX-License-Identifier: MIT
// From what h5wasm tells of types and dataspaces to ours.
import type { Dtype } from '../values/dtype.ts'
import { dtypeOf, type Layout } from './codec.ts'
import { type H5Module, type Metadata, TypeClass } from './h5-module.ts'
import type { OpenFile } from './open-file.ts'
import type { DatasetInfo } from './protocol.ts'

/** What reading and writing elements needs to know of a dataset. */
export interface DatasetFacts extends Pick<DatasetInfo, 'shape' | 'maxShape' | 'dtype' | 'chunks'> {
  readonly layout: Layout
  /** Its elements lie in one piece, or in its description. */
  readonly isContiguous: boolean
}

const UNLIMITED = 2 ** 64
const REFERENCE_BYTES = { object: 8, region: 12 } as const
const CHARSETS = ['ascii', 'utf-8'] as const
const PADDINGS = ['terminated', 'nul', 'space'] as const

/** Of a dataset that is there. */
export function datasetFacts(file: OpenFile, path: string): DatasetFacts {
  return file.known(`dataset ${path}`, () => factsOf(file.call(path, ({ module, id }) => module.get_dataset_metadata(id, path))))
}

export function factsOf(metadata: Metadata): DatasetFacts {
  const { shape, maxshape, chunks, virtual_sources: sources } = metadata
  const layout = layoutOfMetadata(metadata)
  const maxShape = maxshape === null ? null : maxshape.map((limit) => (limit >= UNLIMITED ? null : limit))
  return { shape, maxShape, chunks, layout, dtype: dtypeOf(layout), isContiguous: chunks === null && sources === undefined }
}

/** Everything that users are told of a dataset. To be called from {@link OpenFile.call}. */
export function datasetInfo(module: H5Module, id: bigint, path: string): DatasetInfo {
  const { shape, maxShape, dtype, chunks } = factsOf(module.get_dataset_metadata(id, path))
  // Only data in chunks can be filtered.
  const filters = chunks === null ? [] : module.get_dataset_filters(id, path)
  return {
    kind: 'dataset',
    shape,
    maxShape,
    dtype,
    chunks,
    filters: filters.map(({ id, name, cd_values: options }) => ({ id, name, options })),
  }
}

export function dtypeOfMetadata(metadata: Metadata): Dtype {
  return dtypeOf(layoutOfMetadata(metadata))
}

/**
 * How the elements lie in the heap when h5wasm has read them. It asks HDF5 to turn them to the processor's byte order, if all of them are
 * in the other one; HDF5 does so member by member, and stops at the first enum, whose order cannot be changed any more.
 */
export function layoutOfMetadata(metadata: Metadata): Layout {
  return layoutWith(metadata, { turns: orderOf(metadata) === 'big' }, false)
}

/** Where HDF5 has come to in turning what it reads. */
interface Turning {
  turns: boolean
}

type Order = 'little' | 'big' | 'none' | 'mixed'

/** As `H5Tget_order` sees it. */
function orderOf(metadata: Metadata): Order {
  const { type, littleEndian, compound_type: compound } = metadata
  if (compound !== undefined) {
    const orders = new Set(compound.members.map(orderOf))
    orders.delete('none')
    return orders.size > 1 ? 'mixed' : ([...orders][0] ?? 'none')
  }
  if (metadata.array_type !== undefined) return orderOf(metadata.array_type)
  if (metadata.vlen_type !== undefined) return orderOf(metadata.vlen_type)
  if (littleEndian) return 'little'
  return type === TypeClass.string || type === TypeClass.opaque || type === TypeClass.reference ? 'none' : 'big'
}

/** @param derived reached through an array or a list, where HDF5 passes by enums without stopping */
function layoutWith(metadata: Metadata, turning: Turning, derived: boolean): Layout {
  const { type, size, signed } = metadata
  switch (type) {
    case TypeClass.integer:
    case TypeClass.float:
    case TypeClass.bitfield:
      return numberLayout(metadata, turning) ?? { kind: 'opaque', size }
    case TypeClass.string: {
      const charset = CHARSETS[metadata.cset ?? 0] ?? 'ascii'
      return { kind: 'string', size, variable: metadata.vlen, charset, padding: PADDINGS[metadata.strpad ?? 0] ?? 'terminated' }
    }
    case TypeClass.enum: {
      const base = numberLayout({ ...metadata, type: TypeClass.integer }, { turns: false })
      if (!derived) turning.turns = false
      if (base === null) return { kind: 'opaque', size }
      return { kind: 'enum', size, signed, base, members: metadata.enum_type!.members }
    }
    case TypeClass.compound: {
      const fields = metadata.compound_type!.members.map((member) => {
        return { name: member.name, offset: member.offset, layout: layoutWith(member, turning, false) }
      })
      return { kind: 'compound', size, fields }
    }
    case TypeClass.array:
      return { kind: 'array', size, base: layoutWith(metadata.array_type!, turning, true), shape: metadata.array_type!.shape ?? [] }
    case TypeClass.vlen:
      return { kind: 'vlen', size, base: layoutWith(metadata.vlen_type!, turning, true) }
    case TypeClass.reference: {
      const to = metadata.ref_type ?? 'object'
      if (size === REFERENCE_BYTES[to]) return { kind: 'reference', size, to }
      break
    }
  }
  // Bytes that we do not understand are still bytes.
  return { kind: 'opaque', size }
}

/** Null for a width that JavaScript has no array for. */
function numberLayout(metadata: Metadata, { turns }: Turning): Layout | null {
  const { type, size, signed, littleEndian } = metadata
  const kind = type === TypeClass.float ? 'float' : type === TypeClass.bitfield ? 'bitfield' : 'integer'
  if (!(size === 2 || size === 4 || size === 8 || (size === 1 && kind !== 'float'))) return null
  if (littleEndian || size === 1) return { kind, size, signed }
  return { kind, size, signed, bigEndian: true, swapped: !turns }
}
