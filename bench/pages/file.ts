// SPDX-License-Identifier: MIT
// What the suite "file" says.
import { distributed, type Page, timed } from './page.ts'

export const filePage: Page = {
  about: [
    'Locks between processes, on kernel files. One operation of the floor, "raw", is what four system calls cost from JavaScript: open a file, lock a range of it (`F_OFD_SETLK`), unlock, close, through koffi, synchronously. All lock directories lie in the folder for temporary files; `notes.file_system` names its file system, and a figure for a disk needs that folder to lie on one (set `TMPDIR`).',
  ],
  figures: {
    flat_vs_raw: "How many times dearer than raw an awaited `write('/x')` and its release are: two nodes, the path and the root.",
    depth4_vs_raw: 'The same for a path of four segments: five nodes.',
    held_1e4_vs_0:
      'How many times dearer it is while another process holds 10,000 random paths of the same directory. 256 free paths are taken in turn.',
    held_1e4_same_process_vs_0:
      'The same when this process holds them. Below 1 where they share the claims on ancestors: nothing is asked of the kernel for what the process has already.',
    vs_proper_lockfile:
      "How many times as fast as proper-lockfile's `lock()` and its release, as its documentation shows them, beside `write('/x')`.",
    handoff_p50_us:
      'Microseconds from just before the release in one process to just after the grant in another that has waited for 2 to 4 ms. `notes.handoff_us` has the p99.',
    sigkill_to_grant_ms:
      'Milliseconds from just before the holder is sent SIGKILL to the grant in the process that sent it: the median. The end of the holder as a process is part of that.',
    sigkill_to_grant_p99_ms: 'The same, all but the slowest hundredth.',
    idle_50_waiters_core_percent:
      'Processor time of five processes with ten waiters each, half of all on one path, over five seconds in which nothing happens: per cent of one core.',
    writer_max_wait_ms:
      'The longest wait of one writer in five seconds, while four other processes read the same path over and over, each for a millisecond at a time. The writer asks again a millisecond after each write.',
    writer_max_wait_spinning_readers_ms: 'The same beside readers that hold for a turn of the event loop only and keep their cores busy.',
  },
  beside(suite) {
    const proper = 'proper-lockfile'
    return [
      {
        id: 'file-peers',
        title: 'One lock, taken and given back, between processes',
        says: 'Nobody else wants it.',
        unit: 'duration',
        entries: [
          timed(suite, 'floor', 'raw: open, lock, unlock, close', 'raw', { times: 1 / suite.figures.flat_vs_raw! }),
          timed(suite, 'ours', 'Holdfast, one segment', 'flat'),
          timed(suite, 'ours', 'Holdfast, four segments', 'depth 4'),
          timed(suite, 'peer', proper, proper, { version: suite.notes.peers[proper]!, times: suite.figures.vs_proper_lockfile! }),
        ],
      },
    ]
  },
  plots(suite) {
    return [
      {
        kind: 'distributions',
        id: 'file-handoff',
        title: 'From one process to the next, on kernel files',
        says: 'From just before a release to just after the grant in another process; and from just before the holder is sent SIGKILL to the grant in the process that sent it.',
        series: distributed(suite, { release: 'release', SIGKILL: 'SIGKILL' }),
      },
    ]
  },
}
