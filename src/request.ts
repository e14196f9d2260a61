// SPDX-License-Identifier: MIT
// From what a caller writes to claims: paths, lists of paths, requests to read and to write.
import { type Claims, claimsOf } from './core/claims.ts'
import { invalid } from './core/errors.ts'
import { type LockNode, type PathLike, type PathStyle, parsePath } from './core/path.ts'

/** One path, or a list of paths. A path given as segments goes inside a list: `[['a', 'b']]`. A ready-made node is a path too. */
export type Paths = string | LockNode | readonly (PathLike | LockNode)[]

/** Sub-trees to read and to write, taken whole or not at all. Either may be left out. */
export interface LockRequest {
  readonly read?: Paths | undefined
  readonly write?: Paths | undefined
}

/** How many paths a space remembers the claims of. Twice as many are kept at most. */
const REMEMBERED_PATHS = 4096

const NO_NODES: readonly LockNode[] = []

/**
 * Reads the requests of one lock space.
 *
 * Most programs ask for the same paths again and again: their claims, with what the backend worked out of them, are remembered. Two generations
 * of them, so that forgetting costs nothing: when the younger is full it becomes the older, and the older is dropped.
 */
export class RequestReader {
  private readonly style: PathStyle
  private readClaims = new Map<string, Claims>()
  private writeClaims = new Map<string, Claims>()
  private olderReadClaims = new Map<string, Claims>()
  private olderWriteClaims = new Map<string, Claims>()

  constructor(style: PathStyle) {
    this.style = style
  }

  /** @throws LockError `LOCK_INVALID` */
  toRead(paths: Paths): Claims {
    return typeof paths === 'string' ? this.claimsToRead(paths) : this.claims(paths, undefined)
  }

  /** @throws LockError `LOCK_INVALID` */
  toWrite(paths: Paths): Claims {
    return typeof paths === 'string' ? this.claimsToWrite(paths) : this.claims(undefined, paths)
  }

  /** @throws LockError `LOCK_INVALID` */
  request(request: LockRequest): Claims {
    if (typeof request !== 'object' || request === null || Array.isArray(request)) {
      throw invalid('A request is an object: { read: paths, write: paths }.')
    }
    for (const key of Object.keys(request)) {
      if (key !== 'read' && key !== 'write') throw invalid(`A request has "read" and "write", not ${JSON.stringify(key)}.`)
    }
    const { read, write } = request
    if (write === undefined && typeof read === 'string') return this.claimsToRead(read)
    if (read === undefined && typeof write === 'string') return this.claimsToWrite(write)
    return this.claims(read, write)
  }

  private claims(read: Paths | undefined, write: Paths | undefined): Claims {
    return claimsOf(this.nodes(read, 'read'), this.nodes(write, 'write'))
  }

  private nodes(paths: Paths | undefined, role: string): readonly LockNode[] {
    if (paths === undefined) return NO_NODES
    if (isNode(paths)) return [paths]
    if (typeof paths === 'string') return [parsePath(paths, this.style)]
    if (!Array.isArray(paths)) throw invalid(`"${role}" is a path or a list of paths, not ${paths === null ? 'null' : typeof paths}.`)
    const nodes: LockNode[] = []
    // One by one: a list with holes has paths that are none.
    for (const path of paths as readonly (PathLike | LockNode)[]) nodes.push(isNode(path) ? path : parsePath(path, this.style))
    return nodes
  }

  private claimsToRead(path: string): Claims {
    const known = this.readClaims.get(path)
    if (known !== undefined) return known
    if (this.readClaims.size >= REMEMBERED_PATHS) {
      this.olderReadClaims = this.readClaims
      this.readClaims = new Map()
    }
    const claims = this.olderReadClaims.get(path) ?? claimsOf([parsePath(path, this.style)], NO_NODES)
    this.readClaims.set(path, claims)
    return claims
  }

  private claimsToWrite(path: string): Claims {
    const known = this.writeClaims.get(path)
    if (known !== undefined) return known
    if (this.writeClaims.size >= REMEMBERED_PATHS) {
      this.olderWriteClaims = this.writeClaims
      this.writeClaims = new Map()
    }
    const claims = this.olderWriteClaims.get(path) ?? claimsOf(NO_NODES, [parsePath(path, this.style)])
    this.writeClaims.set(path, claims)
    return claims
  }
}

function isNode(value: unknown): value is LockNode {
  if (typeof value !== 'object' || value === null || !('key' in value) || !('ancestors' in value)) return false
  const { key, ancestors } = value
  if (typeof key !== 'string') throw invalid('The key of a node is a string.')
  if (!Array.isArray(ancestors) || ancestors.includes(undefined) || !ancestors.every((one) => typeof one === 'string')) {
    throw invalid(`The ancestors of the node ${JSON.stringify(key)} are a list of keys.`)
  }
  return true
}
