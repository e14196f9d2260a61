// SPDX-License-Identifier: MIT
// Types as the HDF5 library knows them: as h5py stores them in a file, and as their elements lie in memory when our codec has encoded them.
import type { Dtype, EnumType, NumberType } from '../../values/dtype.ts'
import { encode, layoutOf } from '../codec.ts'
import type { Id } from './calls.ts'
import type { Ids } from './ids.ts'
import type { ProcessMemory } from './memory.ts'

const OPAQUE = 5
const COMPOUND = 6
const VARIABLE = 0xffff_ffff_ffff_ffffn
const CHARSETS = { ascii: 0, 'utf-8': 1 } as const
const TERMINATED = 0
const PADDED_WITH_NUL = 1

type Place = 'file' | 'memory'

/** Makes types, whose ids are closed with the others of an operation. */
export class TypeMaker {
  private readonly ids: Ids
  private readonly memory: ProcessMemory

  constructor(ids: Ids, memory: ProcessMemory) {
    this.ids = ids
    this.memory = memory
  }

  /** `file`: numbers have the order that the type asks for. `memory`: they are little-endian. Compounds are packed in both. */
  make(dtype: Dtype, place: Place): Id {
    if (dtype === 'bool') return this.enumeration({ type: 'enum', base: 'int8', members: { FALSE: 0, TRUE: 1 } })
    if (dtype === 'string') return this.string(null, 'utf-8')
    if (typeof dtype === 'string') return this.number(dtype, 'LE')
    const { calls } = this.ids
    switch (dtype.type) {
      case 'number':
        return this.number(dtype.number, place === 'file' ? 'BE' : 'LE')
      case 'string':
        return this.string(dtype.length, dtype.charset)
      case 'enum':
        return this.enumeration(dtype)
      case 'compound': {
        const { size, fields } = layoutOf(dtype, 8)
        const type = this.keep(calls.H5Tcreate(COMPOUND, size))
        for (const [index, field] of dtype.fields.entries()) {
          this.check(calls.H5Tinsert(type, field.name, fields![index]!.offset, this.make(field.dtype, place)))
        }
        return type
      }
      case 'array': {
        const base = this.make(dtype.base, place)
        return this.keep(calls.H5Tarray_create2(base, dtype.shape.length, BigUint64Array.from(dtype.shape, BigInt)))
      }
      case 'vlen':
        return this.keep(calls.H5Tvlen_create(this.make(dtype.base, place)))
      case 'opaque': {
        const type = this.keep(calls.H5Tcreate(OPAQUE, dtype.size))
        this.check(calls.H5Tset_tag(type, ''))
        return type
      }
      case 'reference':
        return calls.constant(dtype.to === 'object' ? 'H5T_STD_REF_OBJ_g' : 'H5T_STD_REF_DSETREG_g')
    }
  }

  private number(word: NumberType, order: 'LE' | 'BE'): Id {
    if (word === 'float16') return this.half(order)
    const bits = /\d+/.exec(word)![0]
    const name = word.startsWith('float') ? `IEEE_F${bits}` : `STD_${word.startsWith('u') ? 'U' : 'I'}${bits}`
    return this.ids.calls.constant(`H5T_${name}${order}_g`)
  }

  /** IEEE 754 binary16: from the top a sign, 5 bits of exponent and 10 of mantissa. The fields are set first, since the size is cut down to them. */
  private half(order: 'LE' | 'BE'): Id {
    const { calls } = this.ids
    const type = this.keep(calls.H5Tcopy(calls.constant(`H5T_IEEE_F32${order}_g`)))
    this.check(calls.H5Tset_fields(type, 15, 10, 5, 0, 10))
    this.check(calls.H5Tset_size(type, 2n))
    this.check(calls.H5Tset_ebias(type, 15n))
    return type
  }

  private string(length: number | null, charset: keyof typeof CHARSETS): Id {
    const { calls } = this.ids
    const type = this.keep(calls.H5Tcopy(calls.constant('H5T_C_S1_g')))
    this.check(calls.H5Tset_size(type, length === null ? VARIABLE : BigInt(length)))
    this.check(calls.H5Tset_cset(type, CHARSETS[charset]))
    this.check(calls.H5Tset_strpad(type, length === null ? TERMINATED : PADDED_WITH_NUL))
    return type
  }

  private enumeration(dtype: EnumType): Id {
    const { calls, where } = this.ids
    const type = this.keep(calls.H5Tenum_create(this.number(dtype.base, 'LE')))
    for (const [name, value] of Object.entries(dtype.members)) {
      this.check(calls.H5Tenum_insert(type, name, encode([value], layoutOf(dtype.base, 8), this.memory, where)))
    }
    return type
  }

  private keep(id: Id): Id {
    return this.ids.keep(id, 'HDF5_TYPE')
  }

  private check(result: number): void {
    this.ids.check(result, 'HDF5_TYPE')
  }
}
