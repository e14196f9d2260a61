// SPDX-License-Identifier: MIT
// Two terminals and one lock file. Run it in both: the first gets the lock and works, the second waits until it is done. Or use another program for one of
// the two: flock(1) on the same file.
//
//     node build/examples/lock-file/main.js [FILE] [SECONDS]
import { LockMgr } from 'holdfast/lock-file'
import { twoTerminals } from './two-terminals.ts'

const [file = '/tmp/lock-xxx', seconds = '30'] = process.argv.slice(2)

await twoTerminals(new LockMgr(file), Number(seconds), console.log)
