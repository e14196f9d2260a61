// SPDX-License-Identifier: MIT
// The rules of the locks that kazoo (2.8.0) and Curator (5.4.0) keep in ZooKeeper: what the nodes of those who want one are called, and who waits
// for whom. All nodes of a lock lie in one directory. Each name holds a random id, by which its maker finds it again when the server's answer was
// lost, a mark that says what it wants, and the number that the server gave it.
//
// Invariant: a contender has its turn when no node with a lower number excludes it. Later ones never do.
import { randomUUID } from 'node:crypto'
import { invalid } from '../../../core/errors.ts'
import type { CreateKind } from '../wire/operations.ts'

/** The library whose locks are shared. */
export type Dialect = 'kazoo' | 'curator'

/** `lock` is kazoo's Lock and Curator's InterProcessMutex; `read` and `write` are the two sides of their read-write locks. */
export type RecipeKind = 'lock' | 'read' | 'write'

interface Rules {
  readonly mark: string
  /** The marks of those who exclude it. */
  readonly after: readonly string[]
}

interface Library {
  readonly kinds: Readonly<Record<RecipeKind, Rules>>
  /** What the name begins with. */
  id(): string
  /** What directories are made where there are none: containers go by themselves some time after they were left empty. */
  readonly parents: CreateKind
}

const LIBRARIES: Readonly<Record<Dialect, Library>> = {
  kazoo: {
    kinds: {
      // A Lock takes no notice of readers, while readers wait for a Lock: it is marked as writers are.
      lock: { mark: '__lock__', after: ['__lock__'] },
      read: { mark: '__rlock__', after: ['__lock__'] },
      write: { mark: '__lock__', after: ['__lock__', '__rlock__'] },
    },
    id: () => randomUUID().replaceAll('-', ''),
    parents: 'persistent',
  },
  curator: {
    kinds: {
      // A mutex and a read-write lock in one directory take no notice of each other.
      lock: { mark: 'lock-', after: ['lock-'] },
      read: { mark: '__READ__', after: ['__WRIT__'] },
      write: { mark: '__WRIT__', after: ['__READ__', '__WRIT__'] },
    },
    id: () => `_c_${randomUUID()}-`,
    parents: 'container',
  },
}

/** A few are left for those who ask at the same time. */
const LAST_NUMBER = 2 ** 31 - 2 ** 16

/** @throws LockError `LOCK_INVALID` */
export function checkDialect(dialect: unknown): Dialect {
  if (dialect === 'kazoo' || dialect === 'curator') return dialect
  throw invalid(`dialect is "kazoo" or "curator", not ${JSON.stringify(dialect)}.`)
}

/** The rules for one kind of lock. */
export class Recipe {
  readonly kind: RecipeKind
  readonly parents: CreateKind
  private readonly library: Library
  private readonly mark: string
  private readonly excluding: RegExp
  private readonly contending: RegExp

  /**
   * @param extraPatterns regular expressions for other nodes that exclude it, to stand before the number: kazoo's `extra_lock_patterns`.
   * @throws LockError `LOCK_INVALID`
   */
  constructor(dialect: Dialect, kind: RecipeKind, extraPatterns: readonly string[] = []) {
    this.kind = kind
    this.library = LIBRARIES[dialect]
    this.parents = this.library.parents
    const { mark, after } = this.library.kinds[kind]
    this.mark = mark
    this.excluding = numbered([...after, ...extraPatterns])
    this.contending = numbered([mark, ...after, ...extraPatterns])
  }

  /** What a new node's name begins with, up to its number; another one each time. */
  newName(): string {
    return this.library.id() + this.mark
  }

  /** The nearest of those before a node who exclude it: null when it has its turn. */
  predecessor(names: readonly string[], own: string): string | null {
    const ownNumber = numberOf(this.contending, own)
    return this.ordered(names, this.excluding, (number) => number < ownNumber).at(-1) ?? null
  }

  /** Whether the server is about to run out of numbers: from the last one on it gives everybody the same. */
  isLast(own: string): boolean {
    const number = Number(numberOf(this.contending, own))
    return number >= LAST_NUMBER || number < 0
  }

  /** Whether somebody excludes one who would come now. */
  isTaken(names: readonly string[]): boolean {
    return names.some((name) => this.excluding.test(name))
  }

  /** Those who have the lock or wait for it, in the order in which they came. Without those whom this kind takes no notice of. */
  contenders(names: readonly string[]): string[] {
    return this.ordered(names, this.contending, () => true)
  }

  /** Numbers have ten digits, and are compared as text, as the libraries do. */
  private ordered(names: readonly string[], which: RegExp, wanted: (number: string) => boolean): string[] {
    return names
      .map((name) => ({ name, number: numberOf(which, name) }))
      .filter(({ number }) => number !== '' && wanted(number))
      .sort((a, b) => (a.number < b.number ? -1 : 1))
      .map(({ name }) => name)
  }
}

function numberOf(pattern: RegExp, name: string): string {
  return pattern.exec(name)?.at(-1) ?? ''
}

function numbered(marks: readonly string[]): RegExp {
  try {
    return new RegExp(`(?:${marks.join('|')})(-?\\d{10})$`)
  } catch (error) {
    throw invalid(`extraLockPatterns are regular expressions: ${(error as Error).message}.`)
  }
}
