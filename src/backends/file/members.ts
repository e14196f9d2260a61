// SPDX-License-Identifier: MIT
// Who holds what, asked on demand. Every process that takes part listens on a socket in the directory and answers with what its own memory
// knows, so a lock costs nothing for it, and a dead process answers nothing. What the living do not
// explain, the kernel's own lists do: see kernel-holders.ts.
import * as fs from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import type { Holder, Owner } from '../../core/inspection.ts'
import { MODES } from '../../core/mode.ts'
import { owner } from '../../owner.ts'
import type { LockDirectory } from './directory.ts'

const ANSWER_MS = 300
/** For those who are in a hurry: every process that is stopped costs so much. */
const QUICK_ANSWER_MS = 50
/** How the name of a socket ends before anybody listens on it. */
const UNBORN = '.new'
const LARGEST_ANSWER = 64 * 2 ** 20

/** What one process answers. */
export interface MemberAnswer {
  readonly owner: Owner
  readonly holders: readonly Holder[]
  readonly waiters: readonly Holder[]
}

let sockets = 0

/** This process's own ear. */
export class Member {
  readonly name: string
  private readonly directory: LockDirectory
  readonly answer: () => MemberAnswer
  private server: Server | null = null
  private folder = -1

  constructor(directory: LockDirectory, answer: () => MemberAnswer) {
    const { pid, thread } = owner()
    this.directory = directory
    this.answer = answer
    this.name = `${pid}.${thread}.${++sockets}.${Math.random().toString(36).slice(2, 8)}`
  }

  /** Begins to listen. A directory in which that is impossible works all the same: this process is then shown as silent. */
  listen(): void {
    if (this.server !== null) return
    ownMembers.set(this.name, this)
    this.server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.end(JSON.stringify(this.answer()))
    })
    this.server.on('error', () => undefined)
    this.server.unref()
    try {
      this.folder = fs.openSync(this.directory.file('members'), 'r')
      const unborn = throughFolder(this.folder, `${this.name}${UNBORN}`)
      this.server.listen({ path: unborn, exclusive: true, readableAll: true, writableAll: true })
      // Listening is done, but for its event, when listen() returns. Only now others may find it: whom nobody answers they take for dead.
      fs.renameSync(unborn, throughFolder(this.folder, this.name))
    } catch {
      // No descriptor left, a folder that is gone: see above.
    }
  }

  close(): void {
    ownMembers.delete(this.name)
    this.server?.close()
    this.server = null
    try {
      fs.rmSync(this.directory.file('members', this.name), { force: true })
    } catch {}
    if (this.folder >= 0) fs.closeSync(this.folder)
    this.folder = -1
  }
}

/** The members that live in this thread, by name. They need no socket to ask each other. */
const ownMembers: Map<string, Member> = new Map()
// Sockets are files that outlive their process: those of a process that ends in order are removed, the others by whoever asks next.
process.once('exit', () => {
  for (const member of [...ownMembers.values()]) member.close()
})

/** The address of a socket may have 107 bytes only, wherever the directory lies: it is named through an open descriptor of its folder. */
function throughFolder(folder: number, name: string): string {
  return `/proc/self/fd/${folder}/${name}`
}

/** Asks all members but `self`. Those that do not answer soon are named as silent. */
export async function askMembers(
  directory: LockDirectory,
  self: string,
  quick: boolean,
): Promise<{ answers: MemberAnswer[]; silent: number[] }> {
  const names = fs.readdirSync(directory.file('members')).filter((name) => name !== self && !name.endsWith(UNBORN))
  if (names.length === 0) return { answers: [], silent: [] }
  const folder = fs.openSync(directory.file('members'), 'r')
  const answers: MemberAnswer[] = []
  const silent: number[] = []
  try {
    await Promise.all(
      names.map(async (name) => {
        const own = ownMembers.get(name)
        const answer = own?.answer() ?? (await ask(throughFolder(folder, name), quick ? QUICK_ANSWER_MS : ANSWER_MS))
        if (answer === 'dead') remove(directory.file('members', name))
        else if (answer === 'silent') silent.push(Number.parseInt(name, 10))
        else answers.push(answer)
      }),
    )
  } finally {
    fs.closeSync(folder)
  }
  return { answers, silent }
}

/** In a sticky folder only its owner, whose process is gone, could. */
function remove(socket: string): void {
  try {
    fs.unlinkSync(socket)
  } catch {}
}

function ask(path: string, withinMs: number): Promise<MemberAnswer | 'dead' | 'silent'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    const socket = connect(path)
    const timer = setTimeout(() => finish('silent'), withinMs)
    const finish = (answer: MemberAnswer | 'dead' | 'silent'): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      length += chunk.length
      if (length > LARGEST_ANSWER) finish('silent')
    })
    socket.on('end', () => finish(parse(Buffer.concat(chunks).toString())))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      finish(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'dead' : 'silent'),
    )
  })
}

function parse(text: string): MemberAnswer | 'silent' {
  try {
    const answer: unknown = JSON.parse(text)
    return isAnswer(answer) ? answer : 'silent'
  } catch {
    return 'silent'
  }
}

/** Anybody who shares the directory can put a socket there, and an older version may say less. */
function isAnswer(value: unknown): value is MemberAnswer {
  const { owner, holders, waiters } = value as Partial<MemberAnswer>
  return isOwner(owner) && Array.isArray(holders) && holders.every(isHolder) && Array.isArray(waiters) && waiters.every(isHolder)
}

function isOwner(value: unknown): value is Owner {
  const { pid, thread, host, command } = value as Partial<Owner>
  return typeof pid === 'number' && typeof thread === 'number' && typeof host === 'string' && typeof command === 'string'
}

function isHolder(value: unknown): value is Holder {
  const { id, since, read, write, claims, token, name, owner } = value as Partial<Holder>
  const texts = [id, since, token ?? '', name ?? '']
  return (
    texts.every((text) => typeof text === 'string') &&
    [read, write].every((paths) => Array.isArray(paths) && paths.every((path) => typeof path === 'string')) &&
    Array.isArray(claims) &&
    claims.every(({ key, mode }) => typeof key === 'string' && MODES.includes(mode)) &&
    isOwner(owner)
  )
}
