// SPDX-License-Identifier: MIT
// The command line of the main job: text in, options or a complaint out.
import { parseArgs } from 'node:util'

export interface Options {
  readonly seconds: number
  readonly readers: number
  readonly writers: number
  /** Where the locks live; null: kernel files in the temporary folder. */
  readonly on: string | null
  readonly keep: boolean
  /** Where the time line goes; null: beside the temporary folder. */
  readonly out: string | null
  readonly help: boolean
}

export const HELP = `Reader and writer processes work on one real HDF5 file at once: first without locks, then with holdfast/hdf5, where
one writer is killed (SIGKILL) in the middle of an append. Ends with a table in which every value is accounted for,
and a time line of who was in when.

Usage: npm start -- [options]

  --seconds S      how long each of the two phases takes (default 4)
  --readers N      reader processes, 1 or more (default 3)
  --writers N      writer processes, 2 or more, since one is killed (default 2)
  --on URL         where the locks live (default: file:, a folder of kernel locks in the temporary folder,
                   with ?prefer=writers). The processes must share it: "memory:" locks the tasks of one process only,
                   and the result shows it.
  --out FILE.svg   where the time line goes (default: the folder for temporary files)
  --keep           keep the temporary folder with the HDF5 files and the locks; it is kept after a failure too
  --help           this text

Exit code: 0 when everything held, 1 when something did not, 64 for a wrong option.`

/** @throws Error with a message for the person who typed it. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '4' },
      readers: { type: 'string', default: '3' },
      writers: { type: 'string', default: '2' },
      on: { type: 'string' },
      out: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return {
    seconds: numberOf('--seconds', values.seconds, 0.5, 3600),
    readers: wholeNumberOf('--readers', values.readers, 1, 64),
    writers: wholeNumberOf('--writers', values.writers, 2, 64),
    on: values.on ?? null,
    keep: values.keep,
    out: values.out ?? null,
    help: values.help,
  }
}

function numberOf(option: string, text: string, least: number, most: number): number {
  const number = text.trim() === '' ? Number.NaN : Number(text)
  if (!(number >= least && number <= most)) throw new Error(`${option} is a number from ${least} to ${most}, not "${text}".`)
  return number
}

function wholeNumberOf(option: string, text: string, least: number, most: number): number {
  const number = numberOf(option, text, least, most)
  if (!Number.isInteger(number)) throw new Error(`${option} is a whole number, not "${text}".`)
  return number
}
