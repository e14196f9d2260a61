// SPDX-License-Identifier: MIT
// What paths lead to when a file is read: through soft and external links, as HDF5 follows them; and why one leads nowhere.
import { type Hdf5Error, isHdf5Error } from '../errors.ts'
import { problem } from '../where.ts'
import { ObjectType } from './h5-module.ts'
import type { OpenFile } from './open-file.ts'
import type { Link, ObjectKind } from './protocol.ts'

const KINDS: Readonly<Record<number, ObjectKind>> = {
  [ObjectType.group]: 'group',
  [ObjectType.dataset]: 'dataset',
  [ObjectType.datatype]: 'datatype',
}

/** @throws Hdf5Error `HDF5_NO_OBJECT`, `HDF5_KIND` (something on the way is no group), `HDF5_LINK` */
export function kindOf(file: OpenFile, path: string): ObjectKind {
  const kind = tryKind(file, path)
  if (typeof kind === 'string') return kind
  throw reasonOf(file, path, kind)
}

/** Null when the path leads nowhere, whatever the reason. */
export function optionalKind(file: OpenFile, path: string): ObjectKind | null {
  const kind = tryKind(file, path)
  return typeof kind === 'string' ? kind : null
}

/** @throws Hdf5Error as {@link kindOf}, and `HDF5_KIND` for an object of another kind */
export function expectKind(file: OpenFile, path: string, kind: ObjectKind): void {
  const found = kindOf(file, path)
  if (found !== kind) throw problem('HDF5_KIND', { file: file.path, object: path }, `it is a ${found}, not a ${kind}.`)
}

/** @throws Hdf5Error as {@link kindOf}, of what lies above the link, and when there is no link of that name */
export function linkAt(file: OpenFile, path: string): Link {
  const link = softOrExternal(file, path)
  if (link !== null) return link
  if (optionalKind(file, path) === null) throw reasonOf(file, path, undefined)
  return { type: 'hard' }
}

/** Null for a hard link, and for none. */
export function softOrExternal(file: OpenFile, path: string): Exclude<Link, { type: 'hard' }> | null {
  if (path === '/') return null
  try {
    return file.call(path, ({ module, id }) => {
      const target = module.get_symbolic_link(id, path)
      if (target !== null) return { type: 'soft', target }
      const { filename, obj_path } = module.get_external_link(id, path)
      return filename === undefined || obj_path === undefined ? null : { type: 'external', file: filename, target: obj_path }
    })
  } catch (error) {
    if (isHdf5Error(error)) return null
    throw error
  }
}

/** The kind, or what was wrong. Where links run in a circle or to missing files, HDF5 fails over the question. */
function tryKind(file: OpenFile, path: string): ObjectKind | Hdf5Error | undefined {
  try {
    return KINDS[file.call(path, ({ module, id }) => module.get_type(id, path))]
  } catch (error) {
    if (!isHdf5Error(error) || error.code === 'HDF5_NOT_HDF5' || error.code === 'HDF5_TORN') throw error
    return error
  }
}

/** Goes the way step by step, to the first that fails. */
function reasonOf(file: OpenFile, path: string, failure: Hdf5Error | undefined): Hdf5Error {
  const where = { file: file.path, object: path }
  let reached = ''
  let above: ObjectKind = 'group'
  for (const name of path.split('/').filter((part) => part !== '' && part !== '.')) {
    const next = `${reached}/${name}`
    if (above !== 'group') return problem('HDF5_KIND', where, `${reached} is a ${above}, not a group.`)
    const found = tryKind(file, next)
    if (typeof found === 'string') {
      reached = next
      above = found
      continue
    }
    const link = softOrExternal(file, next)
    if (link?.type === 'soft') {
      const loops = /too many links/.test(found?.message ?? '')
      const end = loops ? 'the links run in a circle' : 'there is nothing there'
      return problem('HDF5_LINK', where, `the soft link ${next} leads to ${link.target}, and ${end}.`, found)
    }
    if (link?.type === 'external') {
      const why = found ?? failureAt(file, next)
      const said = why === undefined ? '' : ` (${why.message})`
      const end = `leads to ${link.target} in ${link.file}, which cannot be reached${said}.`
      return problem('HDF5_LINK', where, `the external link ${next} ${end}`, why)
    }
    if (found !== undefined && found.code !== 'HDF5_NO_OBJECT') return found
    return problem('HDF5_NO_OBJECT', where, next === path ? 'there is no such object.' : `there is no ${next}.`)
  }
  return failure ?? problem('HDF5_NO_OBJECT', where, 'there is no such object.')
}

/** Why an object cannot be opened, when asking for its kind has not told. */
function failureAt(file: OpenFile, path: string): Hdf5Error | undefined {
  try {
    file.call(path, ({ module, id }) => module.get_attribute_names(id, path))
    return undefined
  } catch (error) {
    if (isHdf5Error(error)) return error
    throw error
  }
}
