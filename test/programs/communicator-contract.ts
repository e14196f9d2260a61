// SPDX-License-Identifier: MIT
// One rank that tries the contract of communicators together with its like, whatever started them:
//
//     node communicator-contract.js SCENARIO…
//
// Each rank does what the scenarios say, one after the other, and prints a line of JSON for each; one that finds the contract broken fails. Those of `endings`
// end the group, and so come last.
import { thisCommunicator } from '../../src/communicators/this-group.ts'
import { endings } from './communicator-contract/endings.ts'
import { messages } from './communicator-contract/messages.ts'
import { Post } from './communicator-contract/post.ts'

const scenarios = { ...messages, ...endings }
const communicator = await thisCommunicator()
const { rank, size, transport } = communicator
const post = new Post(communicator)
const gate = new Post(communicator)
const meet = (): Promise<void> => gate.barrier()

for (const word of process.argv.slice(2)) {
  const [name = '', argument = ''] = word.split(':')
  const scenario = scenarios[name]
  if (scenario === undefined) throw new Error(`There is no scenario ${name}.`)
  const began = performance.now()
  if (!(name in endings)) await meet()
  const report = await scenario({ communicator, post, meet, argument })
  print({ scenario: name, rank, size, transport, ms: Math.round(performance.now() - began), ...report })
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
