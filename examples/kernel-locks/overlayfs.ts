// SPDX-License-Identifier: MIT
// What a file on overlayfs is to a lock: mounts some, in a mount namespace of its own. Exit code 0 if it is as docs/kernel-locks.md states.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KINDS, type KindName } from './kinds.ts'

const COLUMNS = ['ofd', 'flock'] as const satisfies readonly KindName[]

/** What the second descriptor is told once the first has a lock: these two kinds tell descriptors apart, be they of one process or two. */
function secondAsk(kindName: KindName, first: number, second: number): string {
  const { ask } = KINDS[kindName]
  // To read, since a descriptor that was opened before the file was copied up can only read.
  return ask(first, 'read') === 'granted' ? ask(second, 'write') : 'nothing locked'
}

function show(): boolean {
  execFileSync('mount', ['-t', 'tmpfs', 'none', folder])
  const inside = (...parts: string[]): string => join(folder, ...parts)
  for (const name of ['lower', 'upper-1', 'work-1', 'one', 'upper-2', 'work-2', 'other']) mkdirSync(inside(name))
  for (const name of ['a', 'b', 'c', 'd']) writeFileSync(inside('lower', name), '')
  for (const [number, mount] of ['one', 'other'].entries()) {
    const options = `lowerdir=${inside('lower')},upperdir=${inside(`upper-${number + 1}`)},workdir=${inside(`work-${number + 1}`)}`
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, inside(mount)])
  }
  const open = (...parts: string[]): number => openSync(inside(...parts), 'r+')
  const openToRead = (...parts: string[]): number => openSync(inside(...parts), 'r')

  let asStated = true
  const line = (what: string, came: readonly string[], verdict: string): void =>
    console.log(what.padEnd(66) + came.map((word) => word.padEnd(14)).join('') + verdict)
  const row = (what: string, stated: string, files: () => readonly [number, number]): void => {
    const [first, second] = files()
    const came = COLUMNS.map((kindName) => secondAsk(kindName, first, second))
    const right = came.every((word) => word === stated)
    asStated &&= right
    line(what, came, right ? 'yes' : `NO, stated: ${stated}`)
  }
  line(
    'A locks a file of the lower folder, and B asks for it',
    COLUMNS.map((kindName) => KINDS[kindName].name),
    'as stated',
  )
  row('both through one mount', 'refused', () => [open('one', 'a'), open('one', 'a')])
  row('both through one mount, A had it open before it was copied up', 'refused', () => {
    const early = openToRead('one', 'b')
    if (existsSync(inside('upper-1', 'b'))) throw new Error('It was copied up already.')
    return [early, open('one', 'b')]
  })
  row('through two mounts over the same lower folder', 'granted', () => [open('one', 'c'), open('other', 'c')])
  row('through a mount and in its upper folder', 'granted', () => [open('one', 'd'), open('upper-1', 'd')])
  return asStated
}

const folder = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'kernel-locks-'))
if (process.argv[2] === undefined) {
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user']
  const program = [process.execPath, import.meta.filename, folder]
  const { status, error } = spawnSync('unshare', ['--mount', ...asRoot, ...program], { stdio: 'inherit' })
  rmSync(folder, { recursive: true })
  if (error !== undefined) throw error
  process.exitCode = status ?? 1
} else {
  process.exitCode = show() ? 0 : 1
}
