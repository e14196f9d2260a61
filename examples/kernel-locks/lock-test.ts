// SPDX-License-Identifier: MIT
// What the programs with one kind of lock have in common: the table of --auto, or two terminals.
import { KINDS, type KindName } from './kinds.ts'
import { play, SCENES } from './scenes.ts'
import { twoTerminals } from './two-terminals.ts'

/** Runs as the command line says, and sets the exit code: 0 if all is as docs/kernel-locks.md states. */
export async function lockTest(kindName: KindName, args: readonly string[], usage: string): Promise<void> {
  const automatic = args.includes('--auto')
  const paths = args.filter((word) => word !== '--auto')
  if (paths.length > (automatic ? 0 : 1) || paths[0]?.startsWith('-')) {
    console.error(`usage: ${usage} [FILE | --auto]`)
    process.exitCode = 64
  } else if (automatic) {
    process.exitCode = (await showAll(kindName)) ? 0 : 1
  } else {
    await twoTerminals(kindName, paths[0])
  }
}

async function showAll(kindName: KindName): Promise<boolean> {
  let asStated = true
  const line = (done: string, came: string, verdict: string): void => console.log(done.padEnd(58) + came.padEnd(18) + verdict)
  line('what is done, and who holds the lock then', KINDS[kindName].name, 'as stated')
  for (const scene of SCENES) {
    const stated = scene.stated[kindName]
    const came = stated === null ? '-' : await play(scene, kindName)
    const right = came === (stated ?? '-')
    line(scene.done, came, right ? 'yes' : `NO, stated: ${stated}`)
    asStated &&= right
  }
  return asStated
}
