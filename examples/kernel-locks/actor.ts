// SPDX-License-Identifier: MIT
// A process of a scene, told the kind of lock and the file: does what the director says, one step at a time, and answers with a word.
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { KINDS, type KindName } from './kinds.ts'
import type { Task } from './thread.ts'

/** What came of a step, if it asked for something; and the child that it started. */
export interface Answer {
  readonly word: string | null
  readonly child?: number | undefined
}

export type Step =
  | 'take'
  | 'take to read'
  | 'turn to writing'
  | 'take with own pid'
  | 'close'
  | 'open again'
  | 'ask again'
  | 'close again'
  | 'read the file'
  | 'thread opens and closes'
  | 'thread asks'
  | 'thread asks and ends'
  | 'spawn with the descriptor'
  | 'spawn'
  | 'fork'

type Came = string | null | Answer

const [kindName, path] = process.argv.slice(2) as [KindName, string]
const kind = KINDS[kindName]
let fd = -1
let again = -1

function done(_nothing: unknown): null {
  return null
}

async function inThread(task: Task): Promise<string | null> {
  const thread = new Worker(join(import.meta.dirname, 'thread.js'), { workerData: { task, kindName, path } })
  const [word] = (await once(thread, 'message')) as [string | null]
  if (task === 'ask and end') await once(thread, 'exit')
  return word
}

async function started(child: ChildProcess): Promise<Answer> {
  await once(child, 'spawn')
  return { word: null, child: child.pid }
}

function take(type: 'read' | 'write'): string {
  fd = openSync(path, 'r+')
  return kind.ask(fd, type)
}

const STEPS: Readonly<Record<Step, () => Came | Promise<Came>>> = {
  take: () => take('write'),
  'take to read': () => take('read'),
  'turn to writing': () => kind.ask(fd, 'write'),
  'take with own pid': () => {
    fd = openSync(path, 'r+')
    return kind.askWithPid?.(fd) ?? null
  },
  close: () => done(closeSync(fd)),
  'open again': () => {
    again = openSync(path, 'r+')
    return null
  },
  'ask again': () => kind.ask(again, 'write'),
  'close again': () => done(closeSync(again)),
  'read the file': () => done(readFileSync(path)),
  'thread opens and closes': () => inThread('open and close'),
  'thread asks': () => inThread('ask'),
  'thread asks and ends': () => inThread('ask and end'),
  'spawn with the descriptor': () => started(spawn('sleep', ['30'], { stdio: ['ignore', 'ignore', 'ignore', fd] })),
  spawn: () => started(spawn('sleep', ['30'], { stdio: 'ignore' })),
  fork: () => started(fork(join(import.meta.dirname, 'actor.js'), [kindName, path])),
}

process.on('message', async (step: Step) => {
  const came = await STEPS[step]()
  const answer: Answer = typeof came === 'object' && came !== null ? came : { word: came }
  process.send?.(answer)
})
process.on('disconnect', () => process.exit())
