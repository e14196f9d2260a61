// SPDX-License-Identifier: MIT
// A process that waits in the kernel for both locks of a file, so that the one who started it need not: see helper.ts. Descriptor 3 is the very open file
// of that process, to which the locks then belong.
//
//     node helper-program.js shared|exclusive
import { readSync, writeSync } from 'node:fs'
import { endWithParent } from '../native/parent-death.ts'
import { awaitBoth } from './both-locks.ts'

const FILE = 3
const type = process.argv[2] === 'shared' ? 'shared' : 'exclusive'

endWithParent()
writeSync(1, 'r')
// Without an answer whoever started us ended before the kernel was to tell us so.
if (readSync(0, Buffer.alloc(1)) === 1) {
  awaitBoth(FILE, type)
  writeSync(1, 'g')
}
