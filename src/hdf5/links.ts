// SPDX-License-Identifier: MIT
// New links: what `group.createLink` takes.
import type { NewLink } from './engine/protocol.ts'
import { misused } from './options.ts'
import { checkName, objectPath } from './paths.ts'
import { shown } from './where.ts'

/** A link to a path in the same file, which need not exist. A relative one starts at the group that the link lies in. */
export function softLink(target: string): NewLink {
  return { type: 'soft', target: checkName(target, 'The target of a link') }
}

/** A link to a path in another file, whose own path is taken from the folder of the file that the link lies in. */
export function externalLink(file: string, target: string): NewLink {
  return { type: 'external', file: checkName(file, 'The file of a link'), target: checkName(target, 'The target of a link') }
}

/** Another name for an object of the same file: its path, or the object itself. */
export function hardLink(target: string | { readonly name: string }): NewLink {
  return { type: 'hard', target: checkName(typeof target === 'object' && target !== null ? target.name : target, 'The target of a link') }
}

/** A link as the group at `base` is to make it. @throws Hdf5Error `HDF5_INVALID` */
export function checkedLink(link: NewLink, base: string): NewLink {
  const { type, target } = (link ?? {}) as NewLink
  if (type === 'soft') return softLink(target)
  if (type === 'external') return externalLink((link as { readonly file: string }).file, target)
  if (type === 'hard') return { type, target: objectPath(base, target) }
  throw misused(`A link is made by softLink, externalLink or hardLink, and is not ${shown(link)}.`)
}
