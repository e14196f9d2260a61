// SPDX-License-Identifier: MIT
// Runs a program of test/programs as ranks, by whatever starts them, and answers what they printed and how they ended.
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { runProcesses, runThreads } from 'holdfast/group'
import { MPI_FAMILIES, type MpiFamily, startRanks } from '../support/mpi.ts'

export type Launcher = 'threads' | 'processes' | MpiFamily

export const LAUNCHERS: readonly Launcher[] = ['threads', 'processes', ...MPI_FAMILIES]
/** Where the others go on when a rank dies. */
export const SURVIVING: readonly Launcher[] = ['threads', 'processes']

export interface End {
  readonly stdout: string
  readonly stderr: string
  /** Why the launcher complained; null when all went well. */
  readonly failure: string | null
}

export async function run(launcher: Launcher, ranks: number, program: string, args: readonly string[]): Promise<End> {
  const path = new URL(`../../build/test/programs/${program}.js`, import.meta.url).pathname
  if (launcher === 'mpich' || launcher === 'openmpi') {
    const { code, timedOut, stdout, stderr } = await startRanks({ family: launcher, ranks, program: path, args }).ended
    return { stdout, stderr, failure: timedOut ? 'timed out' : code === 0 ? null : `exit code ${code}` }
  }
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const printed = Promise.all([text(stdout), text(stderr)])
  let failure: string | null = null
  try {
    if (launcher === 'processes') await runProcesses(ranks, path, { args, stdout, stderr, signal: AbortSignal.timeout(60_000) })
    else await runThreads(ranks, pathToFileURL(path), { argv: [...args], stdout, stderr, signal: AbortSignal.timeout(60_000) })
  } catch (error) {
    failure = (error as Error).message
  }
  stdout.end()
  stderr.end()
  const [out, err] = await printed
  return { stdout: out, stderr: err, failure }
}
