// SPDX-License-Identifier: MIT
// The main job: one real HDF5 file, several processes, first without locks, then with holdfast/hdf5. Start it with `npm start`, or `npm start -- --help`.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { connect, LockSpace } from 'holdfast'
import { setDefaultLocks, setEngineThreads } from 'holdfast/hdf5'
import type { Member } from './crew.ts'
import { contentsOf } from './inspection.ts'
import { HELP, type Options, readOptions } from './options.ts'
import { runPhase } from './phase.ts'
import { Progress } from './progress.ts'
import { complaints, summary, table } from './report.ts'
import { sourceFile } from './study.ts'
import { drawTimeline } from './timeline.ts'
import { panelOfKill, panelOfTornReads } from './windows.ts'

const EXIT = { held: 0, failed: 1, usage: 64 } as const
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

process.exit(await main())

async function main(): Promise<number> {
  let options: Options
  try {
    options = readOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`${messageOf(error)}\nTry --help.`)
    return EXIT.usage
  }
  if (options.help) {
    console.log(HELP)
    return EXIT.held
  }
  if (options.on !== null) {
    // Better now than after the first phase.
    try {
      await (await connect(options.on)).close()
    } catch (error) {
      console.error(messageOf(error))
      return EXIT.usage
    }
  }
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-main-job-'))
  const interruption = listenForSignals()
  let held = false
  try {
    held = await demonstrate(options, folder, interruption.signal)
  } catch (error) {
    if (!interruption.signal.aborted) console.error(messageOf(error))
  }
  const stopped = interruption.signal.aborted ? (interruption.signal.reason as keyof typeof SIGNALS) : null
  if (options.keep || (!held && stopped === null)) console.error(`The files and the locks are kept in ${folder}`)
  else await rm(folder, { recursive: true, force: true })
  if (stopped !== null) return 128 + SIGNALS[stopped]
  return held ? EXIT.held : EXIT.failed
}

async function demonstrate(options: Options, folder: string, signal: AbortSignal): Promise<boolean> {
  const { seconds, readers, writers } = options
  const lockUrl = options.on ?? `${fileUrl(join(folder, 'locks'))}?prefer=writers`
  const members = [...people('writer', writers), ...people('reader', readers)]
  // This process looks at a file only when the others are not there.
  setDefaultLocks(new LockSpace())
  // A thread that never comes back from a ruined file does not keep the next one waiting.
  setEngineThreads(2)
  const original = await contentsOf(sourceFile())
  const common = { seconds, members, original, signal, progress: new Progress(process.stderr) }

  const without = await runPhase({
    ...common,
    title: 'without locks',
    folder: join(folder, 'without-locks'),
    lockUrl: null,
    kill: null,
    untilTorn: true,
  })
  const within = await runPhase({
    ...common,
    title: 'with Holdfast',
    folder: join(folder, 'with-holdfast'),
    lockUrl,
    kill: 'writer 1',
    untilTorn: false,
  })

  console.log(`\n${table([without, within])}\n`)
  const wrong = complaints(without, within)
  console.log(wrong.length === 0 ? summary(without, within) : `It did not hold:\n${wrong.map((line) => `- ${line}`).join('\n')}`)

  const timeline = options.out === null ? `${folder}.svg` : resolve(options.out)
  const heading = 'Who was in the file when'
  const subheading = `${writers} writer and ${readers} reader processes, one real HDF5 file, locks in ${options.on ?? 'kernel files'}`
  await writeFile(timeline, drawTimeline(heading, subheading, [panelOfTornReads(without), panelOfKill(within)]))
  console.log(`\nThe time line of who held what, to open in a browser:\n${timeline}`)
  return wrong.length === 0
}

/** Three characters mean something in a lock URL. */
function fileUrl(directory: string): string {
  return `file:${directory.replace(/[%?#]/g, encodeURIComponent)}`
}

function people(role: Member['role'], count: number): readonly Member[] {
  return Array.from({ length: count }, (_, at) => ({ name: `${role} ${at + 1}`, role, number: at + 1 }))
}

/** Aborts with the signal's name as the reason. A second signal ends the process as usual. */
function listenForSignals(): AbortController {
  const controller = new AbortController()
  for (const name of Object.keys(SIGNALS)) process.once(name, () => controller.abort(name))
  return controller
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
