// SPDX-License-Identifier: MIT
// What can be asked of a ZooKeeper server: how each request is written, and how its answer is read. Source of the layouts: zookeeper.jute of
// Apache ZooKeeper 3.8, and MultiOperationRecord for several at once.
import { ZooKeeperError } from './errors.ts'
import { type JuteReader, type JuteWriter, MalformedPacket } from './jute.ts'

/** Who may do what to a node. */
export interface Acl {
  /** Sum of {@link PERMISSIONS}. */
  readonly perms: number
  readonly scheme: string
  readonly id: string
}

export const PERMISSIONS = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const

export interface Stat {
  /** Transaction that made the node, that last wrote its data, and that last added or removed a child. */
  readonly czxid: bigint
  readonly mzxid: bigint
  readonly pzxid: bigint
  /** Milliseconds of the server's wall clock. */
  readonly ctime: bigint
  readonly mtime: bigint
  readonly version: number
  readonly cversion: number
  readonly aversion: number
  /** The session whose end removes it, or 0. */
  readonly ephemeralOwner: bigint
  readonly dataLength: number
  readonly numChildren: number
}

export const CREATE_FLAGS = { persistent: 0, ephemeral: 1, sequential: 2, 'ephemeral-sequential': 3, container: 4 } as const
export type CreateKind = keyof typeof CREATE_FLAGS

/** What stands before an answer. */
export interface AnswerHead {
  /** Of which type it is: of several at once, the server names each; a container's may be another than was asked for. */
  readonly type: number
  /** For what was written, the transaction that did it; else the last one that this server has seen. */
  readonly zxid: bigint
}

/** One request, and how its answer is read. */
export interface Operation<Answer> {
  readonly type: number
  /** The node that it is about, for error messages. */
  readonly path: string | undefined
  write(to: JuteWriter): void
  read(from: JuteReader, head: AnswerHead): Answer
  /** Listens for changes of `path` once the answer has come. */
  readonly watch?: Watch
}

export type Watcher = (event: WatchEvent) => void

/** A watcher for the data of a node (`data`) or for its children (`children`): called once, at the first change. */
export interface Watch {
  readonly kind: 'data' | 'children'
  readonly watcher: Watcher
}

export interface WatchEvent {
  readonly type: 'created' | 'deleted' | 'changed' | 'children' | 'other'
  readonly path: string
}

const NOTHING = Buffer.alloc(0)

const CREATE = 1
const CREATE_CONTAINER = 19
const DELETE = 2
const SET_DATA = 5
const GET_CHILDREN = 8
const SYNC = 9
const MULTI = 14
const MULTI_READ = 22
const NO_NODE = -101

const TO_LEADER: ReadonlySet<number> = new Set([CREATE, CREATE_CONTAINER, DELETE, SET_DATA, SYNC, MULTI])

/** True if no server answers to it without its leader. */
export function goesToLeader({ type }: Operation<unknown>): boolean {
  return TO_LEADER.has(type)
}

/** True if what failed is said in the answer, and not before it. */
export function saysItself({ type }: Operation<unknown>): boolean {
  return type === MULTI || type === MULTI_READ
}

/** Answers the path as made, with the number that the server gave it. */
export function create(path: string, kind: CreateKind, acl: readonly Acl[], data: Uint8Array = NOTHING): Operation<string> {
  return {
    type: kind === 'container' ? CREATE_CONTAINER : CREATE,
    path,
    write(to) {
      to.text(path).buffer(data).int(acl.length)
      for (const { perms, scheme, id } of acl) to.int(perms).text(scheme).text(id)
      to.int(CREATE_FLAGS[kind])
    },
    read(from, { type }) {
      const made = from.text()
      if (type !== CREATE) readStat(from)
      return made
    },
  }
}

/** @param version the version that its data must have; -1 for any. */
export function remove(path: string, version = -1): Operation<void> {
  return { type: DELETE, path, write: (to) => void to.text(path).int(version), read: () => {} }
}

export function exists(path: string): Operation<Stat> {
  return { type: 3, path, write: (to) => void to.text(path).bool(false), read: readStat }
}

export function getData(path: string, watcher?: Watcher): Operation<{ readonly data: Buffer; readonly stat: Stat }> {
  const operation = {
    type: 4,
    path,
    write: (to: JuteWriter) => void to.text(path).bool(watcher !== undefined),
    read: (from: JuteReader) => ({ data: from.buffer(), stat: readStat(from) }),
  }
  return watcher === undefined ? operation : { ...operation, watch: { kind: 'data', watcher } }
}

export function setData(path: string, data: Uint8Array, version = -1): Operation<Stat> {
  return { type: SET_DATA, path, write: (to) => void to.text(path).buffer(data).int(version), read: readStat }
}

export function getChildren(path: string, watcher?: Watcher): Operation<string[]> {
  const operation = {
    type: GET_CHILDREN,
    path,
    write: (to: JuteWriter) => void to.text(path).bool(watcher !== undefined),
    read: (from: JuteReader) => from.texts(),
  }
  return watcher === undefined ? operation : { ...operation, watch: { kind: 'children', watcher } }
}

/** After it, reads on this connection see everything that was agreed upon before it was asked. Its answer also shows that there is a leader. */
export function sync(path: string): Operation<void> {
  return { type: SYNC, path, write: (to) => void to.text(path), read: () => {} }
}

/** In {@link multi}: fails unless the node has this version. */
export function check(path: string, version: number): Operation<void> {
  return { type: 13, path, write: (to) => void to.text(path).int(version), read: () => {} }
}

/** The nodes below `prefix` that end with this session. */
export function getEphemerals(prefix: string): Operation<string[]> {
  return { type: 103, path: prefix, write: (to) => void to.text(prefix), read: (from) => from.texts() }
}

export function closeSession(): Operation<void> {
  return { type: -11, path: undefined, write: () => {}, read: () => {} }
}

export function auth(scheme: string, credentials: Uint8Array): Operation<void> {
  return { type: 100, path: undefined, write: (to) => void to.int(0).text(scheme).buffer(credentials), read: () => {} }
}

/** Sets watches anew on another connection: those whose node has changed since `zxid` fire at once. */
export function setWatches(zxid: bigint, data: readonly string[], children: readonly string[]): Operation<void> {
  return { type: 101, path: undefined, write: (to) => void to.long(zxid).texts(data).texts([]).texts(children), read: () => {} }
}

/** One of several operations failed, so none of them was done. */
export class MultiFailed extends ZooKeeperError {
  /** Which of them. */
  readonly index: number

  constructor(number: number, index: number, path: string | undefined) {
    super(number, path)
    this.name = 'MultiFailed'
    this.index = index
  }
}

const ERROR = -1

/** What several operations answered, and the transaction that did them. */
export interface MultiAnswer<Answer> {
  readonly zxid: bigint
  readonly answers: readonly Answer[]
}

/** All of them or none, as one transaction. Rejects with {@link MultiFailed}. */
export function multi<Answer>(operations: readonly Operation<Answer>[]): Operation<MultiAnswer<Answer>> {
  return {
    type: MULTI,
    path: operations[0]?.path,
    write(to) {
      for (const operation of operations) {
        to.int(operation.type).bool(false).int(-1)
        operation.write(to)
      }
      to.int(-1).bool(true).int(-1)
    },
    read(from, { zxid }) {
      const answers: Answer[] = []
      let failure: MultiFailed | null = null
      for (let index = 0; ; index++) {
        const type = from.int()
        const done = from.bool()
        from.int()
        if (done) break
        const operation = operations[index]
        if (operation === undefined) throw new MalformedPacket('more answers than questions')
        if (type === ERROR) {
          // Those before it were undone (0), those after it not begun (-2).
          const number = from.int()
          if (number !== 0 && number !== -2) failure ??= new MultiFailed(number, index, operation.path)
        } else answers.push(operation.read(from, { type, zxid }))
      }
      if (failure !== null) throw failure
      if (answers.length !== operations.length) throw new MalformedPacket('fewer answers than questions')
      return { zxid, answers }
    },
  }
}

/** The children of several nodes, in one question: null for a node that is not there. Rejects with {@link MultiFailed} for other refusals. */
export function listAll(paths: readonly string[]): Operation<(readonly string[] | null)[]> {
  return {
    type: MULTI_READ,
    path: paths[0],
    write(to) {
      for (const path of paths) to.int(GET_CHILDREN).bool(false).int(-1).text(path).bool(false)
      to.int(-1).bool(true).int(-1)
    },
    read(from) {
      const lists: (readonly string[] | null)[] = []
      let failure: MultiFailed | null = null
      for (;;) {
        const type = from.int()
        const done = from.bool()
        from.int()
        if (done) break
        const number = type === ERROR ? from.int() : 0
        if (type !== ERROR) lists.push(from.texts())
        else if (number === NO_NODE) lists.push(null)
        else failure ??= new MultiFailed(number, lists.length, paths[lists.length])
      }
      if (failure !== null) throw failure
      if (lists.length !== paths.length) throw new MalformedPacket('another number of answers than of questions')
      return lists
    },
  }
}

export function readStat(from: JuteReader): Stat {
  const [czxid, mzxid, ctime, mtime] = [from.long(), from.long(), from.long(), from.long()]
  const [version, cversion, aversion, ephemeralOwner] = [from.int(), from.int(), from.int(), from.long()]
  const [dataLength, numChildren, pzxid] = [from.int(), from.int(), from.long()]
  return { czxid, mzxid, pzxid, ctime, mtime, version, cversion, aversion, ephemeralOwner, dataLength, numChildren }
}

const EVENTS: Readonly<Record<number, WatchEvent['type']>> = { 1: 'created', 2: 'deleted', 3: 'changed', 4: 'children' }

export function readEvent(from: JuteReader): WatchEvent {
  const type = EVENTS[from.int()] ?? 'other'
  // The state of the connection, which is ours to know.
  from.int()
  return { type, path: from.text() }
}
