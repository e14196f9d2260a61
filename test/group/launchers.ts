// SPDX-License-Identifier: MIT
// One way to start ranks for all who do.
import { runProcesses, runThreads } from 'holdfast/group'
import { startRanks } from '../support/mpi.ts'

export type Launcher = 'threads' | 'processes' | 'mpich' | 'openmpi'

/** Longer than any test: whoever starts ranks stops them. */
const KILLED_AFTER_MS = 30 * 60_000

/** Runs a program that is built as so many ranks. Resolves when all have ended well; `stop` kills them. */
export async function launch(launcher: Launcher, ranks: number, program: URL, args: readonly string[], stop: AbortSignal): Promise<void> {
  if (launcher === 'threads') await runThreads(ranks, program, { argv: [...args], signal: stop, execArgv: [] })
  else if (launcher === 'processes') await runProcesses(ranks, program, { args, signal: stop, execArgv: [] })
  else {
    const job = startRanks({ family: launcher, ranks, program: program.pathname, args, timeoutMs: KILLED_AFTER_MS })
    stop.addEventListener('abort', () => void job.kill())
    const { code, stderr } = await job.ended
    stop.throwIfAborted()
    if (code !== 0) throw new Error(`The ranks ended with ${code}: ${stderr}`)
  }
}
