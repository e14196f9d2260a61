// SPDX-License-Identifier: MIT
// treelock's face: one callable lock over sub-trees, whose nodes may be objects that know their parents.
import { invalid } from '../core/errors.ts'
import type { Inspection } from '../core/inspection.ts'
import type { Lease } from '../core/lease.ts'
import type { LockNode } from '../core/path.ts'
import '../diagnostics.ts'
import { type LockOptions, LockSpace, type Work } from '../lock-space.ts'

/**
 * A place in a tree that knows its own parents. They may be all of its ancestors or the nearest alone, in any order: whatever can be
 * reached through `parents` lies above it. Two objects with one `key` are one place, and so are an object and a path whose key is its
 * text: `{ key: '/a', … }` is `/a`.
 */
export interface TreeNode {
  readonly key: string
  readonly parents: Iterable<TreeNode>
}

/** A path as text (`/a/b`), as a list of segments (`['a', 'b']`), or an object that knows its parents. */
export type TreeLockNode = string | readonly string[] | TreeNode

/** The roots of the sub-trees to read and to write. One request may read a tree and write in it. */
export interface TreeLockRequest {
  readonly read?: Iterable<TreeLockNode>
  readonly write?: Iterable<TreeLockNode>
}

/** `timeout` is in milliseconds, as everywhere in Holdfast. */
export type TreeLockOptions = LockOptions

/** Calling the lock takes the sub-trees, whole or not at all; the lease gives them back. */
export interface TreeLock {
  // biome-ignore lint/style/useShorthandFunctionType: it is merged with the class below, which makes its instances callable.
  (request: TreeLockRequest, options?: TreeLockOptions): Promise<Lease>
}

/**
 * ```ts
 * const lock = new TreeLock()
 * {
 *   await using lease = await lock({ read: ['/from'], write: ['/to'] })
 *   await copy(lease)
 * }
 * await lock.with({ write: ['/folder'] }, () => remove('/folder'))
 * ```
 *
 * Locks of one `TreeLock` exclude each other and nobody else's. It stands on a {@link LockSpace} of its own, for the tasks of this
 * thread, or on the one that it is given: then its locks reach as far as that space's, and exclude what is locked there by other means.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor returns the function that the interface describes.
export class TreeLock {
  declare private readonly locks: LockSpace

  constructor(locks: LockSpace = new LockSpace()) {
    const lock = (request: TreeLockRequest, options?: TreeLockOptions): Promise<Lease> => {
      try {
        return locks.lock(rootsOf(request), options)
      } catch (error) {
        return Promise.reject(error)
      }
    }
    Object.setPrototypeOf(lock, new.target.prototype)
    Object.defineProperty(lock, 'locks', { value: locks })
    // biome-ignore lint/correctness/noConstructorReturn: a callable instance cannot be had otherwise.
    return lock as unknown as TreeLock
  }

  /** Runs `work` under the lock and releases it then, whatever happened; rejects with `LOCK_LOST` if the lease was lost meanwhile. */
  with<Result>(request: TreeLockRequest, work: Work<Result>): Promise<Result>
  with<Result>(request: TreeLockRequest, options: TreeLockOptions, work: Work<Result>): Promise<Result>
  async with<Result>(request: TreeLockRequest, options: TreeLockOptions | Work<Result>, work?: Work<Result>): Promise<Result> {
    const roots = rootsOf(request)
    return await (typeof options === 'function' ? this.locks.withLock(roots, options) : this.locks.withLock(roots, options, work!))
  }

  /** Who holds and who waits, and for whom. */
  inspect(): Promise<Inspection> {
    return this.locks.inspect()
  }
}

interface Roots {
  readonly read: readonly (string | readonly string[] | LockNode)[]
  readonly write: readonly (string | readonly string[] | LockNode)[]
}

function rootsOf(request: TreeLockRequest): Roots {
  if (typeof request !== 'object' || request === null) throw invalid('A request is an object: { read: nodes, write: nodes }.')
  const { read, write, ...others } = request
  for (const word of Object.keys(others)) throw invalid(`A request has "read" and "write", not ${JSON.stringify(word)}.`)
  return { read: listOf(read, 'read'), write: listOf(write, 'write') }
}

function listOf(nodes: Iterable<TreeLockNode> | undefined, role: string): Roots['read'] {
  if (nodes === undefined) return []
  if (typeof nodes === 'string' || !isIterable(nodes)) throw invalid(`"${role}" is a list of nodes; one node goes inside a list, too.`)
  return Array.from(nodes, (node) => (typeof node === 'string' || Array.isArray(node) ? node : lockNode(node as TreeNode)))
}

/** Claims need the set of a node's ancestors, not their order. */
function lockNode(node: TreeNode): LockNode {
  const above = new Map<string, TreeNode>()
  climb(node, above)
  if (above.has(node.key)) throw invalid(`The node ${JSON.stringify(node.key)} lies above itself.`)
  return { key: node.key, ancestors: [...above.keys()] }
}

function climb(node: TreeNode, above: Map<string, TreeNode>): void {
  const pending = [node]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const parent of checked(next).parents) {
      if (above.has(checked(parent).key)) continue
      above.set(parent.key, parent)
      pending.push(parent)
    }
  }
}

function checked(node: TreeNode): TreeNode {
  if (typeof node !== 'object' || node === null)
    throw invalid('A node is a string, a list of segments, or an object with a key and parents.')
  if (typeof node.key !== 'string') throw invalid(`The key of a node is a string, not ${node.key === null ? 'null' : typeof node.key}.`)
  if (typeof node.parents === 'string' || !isIterable(node.parents)) {
    throw invalid(`The node ${JSON.stringify(node.key)} has no iterable "parents".`)
  }
  return node
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}
