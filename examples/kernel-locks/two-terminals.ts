// SPDX-License-Identifier: MIT
// A program as it is started in two terminals at once: steps through what a lock can meet.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { holders } from './kernel-view.ts'
import { KINDS, type Kind, type KindName } from './kinds.ts'

/** On a file that both name, or on one of this user's in the temporary folder. */
export async function twoTerminals(kindName: KindName, path: string = join(tmpdir(), `kernel-locks-${process.getuid?.()}`)): Promise<void> {
  const kind: Kind = KINDS[kindName]
  const open = (): number => openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  const fd = open()
  const { ino } = fstatSync(fd)
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  let child: ChildProcess | null = null
  process.on('exit', () => child?.kill('SIGKILL'))

  const next = async (what: string): Promise<void> => {
    process.stdout.write(`\nPress Enter: ${what} `)
    if ((await lines.next()).done) process.exit()
  }
  const show = (done: string): void => {
    const named = holders(ino).map((pid) => `${pid}${pid === process.pid ? ' (this process)' : pid === child?.pid ? ' (its child)' : ''}`)
    console.log(`  ${done}\n  Locks on the file are held by: ${named.join(' ')}`)
  }
  const take = async (): Promise<void> => {
    const came = kind.ask(fd, 'write')
    show(came)
    if (came === 'granted') return
    await next('wait for it (this thread stands still)')
    show(kind.ask(fd, 'write', true))
  }

  console.log(`Process ${process.pid}, ${kind.name} on ${path}. Start the same in a second terminal.`)
  await next('ask for the lock')
  await take()
  await next('open the file again, and close that')
  closeSync(open())
  show('Closed. Can the other process lock it now?')
  await next('ask for the lock again')
  await take()
  await next('start a program that gets a copy of the descriptor, and close it here')
  child = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', 'ignore', fd] })
  await once(child, 'spawn')
  closeSync(fd)
  show('Closed. The program has a copy.')
  await next('kill the program')
  child.kill('SIGKILL')
  await once(child, 'exit')
  show('It is dead.')
  process.stdin.destroy()
}
