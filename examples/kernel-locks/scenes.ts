// SPDX-License-Identifier: MIT
// The facts, as data, what is done and what comes of it with each kind of lock; and the director, who has them played.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Answer, Step } from './actor.ts'
import { holdsLock } from './kernel-view.ts'
import { KINDS, type KindName } from './kinds.ts'

type Role = 'A' | 'B'

export interface Scene {
  readonly done: string
  readonly steps: readonly (readonly [Role, Step | 'die'])[]
  /** The last answer if there is one, and who holds a lock on the file then; null: cannot be asked. */
  readonly stated: Readonly<Record<KindName, string | null>>
}

const byProcess = (process: string, descriptor: string): Scene['stated'] => ({ posix: process, ofd: descriptor, flock: descriptor })
const all = (same: string): Scene['stated'] => byProcess(same, same)

const TAKE = ['A', 'take'] as const

export const SCENES: readonly Scene[] = [
  { done: 'A locks the file', steps: [TAKE], stated: all('granted: A') },
  { done: 'B asks for it too', steps: [TAKE, ['B', 'take']], stated: all('refused: A') },
  {
    done: 'A opens the file again and closes that',
    steps: [TAKE, ['A', 'open again'], ['A', 'close again']],
    stated: byProcess('nobody', 'A'),
  },
  { done: 'A reads the file (fs.readFileSync)', steps: [TAKE, ['A', 'read the file']], stated: byProcess('nobody', 'A') },
  {
    done: 'A opens the file again and asks through that',
    steps: [TAKE, ['A', 'open again'], ['A', 'ask again']],
    stated: byProcess('granted: A', 'refused: A'),
  },
  {
    done: 'a worker thread of A opens the file and closes that',
    steps: [TAKE, ['A', 'thread opens and closes']],
    stated: byProcess('nobody', 'A'),
  },
  { done: 'a worker thread of A asks', steps: [TAKE, ['A', 'thread asks']], stated: byProcess('granted: A', 'refused: A') },
  { done: 'the worker thread that asked ends', steps: [['A', 'thread asks and ends']], stated: all('granted: nobody') },
  { done: 'A starts Node (child_process.fork) and closes its own', steps: [TAKE, ['A', 'fork'], ['A', 'close']], stated: all('nobody') },
  { done: 'A starts a program (spawn) and closes its own', steps: [TAKE, ['A', 'spawn'], ['A', 'close']], stated: all('nobody') },
  {
    done: 'A hands its descriptor to a program and closes its own',
    steps: [TAKE, ['A', 'spawn with the descriptor'], ['A', 'close']],
    stated: byProcess('nobody', 'child'),
  },
  { done: 'A is killed (SIGKILL)', steps: [TAKE, ['A', 'die']], stated: all('nobody') },
  {
    done: 'A hands its descriptor to a program and is killed',
    steps: [TAKE, ['A', 'spawn with the descriptor'], ['A', 'die']],
    stated: byProcess('nobody', 'child'),
  },
  {
    done: 'A and B read, A asks to write',
    steps: [
      ['A', 'take to read'],
      ['B', 'take to read'],
      ['A', 'turn to writing'],
    ],
    stated: { posix: 'refused: A, B', ofd: 'refused: A, B', flock: 'refused: B' },
  },
  {
    done: 'A asks with l_pid = its own',
    steps: [['A', 'take with own pid']],
    stated: { posix: 'granted: A', ofd: 'EINVAL: nobody', flock: null },
  },
]

/** Plays a scene with a kind of lock. Answers what came of it, in the words in which it is stated. */
export async function play({ steps }: Scene, kindName: KindName): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'kernel-locks-'))
  const path = join(folder, 'file')
  const fd = openSync(path, 'w+')
  const inode = fstatSync(fd).ino
  const pids = new Map<string, number>()
  const start = (role: Role) => {
    const actor = fork(join(import.meta.dirname, 'actor.js'), [kindName, path])
    pids.set(role, actor.pid ?? 0)
    return actor
  }
  const actors = new Map<Role, ReturnType<typeof start>>()
  let word: string | null = null
  try {
    for (const [role, step] of steps) {
      const actor = actors.get(role) ?? start(role)
      actors.set(role, actor)
      if (step === 'die') {
        actor.kill('SIGKILL')
        await once(actor, 'exit')
        word = null
        continue
      }
      actor.send(step)
      const [answer] = (await once(actor, 'message', { signal: AbortSignal.timeout(10_000) })) as [Answer]
      word = answer.word
      if (answer.child !== undefined) pids.set('child', answer.child)
    }
    const holders = [...pids].filter(([, pid]) => holdsLock(pid, inode)).map(([role]) => role)
    // A process that has nothing to do with the scene, this one, asks too: that the kernel keeps others out counts, not what it says.
    const free = KINDS[kindName].ask(fd, 'write') === 'granted'
    const doubt = free === (holders.length === 0) ? '' : free ? ' (yet free)' : ' (yet locked)'
    return `${word === null ? '' : `${word}: `}${holders.join(', ') || 'nobody'}${doubt}`
  } finally {
    for (const pid of pids.values()) kill(pid)
    closeSync(fd)
    rmSync(folder, { recursive: true })
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}
