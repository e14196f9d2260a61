// SPDX-License-Identifier: MIT
// Whatever people write as a path, a URL, a configuration or an argument is either understood or refused with a clear error: never anything else.
import { CommanderError } from 'commander'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildProgram } from '../../src/cli/program.ts'
import { parseConfiguration } from '../../src/config/config-syntax.ts'
import { parseUrl } from '../../src/config/url.ts'
import { parsePath } from '../../src/core/path.ts'
import { isLockError, LockSpace } from '../../src/index.ts'
import { scaled } from '../support/scale.ts'

/** Text in which the marks that mean something come often. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(fc.oneof(fc.constantFrom('/', '..', '.', '//', '\0', '%2f', '\\', ' ', '\ud800', 'é', '*'), fc.string({ maxLength: 4 })), {
      maxLength: 20,
    })
    .map((parts) => parts.join('')),
  fc.string({ maxLength: 3 }).map((piece) => `/${piece}`.repeat(2_000)),
)
const anything = fc.oneof(
  text,
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withSparseArray: true, withNullPrototype: true }),
)

const url = fc
  .tuple(
    fc.constantFrom('memory:', 'file:', 'redis:', 'rediss:', 'zookeeper:', 'zk:', 'http:', '', 'FILE:'),
    fc.constantFrom('', '//', '///', '/'),
    fc.oneof(fc.constantFrom('', 'localhost', 'u:p@h:1', 'a,b:2', '[::1]:3', ':99999', '%zz', 'h:p', '@', ','), text),
    fc.oneof(
      fc.constant(''),
      fc
        .array(
          fc.tuple(
            fc.constantFrom('prefer', 'lease', 'space', 'x', 'prefer'),
            fc.oneof(fc.constantFrom('writers', '10s', '-1', '', '1e99'), text),
          ),
        )
        .map((pairs) => `?${pairs.map(([key, value]) => `${key}=${value}`).join('&')}`),
    ),
    fc.constantFrom('', '#', '#x'),
  )
  .map((parts) => parts.join(''))

const configuration = fc.oneof(
  text,
  fc.json(),
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          'engines:',
          '  - url: redis://h',
          '    timeout: 5',
          'scope: host',
          'prefer: writers',
          'space: s',
          '- ',
          '{',
          '}',
          '&a',
          '*a',
          '<<: *a',
          '!!binary x',
          '? ',
          '|',
          '%YAML 9',
          '---',
          '\t',
          'engines: [url: file:]',
        ),
        text,
      ),
      { maxLength: 12 },
    )
    .map((lines) => lines.join('\n')),
)

const words = fc.array(
  fc.oneof(
    fc.constantFrom(
      '--read',
      '--write',
      '--on',
      '--timeout',
      '-w',
      '-n',
      '--json',
      '--',
      '-x',
      '--lock-file',
      '--name',
      '--grace',
      '--conflict-exit-code',
      '-c',
      '1',
      '-1',
      '1e400',
      'NaN',
      '/a',
      'a',
      '--timeout=',
      '--on=redis:',
    ),
    text,
  ),
  { maxLength: 8 },
)

const runs = { numRuns: scaled(1_500) }

/** What is thrown is of ours, with this code, and says something. */
function refusal(error: unknown, ...codes: readonly string[]): void {
  if (!isLockError(error)) throw error
  expect(codes).toContain(error.code)
  expect(error.message.length).toBeGreaterThan(5)
}

describe('Anything', () => {
  test('as a path is a node below all its ancestors, or LOCK_INVALID', () => {
    fc.assert(
      fc.property(anything, fc.constantFrom('absolute', 'object-key'), (path, style) => {
        try {
          const { key, ancestors } = parsePath(path as string, style)
          for (const ancestor of ancestors) expect(key.startsWith(ancestor)).toBe(true)
          // It is its own name, so it means the same when it comes back.
          if (style === 'absolute') expect(parsePath(key, style).key).toBe(key)
        } catch (error) {
          refusal(error, 'LOCK_INVALID')
        }
      }),
      runs,
    )
  })

  test('as a request takes a lock, or nothing', async () => {
    const locks = new LockSpace()
    await fc.assert(
      fc.asyncProperty(anything, anything, anything, async (read, write, options) => {
        try {
          const lease = await locks.lock({ read, write } as never, options as never)
          await lease.release()
        } catch (error) {
          // An AbortSignal is no plain value, so whatever stops a request is of ours.
          refusal(error, 'LOCK_INVALID')
        }
        expect(locks.held).toBe(0)
        expect(locks.waiting).toBe(0)
      }),
      runs,
    )
    expect(await locks.tryWrite('/')).not.toBeNull()
  })

  test('as a URL names an engine, or is CONFIG_INVALID', () => {
    fc.assert(
      fc.property(url, (given) => {
        try {
          expect(parseUrl(given).scheme).toMatch(/^(memory|file|rediss?|zookeeper)$/)
        } catch (error) {
          refusal(error, 'CONFIG_INVALID', 'LOCK_INVALID')
        }
      }),
      runs,
    )
  })

  test('as a configuration is one, or is CONFIG_INVALID, with the file', () => {
    fc.assert(
      fc.property(configuration, (given) => {
        try {
          expect(parseConfiguration(given, 'the.yml').engines.length).toBeGreaterThan(0)
        } catch (error) {
          refusal(error, 'CONFIG_INVALID')
          expect((error as Error).message).toContain('the.yml')
        }
      }),
      runs,
    )
  })

  test('as arguments of a command is understood, or refused as a wrong use', () => {
    const names = buildProgram([], () => {}).commands.map((command) => command.name())
    fc.assert(
      fc.property(fc.constantFrom(...names), words, (name, given) => {
        const command = buildProgram(given, () => {}).commands.find((one) => one.name() === name)!
        const silent = { writeErr: () => {}, writeOut: () => {}, outputError: () => {} }
        try {
          command.configureOutput(silent).exitOverride().parseOptions(given)
        } catch (error) {
          if (!(error instanceof CommanderError)) throw error
          expect(error.message.length).toBeGreaterThan(5)
        }
      }),
      { numRuns: scaled(600) },
    )
  })
})
