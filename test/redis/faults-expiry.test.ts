// SPDX-License-Identifier: MIT
// A session that expires in the very moment in which a script runs for it: the clock goes on while the script does.
import { expect, test } from 'vitest'
import { SCRIPTS, type ScriptName } from '../../src/backends/redis/scripts.ts'
import { scaled } from '../support/scale.ts'
import { startRedis } from './server.ts'
import { operator } from './spaces.ts'

const HASH = 'holdfast:{expiry}'
const KEYS = [HASH, ...['owned', 'queue', 'sessions', 'todo'].map((name) => `${HASH}:${name}`)]
const LEASE_US = '1000000000'
const POLICY = '1|first-come|1000000'
/** So many that the script takes about as long as the shortest of the sessions. */
const PATHS = [...Array.from({ length: 1_500 }, (_, i) => `/p${i}`), '/z']
const MODES = `${'1'.repeat(PATHS.length - 1)}5`

test('A session that expires while its request is carried out leaves nothing that nobody can take away', async () => {
  await using server = await startRedis()
  const client = await operator(server.port)
  const run = (name: ScriptName, ...args: readonly string[]): Promise<unknown> =>
    client.eval(SCRIPTS[name].source, KEYS.length, ...KEYS, ...args)
  const begin = (session: string, leaseUs: string): Promise<unknown> => run('open-session', session, '00000001', leaseUs, '{}', POLICY, '0')
  const ask = (session: string, modes: string, paths: readonly string[]): Promise<unknown> => {
    const fields = paths.map((path) => `n${path}`)
    const text = paths.map((path) => `\0${path}`).join('')
    const id = `${session}r`
    return run('acquire', session, '00000001', id, '1', '0', LEASE_US, modes, text, '#t', `@${session}`, `r${id}`, ...fields)
  }
  await begin('holder', LEASE_US)
  await ask('holder', '5', ['/z'])
  for (let i = 0; i < scaled(100); i++) {
    // Both at once, so that one follows the other without delay.
    await Promise.all([begin(`dying${i}`, String(100 + ((i * 37) % 1_500))), ask(`dying${i}`, MODES, PATHS)])
    while ((await client.zcard(`${HASH}:sessions`)) > 1) await run('tidy', LEASE_US)
  }
  expect((await client.hkeys(HASH)).filter((field) => field.startsWith('r'))).toEqual(['rholderr'])
})
