// SPDX-License-Identifier: MIT
// flock(2) from JavaScript.
import { lockTest } from './lock-test.ts'

await lockTest('flock', process.argv.slice(2), 'lock-flock.js')
