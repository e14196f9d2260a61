// SPDX-License-Identifier: MIT
// What the suite "hdf5" says.
import type { SuiteResult } from '../results.ts'
import type { Comparison, Entry, Page } from './page.ts'

export const hdf5Page: Page = {
  about: [
    '"Bare" is h5wasm alone in a worker thread, which opens the file, reads or writes one slice, and closes it: no lock, no journal, no check for errors. Both sides get one message for each access and answer with one, and the elements of a read move in it without being copied. Bare h5wasm makes sense of the file anew each time, which is most of its time; Holdfast opens and locks the file anew each time too, but goes on with what h5wasm has made of it if the bytes are still the same. That is how `read_vs_bare` can be above 1.',
  ],
  figures: {
    read_vs_bare: 'Reads of ten rows of 100 float32 a second, through `dataset.read`, over those of bare h5wasm.',
    write_vs_bare: 'The same for writes, with the journal.',
    write_power_vs_bare: "With `durability: 'power'`: fsync of the journal, the file and the folder.",
    large_read_vs_bare: 'One slice of 256 MiB, contiguous, from the page cache.',
    readers_4_vs_1:
      'Small reads a second of four processes together over those of one. Each has read 4,000 times before: until then V8 compiles h5wasm once more while it runs, which takes a second or two of processor time in every process. One process keeps one core busy at a time, in one of its two threads, so two cores can give little more than 2.',
    loop_stall_ms: 'The longest time for which the event loop stood still while 64 MiB were written with gzip.',
    lock_round_trips: 'Messages to another process that an access needs for its lock: none on kernel files.',
    reads_per_second: 'Small reads a second of one process.',
    writes_per_second: 'Small writes a second of one process.',
    read_vs_h5py: 'Over h5py, opening and closing the file for each access, where it is installed.',
    write_vs_h5py: 'The same for writes.',
    forty_processes_s:
      "h5pySWMR's own scenario: forty processes, forty datasets of 8000 × 1500 float32; every fourth process writes rows 0 to 49, all check that what they read was written by one. Seconds from the start of the processes to their end.",
  },
  beside(suite) {
    return [compared(suite, 'reads'), compared(suite, 'writes')]
  },
}

function compared({ figures, notes }: SuiteResult, what: 'reads' | 'writes'): Comparison {
  const one = what === 'reads' ? 'read' : 'write'
  const rate = (name: string): number => 1e9 / notes.median_ns[name]!
  const { h5py } = notes[`${what}_per_second`] as { h5py: number | null }
  const peers: Entry[] = [
    {
      name: 'h5wasm alone, no lock',
      kind: 'peer',
      version: notes.peers.h5wasm!,
      value: rate(`bare ${one}`),
      times: figures[`${one}_vs_bare`]!,
    },
    ...(h5py === null
      ? []
      : [{ name: 'h5py, no lock', kind: 'peer', version: notes.peers.h5py!, value: h5py, times: figures[`${one}_vs_h5py`]! } as const]),
  ]
  const durable: Entry[] = what === 'reads' ? [] : [{ name: 'Holdfast, with fsync', kind: 'ours', value: rate('write, power') }]
  return {
    id: `hdf5-${what}`,
    title: `Small ${what} of an HDF5 file a second`,
    says: 'Each opens and closes the file, in one process. h5py was timed after the others.',
    unit: 'rate',
    entries: [{ name: 'Holdfast', kind: 'ours', value: figures[`${what}_per_second`]! }, ...durable, ...peers],
  }
}
