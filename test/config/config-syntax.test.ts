// SPDX-License-Identifier: MIT
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import schema from '../../config.schema.json' with { type: 'json' }
import { ENTRY_KEYS, KEYS, PREFERENCES, parseConfiguration, SCOPES } from '../../src/config/config-syntax.ts'
import { isLockError } from '../../src/core/errors.ts'

function read(text: string): unknown {
  return parseConfiguration(text, 'file.yml')
}

function complaint(text: string): string {
  try {
    read(text)
  } catch (error) {
    expect(isLockError(error, 'CONFIG_INVALID')).toBe(true)
    return (error as Error).message
  }
  throw new Error(`accepted: ${text}`)
}

const NOTHING = { scope: 'network', space: undefined, prefer: undefined, agreement: undefined }

describe('A configuration', () => {
  test('names engines in the order in which they are tried, and says what goes for all of them', () => {
    const text = `
# The locks of the lab
engines:
  - redis://locks.example.org
  - url: zookeeper://zk1,zk2/labs
    timeout: 1500ms
  - file:./locks
scope: host
space: studies
prefer: writers
agreement: ./agreement
`
    expect(read(text)).toEqual({
      engines: [
        { text: 'redis://locks.example.org', url: { scheme: 'redis', host: 'locks.example.org' }, timeoutMs: undefined },
        {
          text: 'zookeeper://zk1,zk2/labs',
          url: { scheme: 'zookeeper', hosts: ['zk1:2181', 'zk2:2181'], root: '/labs' },
          timeoutMs: 1_500,
        },
        { text: 'file:./locks', url: { scheme: 'file', directory: './locks' }, timeoutMs: undefined },
      ],
      scope: 'host',
      space: 'studies',
      prefer: 'writers',
      agreement: './agreement',
    })
  })

  test.each([
    ['JSON', '{"$schema": "x", "engines": ["file:"]}'],
    ['JSON with tabs', '{\n\t"engines": [\n\t\t"file:"\n\t]\n}'],
    ['one line of YAML', 'engines: ["file:"]'],
    ['a bare file:, which YAML takes for a key without a value', 'engines:\n  - file:\n'],
    ['the same as a url', 'engines:\n  - url: "file:"\n'],
    ['a byte order mark and Windows line ends', '\uFEFFengines:\r\n  - "file:"\r\n'],
  ])('may be %s', (_what, text) => {
    expect(read(text)).toEqual({ ...NOTHING, engines: [{ text: 'file:', url: { scheme: 'file' }, timeoutMs: undefined }] })
  })

  test('reads what the documentation shows', () => {
    const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
    const [, example] = /```yaml\n([\s\S]*?)```/.exec(page)!
    expect(read(example!)).toMatchObject({ engines: { length: 3 }, scope: 'host', space: 'studies' })
    const [, complained] = /`([^`]*holdfast\.config\.yml:4:14[^`]*)`/.exec(page)!
    expect(
      complaint('engines:\n  - redis://a\n  - url: redis://b\n    timeout: 2').replace('file.yml', '/srv/lab/holdfast.config.yml'),
    ).toBe(complained)
  })

  test('takes the preference of its URLs, when they agree', () => {
    expect(read('engines: ["file:?prefer=writers", "redis://a"]')).toMatchObject({ prefer: 'writers' })
  })

  test.each([
    ['', '1:1', 'beginning with engines:'],
    ['- redis://a', '1:1', 'beginning with engines:'],
    ['just words', '1:1', 'beginning with engines:'],
    ['scope: host', '1:1 (engines)', 'it is missing'],
    ['scope: host\nengines: []', '2:10 (engines)', 'the list is empty'],
    ['engines: redis://a', '1:10 (engines)', 'it is a list of URLs'],
    ['engines: {}', '1:10 (engines)', 'it is a list of URLs'],
    ['engines:', '(engines)', 'it is a list of URLs'],
    ['engines: ["file:"]\nscop: host', '2:1 (scop)', 'Did you mean "scope"?'],
    ['engines: ["file:"]\ncolour: red', '2:1 (colour)', 'There is engines, scope, space, prefer and agreement.'],
    ['engines: ["file:"]\nscope: hosts', '2:8 (scope)', 'Did you mean "host"?'],
    ['engines: ["file:"]\nscope: 7', '2:8 (scope)', 'it is "network" or "host", not 7'],
    ['engines: ["file:"]\nprefer: readers', '2:9 (prefer)', 'There is first-come and writers.'],
    ['engines: ["file:"]\nprefer: writer', '2:9 (prefer)', 'Did you mean "writers"?'],
    ['engines: ["file:"]\nspace: a/b', '2:8 (space)', 'a word without spaces'],
    ['engines: ["file:"]\nspace: 12', '2:8 (space)', 'it is a word, not 12'],
    ['engines: ["file:"]\nspace:', '(space)', 'not nothing'],
    ['engines: ["file:"]\nagreement: ~/x', '2:12 (agreement)', 'is not expanded'],
    ['engines: ["file:"]\nagreement: [x]', '2:12 (agreement)', 'it is the path of a folder, not a list'],
    ['engines:\n  - redis://a\n  - 7', '3:5 (engines[1])', 'it is a URL'],
    ['engines:\n  - redis://a\n  - redi://b', '3:5 (engines[1])', 'Did you mean "redis"?'],
    ['engines:\n  - redis://a\n  - memory:', '3:5 (engines[1])', 'for the tasks of one thread'],
    ['engines: ["redis://a", "memory:"]', '1:24 (engines[1])', 'for the tasks of one thread'],
    ['engines:\n  - url: redis://a\n    timeout: 2', '3:14 (engines[0].timeout)', 'such as 500ms or 2s'],
    ['engines:\n  - url: redis://a\n    timeout: 1ms', '3:14 (engines[0].timeout)', 'such as 500ms or 2s'],
    ['engines:\n  - url: redis://a\n    timeout: 2m', '3:14 (engines[0].timeout)', 'from 50ms to 1m'],
    ['engines:\n  - url: redis://a\n    timout: 2s', '3:5 (engines[0].timout)', 'Did you mean "timeout"?'],
    ['engines:\n  - timeout: 2s', '2:5 (engines[0])', 'it has no url'],
    ['engines:\n  - file: ./locks', '2:5 (engines[0].file)', 'one URL, in quotes or without a space in it, such as file:./locks.'],
    ['engines:\n  - redis: a\n    file: b', '2:5 (engines[0].redis)', 'such as redis://localhost.'],
    ['engines:\n  - type: redis\n    config: {}', '2:5 (engines[0].type)', 'are read by holdfast/isf'],
    ['engines: ["file:"]\ntimeout: 2s', '2:1 (timeout)', 'It belongs to an entry of engines.'],
    ['engines:\n  - host: a', '2:5 (engines[0].host)', 'There is url and timeout.'],
    ['engines: ["file:"]\nengines: ["redis:"]', '2:1', 'unique'],
    ['engines:\n  - url: redis://a\n    url: redis://b', '3:5', 'unique'],
    ['engines:\n\t- redis://a', '2:1', 'ab'],
    ['engines: [', '1:11', 'end with a ]'],
    ['engines: ["file:"', '1:18', 'end with a ]'],
    ['engines: *x', '1:10', 'it is a list'],
    ['engines: [&a "file:"]\nspace: *a', '2:8 (space)', 'it is a word, not an alias'],
    ['engines: !!js/function "x"', '1:10', 'tag'],
    ['engines: ["file:"]\n---\nengines: ["redis:"]', '2:1', 'document'],
    ['engines: ["file:?prefer=writers"]\nprefer: first-come', '(engines[0])', 'all engines have one'],
  ])('that says %j is refused at %s: %s', (text, where, what) => {
    const message = complaint(text)
    expect(message).toContain('file.yml:')
    expect(message).toContain(where)
    expect(message.toLowerCase()).toContain(what.toLowerCase())
  })

  test.each([
    'engines:\n  - redis://me:secret@host:x',
    'engines:\n  - redis://:secret@host?colour=red',
    'engines:\n  - url: zookeeper://me:secret@host/a//b',
    'engines:\n  - redi://me:secret@host',
    'engines: [redis://me:secret@a, redis://me:secret@b\nscope',
    'engines: redis://me:secret@host',
  ])('is complained about without the password that it holds: %j', (text) => {
    expect(complaint(text)).not.toContain('secret')
  })
})

describe('The schema for editors', () => {
  test('knows the same keys and words, and no others', () => {
    expect(Object.keys(schema.properties)).toEqual(['$schema', ...KEYS])
    expect(schema.additionalProperties).toBe(false)
    expect(schema.required).toEqual(['engines'])
    expect(schema.properties.scope.enum).toEqual(SCOPES)
    expect(schema.properties.prefer.enum).toEqual(PREFERENCES)
    const entry = schema.$defs.entry
    expect(Object.keys(entry.properties)).toEqual([...ENTRY_KEYS])
    expect(entry).toMatchObject({ additionalProperties: false, required: ['url'] })
    expect(schema.properties.engines.minItems).toBe(1)
  })

  test.each(['500ms', '1.5s', '1m'])('takes the time %s, as the reader does', (time) => {
    expect(new RegExp(schema.$defs.entry.properties.timeout.pattern).test(time)).toBe(true)
    read(`engines:\n  - url: redis://a\n    timeout: ${time}`)
  })

  test.each(['file:', 'redis://a', 'rediss://a', 'zookeeper://a', 'memory:'])('takes the URL %s', (url) => {
    expect(new RegExp(schema.$defs.url.pattern).test(url)).toBe(true)
  })

  test.each(['http://a', 'fil:', 'redis', ''])('does not take the URL %s', (url) => {
    expect(new RegExp(schema.$defs.url.pattern).test(url)).toBe(false)
  })
})
