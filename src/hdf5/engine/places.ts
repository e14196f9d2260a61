// SPDX-License-Identifier: MIT
// Where a path leads to before something is changed there. Soft links are followed here, step by step, so that no write leaves the file:
// what an external link leads to lies under another lock and another journal.
import { isHdf5Error } from '../errors.ts'
import { problem, type Where } from '../where.ts'
import type { OpenFile } from './open-file.ts'

export type PlaceKind = 'group' | 'dataset' | 'datatype'

/** What a name in a group is. */
type Entry =
  | { readonly is: PlaceKind }
  | { readonly is: 'nothing' }
  | { readonly is: 'soft link'; readonly target: string }
  | { readonly is: 'external link'; readonly file: string; readonly target: string }

export interface Place {
  readonly kind: PlaceKind
  /** Without soft links in it. */
  readonly path: string
}

/** A name that something can be put at. */
export interface Slot {
  /** Without soft links before the name. */
  readonly path: string
  /** Something of that name is there, be it a link that leads nowhere. */
  readonly taken: boolean
  /** The groups above it that are still to be made, the outermost first. */
  readonly missingGroups: readonly string[]
}

const MOST_SOFT_LINKS = 16
const KINDS: Readonly<Record<number, PlaceKind>> = { 0: 'group', 1: 'dataset', 2: 'datatype' }

/**
 * The object that a path leads to.
 *
 * @throws Hdf5Error `HDF5_NO_OBJECT`, `HDF5_LINK`, `HDF5_UNSUPPORTED`
 */
export function findObject(file: OpenFile, path: string): Place {
  const found = findOptional(file, path)
  if (found === null) throw problem('HDF5_NO_OBJECT', at(file, path), 'there is no such object.')
  return found
}

/** Like {@link findObject}; null when there is nothing of that name, or above it. */
export function findOptional(file: OpenFile, path: string): Place | null {
  const { kind, path: reached, rest } = follow(file, path, namesOf(path))
  if (kind === null) return null
  if (rest.length > 0) throw notAGroup(file, path, reached, kind)
  return { kind, path: reached }
}

/** @throws Hdf5Error `HDF5_KIND` when a group is needed, and the path, or a part of it, is something else; as {@link findObject} */
export function findSlot(file: OpenFile, path: string): Slot {
  const names = namesOf(path)
  const name = names.pop()
  if (name === undefined) return { path: '/', taken: true, missingGroups: [] }
  const { kind, path: parent, rest } = follow(file, path, names)
  if (kind !== null && (kind !== 'group' || rest.length > 0)) throw notAGroup(file, path, parent, kind)
  if (kind === 'group') {
    const own = join(parent, name)
    return { path: own, taken: entryAt(file, own).is !== 'nothing', missingGroups: [] }
  }
  let group = parent
  const missingGroups = rest.map((part) => {
    group = join(group, part)
    return group
  })
  return { path: join(group, name), taken: false, missingGroups }
}

export function makeGroups(file: OpenFile, paths: readonly string[]): void {
  for (const path of paths) file.call(path, ({ module, id }) => module.create_group(id, path, false))
}

export function at(file: OpenFile, object: string): Where {
  return { file: file.path, object }
}

interface Followed {
  /** Null: the first name of `rest` is not in the group `path`. */
  readonly kind: PlaceKind | null
  readonly path: string
  /** Names that are left, after something that is no group or has no such name. */
  readonly rest: readonly string[]
}

function follow(file: OpenFile, whole: string, names: readonly string[]): Followed {
  let path = '/'
  let kind: PlaceKind = 'group'
  let links = 0
  /** Each name with the soft link that it comes from. */
  let steps: { readonly name: string; readonly link: string | null }[] = names.map((name) => ({ name, link: null }))
  for (let step = steps.shift(); step !== undefined; step = steps.shift()) {
    const rest = [step.name, ...steps.map(({ name }) => name)]
    if (kind !== 'group') return { kind, path, rest }
    const next = join(path, step.name)
    const entry = entryAt(file, next)
    if (entry.is === 'nothing') {
      if (step.link === null) return { kind: null, path, rest }
      throw problem('HDF5_LINK', at(file, whole), `the soft link ${step.link} leads nowhere: there is no ${next}.`)
    }
    if (entry.is === 'external link') {
      const target = `${entry.target} in ${entry.file}`
      throw problem('HDF5_UNSUPPORTED', at(file, whole), `${next} is an external link to ${target}; open that file to write to it.`)
    }
    if (entry.is !== 'soft link') {
      path = next
      kind = entry.is
      continue
    }
    if (++links > MOST_SOFT_LINKS) throw problem('HDF5_LINK', at(file, whole), `more than ${MOST_SOFT_LINKS} soft links follow each other.`)
    if (entry.target.startsWith('/')) path = '/'
    steps = [...namesOf(entry.target).map((name) => ({ name, link: next })), ...steps]
  }
  return { kind, path, rest: [] }
}

/** What a name is, in a group that is there and that no link leads to. */
function entryAt(file: OpenFile, path: string): Entry {
  return file.known(`entry ${path}`, () => lookAt(file, path))
}

function lookAt(file: OpenFile, path: string): Entry {
  let type: number
  try {
    type = file.call(path, ({ module, id }) => module.get_type(id, path))
  } catch (error) {
    if (!isHdf5Error(error)) throw error
    // Soft links in a circle, and files that external links do not find: the library fails over them, and they are links.
    type = 3
  }
  if (type < 0) return { is: 'nothing' }
  return file.call(path, ({ module, id }): Entry => {
    const target = module.get_symbolic_link(id, path)
    if (target !== null) return { is: 'soft link', target }
    const external = module.get_external_link(id, path)
    if (external.filename !== undefined) return { is: 'external link', file: external.filename, target: external.obj_path ?? '/' }
    const kind = KINDS[type]
    return kind === undefined ? { is: 'external link', file: 'a place of its own kind', target: path } : { is: kind }
  })
}

function notAGroup(file: OpenFile, path: string, reached: string, kind: PlaceKind): Error {
  return problem('HDF5_KIND', at(file, path), `${reached} is a ${kind}, not a group.`)
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

function join(group: string, name: string): string {
  return group === '/' ? `/${name}` : `${group}/${name}`
}
