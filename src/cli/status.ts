// SPDX-License-Identifier: MIT
// Shows who holds and who waits.
import { type Agreement, agreementOf } from '../config/agreement-shown.ts'
import { connect } from '../config/url.ts'
import { printable, takeOverWarnings, wantsColours } from './output.ts'
import { statusTree } from './status-tree.ts'

export interface StatusOptions {
  readonly on?: string
  readonly json?: boolean
}

/** @returns the exit code. */
export async function status({ on, json = false }: StatusOptions): Promise<number> {
  // What it says is shown below.
  takeOverWarnings(({ code }) => code === 'HOLDFAST_FALLBACK' || code === 'HOLDFAST_LONG_WAIT')
  const locks = await connect(on)
  const seen = await locks.inspect()
  const agreement = agreementOf(locks.backend)
  await locks.close()
  const { stdout } = process
  if (json) stdout.write(`${JSON.stringify(agreement === null ? seen : { ...seen, agreement }, null, 2)}\n`)
  else {
    const width = stdout.isTTY ? stdout.columns : undefined
    stdout.write(statusTree(seen, { now: Date.now(), width, colours: wantsColours(stdout) }))
    if (agreement !== null) stdout.write(agreementLines(agreement))
  }
  return 0
}

/** Which engine serves, and why not one before it. */
function agreementLines({ engine, since, by, passedOver }: Agreement): string {
  const serves = `On ${engine}, elected ${since} by ${by}.`
  const others = passedOver.map(({ entry, why }) => `  passed over: ${entry}: ${why}`)
  return `${[serves, ...others].map(printable).join('\n')}\n`
}
