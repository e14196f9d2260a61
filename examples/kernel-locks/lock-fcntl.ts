// SPDX-License-Identifier: MIT
// fcntl(2) from JavaScript: lock-fcntl for locks of the process, lock-fcntl ofd for locks of the open file description.
import { lockTest } from './lock-test.ts'

const args = process.argv.slice(2)
const ofd = args[0] === 'ofd'
await lockTest(ofd ? 'ofd' : 'posix', args.slice(ofd ? 1 : 0), 'lock-fcntl.js [ofd]')
