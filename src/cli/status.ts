// SPDX-License-Identifier: MIT
// Shows who holds and who waits.
import { connect } from '../config/url.ts'
import { wantsColours } from './output.ts'
import { statusTree } from './status-tree.ts'

export interface StatusOptions {
  readonly on?: string
  readonly json?: boolean
}

/** @returns the exit code. */
export async function status({ on, json = false }: StatusOptions): Promise<number> {
  const locks = await connect(on)
  const seen = await locks.inspect()
  await locks.close()
  const { stdout } = process
  if (json) stdout.write(`${JSON.stringify(seen, null, 2)}\n`)
  else {
    const width = stdout.isTTY ? stdout.columns : undefined
    stdout.write(statusTree(seen, { now: Date.now(), width, colours: wantsColours(stdout) }))
  }
  return 0
}
