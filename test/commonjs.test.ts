// SPDX-License-Identifier: MIT
// Programs in CommonJS get the package with `require`, on every version of Node that we support.
import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import manifest from '../package.json' with { type: 'json' }

const home = resolve(import.meta.dirname, '..')
const entries = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target === 'object')
  .map(([name]) => `holdfast${name.slice(1)}`)

/** As a program in CommonJS that has the package installed: the package's own name leads to itself. */
function run(source: string): string {
  const flags = ['--input-type=commonjs', '--disable-warning=ExperimentalWarning']
  return execFileSync(process.execPath, [...flags, '--eval', source], { cwd: home, encoding: 'utf8', timeout: 30_000 }).trim()
}

describe('From CommonJS', () => {
  test.each(entries)('%s can be required', (entry) => {
    expect(Number(run(`console.log(Object.keys(require('${entry}')).length)`))).toBeGreaterThan(0)
  })

  test('a lock is taken and given back', () => {
    const program = `
      const { LockSpace } = require('holdfast')
      const locks = new LockSpace()
      locks.withWrite('/a', (lease) => lease.state).then(console.log)
    `
    expect(run(program)).toBe('held')
  })

  test('it is the same module as from an ES module', () => {
    expect(run(`const { LockSpace } = require('holdfast'); import('holdfast').then((it) => console.log(it.LockSpace === LockSpace))`)).toBe(
      'true',
    )
  })
})
