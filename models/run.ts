// SPDX-License-Identifier: MIT
// npm run models [-- small|large|defects] [--trail] [--only TEXT]
import { parseArgs } from 'node:util'
import { type Case, DEFECTS, type Defect, LARGE, SMALL } from './cases.ts'
import { check } from './check.ts'

const USAGE = `npm run models [-- small|large|defects] [--only TEXT] [--trail]

  small     The sizes that the tests check. Default.
  large     Larger ones: some ten minutes, and up to 1.3 GB.
  defects   Broken models, in which something must be found.
  --only    Those whose name holds the text.
  --trail   Prints the steps that lead to what was found.
`
const BAD_USAGE = 64
const SETS: Readonly<Record<string, readonly (Case | Defect)[]>> = { small: SMALL, large: LARGE, defects: DEFECTS }

process.exitCode = await main()

async function main(): Promise<number> {
  const options = { trail: { type: 'boolean', default: false }, only: { type: 'string', default: '' }, help: { type: 'boolean' } } as const
  let given: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>
  try {
    given = parseArgs({ options, allowPositionals: true })
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`)
    return BAD_USAGE
  }
  const { values, positionals } = given
  const set = SETS[positionals[0] ?? 'small']
  if (values.help || set === undefined || positionals.length > 1) {
    ;(values.help ? process.stdout : process.stderr).write(USAGE)
    return values.help ? 0 : BAD_USAGE
  }
  let good = true
  for (const one of set.filter(({ name }) => name.includes(values.only))) good = (await show(one, values.trail)) && good
  return good ? 0 : 1
}

async function show(one: Case | Defect, explain: boolean): Promise<boolean> {
  const { violation, complete, states, depth, megabytes, seconds, trail } = await check({ ...one, explain })
  const good = 'finds' in one ? violation !== null && one.finds.test(violation) : complete
  const found = violation ?? (complete ? 'proved' : 'not finished: too large')
  const cost = `${states} states, depth ${depth}, ${Math.round(megabytes)} MB, ${seconds.toFixed(1)} s`
  process.stdout.write(`${good ? 'ok  ' : 'FAIL'} ${one.name}\n     ${one.says}\n     ${found}; ${cost}\n${trail}`)
  return good
}
