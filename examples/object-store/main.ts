// SPDX-License-Identifier: MIT
import { tell } from './story.ts'

const LATENCY_MS = 10

await tell((line) => console.log(line), LATENCY_MS)
