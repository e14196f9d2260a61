// SPDX-License-Identifier: MIT
// From what may be asked for (words, NumPy's codes, objects) to a type of elements, checked.

import type { Hdf5Error } from '../errors.ts'
import { problem, shown, type Where } from '../where.ts'
import type { Dtype, DtypeLike, IntegerType, NumberType } from './dtype.ts'
import { isIntegerType, isNumberType, NUMBERS } from './number-types.ts'

const WORDS: Readonly<Record<string, Dtype>> = {
  bool: 'bool',
  boolean: 'bool',
  string: 'string',
  str: 'string',
  half: 'float16',
  single: 'float32',
  float: 'float64',
  double: 'float64',
  int: 'int64',
  uint: 'uint64',
}

/** NumPy's codes of one letter, as C sizes them on 64-bit Linux. */
const LETTERS: Readonly<Record<string, Dtype>> = {
  '?': 'bool',
  b: 'int8',
  B: 'uint8',
  h: 'int16',
  H: 'uint16',
  i: 'int32',
  I: 'uint32',
  l: 'int64',
  L: 'uint64',
  q: 'int64',
  Q: 'uint64',
  e: 'float16',
  f: 'float32',
  d: 'float64',
}

const KNOWN =
  "Known are bool, int8 to int64, uint8 to uint64, float16 to float64, string, NumPy's codes ('<f4', '>i8', 'S10', '?'), and objects"

/** What NumPy has and HDF5 has not, or not as one type, and what to do instead. */
const ADVICE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/^[<>=|]?U\d*$/, "HDF5 has no strings of fixed width in UTF-32; take 'string', or 'S' with a length in bytes"],
  [/^[<>=|]?[SA]0?$/, "a fixed length in bytes is needed, such as 'S10'; 'string' is of any length"],
  [/^[<>=|]?([mM]\d*|datetime64|timedelta64)/, 'HDF5 has no dates; store them as int64 and say the unit in an attribute'],
  [/^[<>=|]?([cFD]\d*|complex\d*)$/, "h5py stores complex numbers as a compound {r: 'f8', i: 'f8'}; ask for that"],
  [/^[|]?O$/, "take 'string', or {type: 'vlen', base: …} for lists"],
]

const OBJECTS: Readonly<Record<string, readonly string[]>> = {
  number: ['number', 'order'],
  string: ['length', 'charset'],
  enum: ['base', 'members'],
  compound: ['fields'],
  array: ['base', 'shape'],
  vlen: ['base'],
  opaque: ['size'],
  reference: ['to'],
}

/**
 * The type that is meant, checked. An object whose `type` is one of the kinds of {@link Dtype} is that; any other is a compound type, its
 * members in the order of the object's properties.
 *
 * @throws Hdf5Error `HDF5_TYPE`
 */
export function parseDtype(like: DtypeLike, where: Where): Dtype {
  if (typeof like === 'string') return parseText(like, where)
  if (typeof like !== 'object' || like === null || Array.isArray(like) || ArrayBuffer.isView(like)) {
    throw refused(where, `${shown(like)} is no type. ${KNOWN}`)
  }
  const given: Readonly<Record<string, unknown>> = { ...like }
  const kind = given.type
  if (typeof kind !== 'string' || !Object.hasOwn(OBJECTS, kind)) {
    return compound(
      Object.entries(given).map(([name, dtype]) => ({ name, dtype })),
      where,
    )
  }
  for (const property of Object.keys(given)) {
    if (property !== 'type' && !OBJECTS[kind]!.includes(property)) {
      const advice = "a compound with a member named 'type' is written {type: 'compound', fields: [{name, dtype}, …]}"
      throw refused(where, `a type {type: '${kind}'} has no property '${property}'; ${advice}`)
    }
  }
  return parseObject(kind, given, where)
}

function parseText(text: string, where: Where): Dtype {
  if (isNumberType(text)) return text
  if (Object.hasOwn(WORDS, text)) return WORDS[text]!
  const code = /^(?<order>[<>=|]?)(?:(?<letter>[?bBhHiIlLqQefd])|(?<kind>[iufbSV])(?<size>[1-9]\d{0,8}))$/.exec(text)?.groups
  const dtype = code === undefined ? undefined : code.letter === undefined ? sized(code.kind!, Number(code.size)) : LETTERS[code.letter]
  if (dtype !== undefined) {
    return code!.order === '>' && isNumberType(dtype) && NUMBERS[dtype].size > 1 ? { type: 'number', number: dtype, order: 'big' } : dtype
  }
  const advice = ADVICE.find(([pattern]) => pattern.test(text))?.[1]
  throw refused(where, `${shown(text)} is no type that can be stored: ${advice ?? `it is not known. ${KNOWN}`}`)
}

function sized(kind: string, size: number): Dtype | undefined {
  if (kind === 'S') return { type: 'string', length: size, charset: 'ascii' }
  if (kind === 'V') return { type: 'opaque', size }
  if (kind === 'b') return size === 1 ? 'bool' : undefined
  const word = `${{ i: 'int', u: 'uint', f: 'float' }[kind]}${8 * size}`
  return isNumberType(word) ? word : undefined
}

function parseObject(kind: string, given: Readonly<Record<string, unknown>>, where: Where): Dtype {
  switch (kind) {
    case 'number':
      return number(given, where)
    case 'string':
      return string(given, where)
    case 'enum':
      return enumeration(given.base ?? 'uint8', given.members, where)
    case 'compound':
      if (!Array.isArray(given.fields)) throw refused(where, 'a compound type needs fields: [{name, dtype}, …]')
      return compound(given.fields, where)
    case 'array': {
      const shape = given.shape
      if (!Array.isArray(shape) || shape.length === 0 || shape.length > 32 || !shape.every(isSize)) {
        throw refused(where, 'an array type needs a shape of 1 to 32 lengths, each at least 1')
      }
      return { type: 'array', base: parseDtype(given.base as DtypeLike, where), shape: [...shape] }
    }
    case 'vlen':
      return { type: 'vlen', base: parseDtype(given.base as DtypeLike, where) }
    case 'opaque':
      if (!isSize(given.size)) throw refused(where, 'an opaque type needs a size in bytes, at least 1')
      return { type: 'opaque', size: given.size }
    default:
      if (given.to !== 'object' && given.to !== 'region') throw refused(where, "a reference is to: 'object' or to: 'region'")
      return { type: 'reference', to: given.to }
  }
}

function number(given: Readonly<Record<string, unknown>>, where: Where): Dtype {
  if (!isNumberType(given.number)) throw refused(where, `${shown(given.number)} is no type of number`)
  if (given.order !== 'big') throw refused(where, "the order of {type: 'number'} is 'big'; little-endian types are words")
  return NUMBERS[given.number].size === 1 ? given.number : { type: 'number', number: given.number, order: 'big' }
}

function string(given: Readonly<Record<string, unknown>>, where: Where): Dtype {
  const { length = null, charset = 'utf-8' } = given
  if (length !== null && !isSize(length)) throw refused(where, 'the length of a string type is in bytes, at least 1, or null for any')
  if (charset !== 'utf-8' && charset !== 'ascii')
    throw refused(where, `the charset of strings is 'utf-8' or 'ascii', not ${shown(charset)}`)
  return length === null && charset === 'utf-8' ? 'string' : { type: 'string', length, charset }
}

function enumeration(baseLike: unknown, members: unknown, where: Where): Dtype {
  const base = parseDtype(baseLike as DtypeLike, where)
  if (!isIntegerType(base)) throw refused(where, 'the base of an enum is a type of integers')
  if (typeof members !== 'object' || members === null || Array.isArray(members) || Object.keys(members).length === 0) {
    throw refused(where, 'an enum needs members: {NAME: value, …}')
  }
  const values = Object.entries(members as Record<string, unknown>).map(
    ([name, value]) => [name, member(name, value, base, where)] as const,
  )
  if (new Set(values.map(([, value]) => value)).size < values.length)
    throw refused(where, 'each member of an enum needs a value of its own')
  const isBool =
    base === 'int8' && values.length === 2 && values.every(([name, value]) => name === (value === 0 ? 'FALSE' : value === 1 ? 'TRUE' : ''))
  return isBool ? 'bool' : { type: 'enum', base, members: Object.fromEntries(values) }
}

function member(name: string, value: unknown, base: IntegerType & NumberType, where: Where): number {
  if (!isName(name)) throw refused(where, `${shown(name)} cannot be the name of a member`)
  if (!Number.isSafeInteger(value) || BigInt(value as number) < NUMBERS[base].low || BigInt(value as number) > NUMBERS[base].high) {
    throw refused(where, `the value of the member ${name}, ${shown(value)}, is no ${base}`)
  }
  return (value as number) + 0
}

function compound(given: readonly unknown[], where: Where): Dtype {
  const names = new Set<string>()
  const fields = given.map((entry) => {
    const { name, dtype } = (entry ?? {}) as { name?: unknown; dtype?: unknown }
    if (typeof name !== 'string' || !isName(name)) throw refused(where, `${shown(name)} cannot be the name of a member`)
    if (names.has(name)) throw refused(where, `two members of the compound are named ${shown(name)}`)
    names.add(name)
    return { name, dtype: parseDtype(dtype as DtypeLike, where) }
  })
  if (fields.length === 0) throw refused(where, 'a compound type needs at least one member')
  return { type: 'compound', fields }
}

/** HDF5 keeps names up to the first NUL. */
function isName(name: string): boolean {
  return name !== '' && !name.includes('\0')
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) < 2 ** 31
}

function refused(where: Where, message: string): Hdf5Error {
  return problem('HDF5_TYPE', where, `${message}.`)
}
