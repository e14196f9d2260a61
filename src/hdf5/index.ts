// SPDX-License-Identifier: MIT
// HDF5 files that any process can read in parallel and write alone: holdfast/hdf5.

export { setDefaultLocks } from './access/locking.ts'
export { setEngineThreads } from './access/pool.ts'
export { type AttributeContent, Attributes } from './attributes.ts'
export { Dataset } from './dataset.ts'
export { Datatype } from './datatype.ts'
export type { CreateDatasetOptions, DatasetInfo, Durability, Filter, Link, NewLink, Value } from './engine/protocol.ts'
export { Hdf5Error, type Hdf5ErrorCode, type Hdf5ErrorOptions, isHdf5Error } from './errors.ts'
export { File, File as H5File, type SessionWork } from './file.ts'
export { Group, type Hdf5Object, type RequireDatasetOptions } from './group.ts'
export { externalLink, hardLink, softLink } from './links.ts'
export type { AccessOptions, FileMode, FileOptions } from './options.ts'
export { type RecoverOptions, recoverFile } from './recover-file.ts'
export type {
  ArrayType,
  BigEndianType,
  CompoundType,
  Dtype,
  DtypeLike,
  EnumType,
  FloatType,
  IntegerType,
  NumberType,
  OpaqueType,
  ReferenceType,
  StringType,
  VariableLengthType,
} from './values/dtype.ts'
export { type Element, type NdArray, type Nested, ndArray, type Reference, type Row, type TypedArray, toNested } from './values/nd-array.ts'
export { type Index, type Selection, type Slice, slice } from './values/selection.ts'
