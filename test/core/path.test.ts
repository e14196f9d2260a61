// SPDX-License-Identifier: MIT
// Which paths can be locked, what they become, and what is said about the others.
import { describe, expect, test } from 'vitest'
import { isLockError } from '../../src/core/errors.ts'
import { MAX_PATH_BYTES, MAX_PATH_DEPTH, type PathStyle, parsePath } from '../../src/core/path.ts'

function refusal(path: unknown, style?: PathStyle): string {
  try {
    parsePath(path as string, style)
  } catch (error) {
    expect(isLockError(error, 'LOCK_INVALID')).toBe(true)
    return (error as Error).message
  }
  throw new Error(`${JSON.stringify(path)} was accepted`)
}

describe('A path', () => {
  test('has its ancestors from the root down, itself not included.', () => {
    expect(parsePath('/a/b/c')).toEqual({ key: '/a/b/c', ancestors: ['/', '/a', '/a/b'] })
    expect(parsePath('/a')).toEqual({ key: '/a', ancestors: ['/'] })
    expect(parsePath('/')).toEqual({ key: '/', ancestors: [] })
  })

  test('given as segments is the same node as the text.', () => {
    expect(parsePath(['a', 'b', 'c'])).toEqual(parsePath('/a/b/c'))
    expect(parsePath([])).toEqual(parsePath('/'))
  })

  test('may hold blanks, dots inside names, backslashes and anything else a name can hold.', () => {
    for (const name of [' ', 'a b', '...', '.a', 'a.', 'a\\b', '~', '*', '\n', 'C:', '%2F', '__proto__', 'constructor']) {
      expect(parsePath(`/${name}`)).toEqual({ key: `/${name}`, ancestors: ['/'] })
    }
  })

  test('is compared as it was given: no case folding, no Unicode normalisation.', () => {
    expect(parsePath('/A').key).not.toBe(parsePath('/a').key)
    expect(parsePath('/\u00e9').key).not.toBe(parsePath('/e\u0301').key)
    expect(parsePath('/\u00e9').key).toBe('/\u00e9')
    expect(parsePath('/𝒳/鎖').key).toBe('/𝒳/鎖')
  })
})

describe('A path that cannot be locked is refused, and the message says which and why:', () => {
  const LONE = '\ud800'
  test.each<[string, unknown, string, string]>([
    ['no slash in front', 'a/b', '"a/b"', 'does not start with "/"'],
    ['empty text', '', '""', 'the root is "/"'],
    ['an empty segment', '/a//b', '"/a//b"', 'empty segment'],
    ['a slash at the end', '/a/', '"/a/"', 'a "/" at the end'],
    ['a dot', '/a/./b', '"/a/./b"', '"." segment'],
    ['two dots', '/a/..', '"/a/.."', '".." segment'],
    ['NUL', '/a\0b', '"/a\\u0000b"', 'NUL'],
    ['half a surrogate pair', `/a${LONE}`, '"/a\\ud800"', 'surrogate'],
    ['an empty segment in a list', ['a', ''], '["a",""]', 'empty segment'],
    ['two dots in a list', ['..', 'a'], '["..","a"]', '".." segment'],
    ['a slash inside a segment', ['a/b'], '["a/b"]', 'the segment "a/b" holds a "/"'],
    ['NUL in a list', ['a\0'], '["a\\u0000"]', 'NUL'],
    ['a number among the segments', ['a', 7], '["a",7]', 'a segment is a number'],
    ['null among the segments', [null], '[null]', 'a segment is null'],
    ['a list among the segments', [['a']], '[["a"]]', 'a segment is a list'],
    ['a number', 7, '7', 'it is a number, not a string'],
    ['null', null, 'null', 'it is null'],
    ['undefined', undefined, 'undefined', 'it is undefined'],
    ['an object', {}, '[object Object]', 'it is an object'],
    ['an object without a prototype', Object.create(null), '', 'it is an object'],
    ['a symbol', Symbol('a'), 'Symbol(a)', 'it is a symbol'],
    ['true', true, 'true', 'it is a boolean'],
    ['a big integer', 7n, '7', 'it is a bigint'],
    ['a list with a big integer', [7n], '', 'a segment is a bigint'],
  ])('%s', (_, path, which, why) => {
    const message = refusal(path)
    expect(message).toContain(which)
    expect(message).toContain(why)
  })

  test('too many levels', () => {
    const deep = Array.from({ length: MAX_PATH_DEPTH }, () => 'a')
    expect(parsePath(deep).ancestors).toHaveLength(MAX_PATH_DEPTH)
    expect(refusal([...deep, 'a'])).toContain(`${MAX_PATH_DEPTH + 1} levels deep, more than ${MAX_PATH_DEPTH}`)
    expect(refusal(`/${[...deep, 'a'].join('/')}`)).toContain('levels deep')
  })

  test.each([
    ['one byte', 'a', 1],
    ['two bytes', 'é', 2],
    ['three bytes', '鎖', 3],
    ['four bytes', '𝒳', 4],
  ])('too many bytes, counted in UTF-8, of characters of %s', (_, character, bytes) => {
    const whole = Math.floor((MAX_PATH_BYTES - 1) / bytes)
    const longest = character.repeat(whole) + 'a'.repeat(MAX_PATH_BYTES - 1 - whole * bytes)
    expect(parsePath(`/${longest}`).key).toBe(`/${longest}`)
    expect(refusal(`/${longest}a`)).toContain(`${MAX_PATH_BYTES + 1} bytes long, more than ${MAX_PATH_BYTES}`)
  })

  test('a long path is cut short in the message.', () => {
    expect(refusal(`/${'a'.repeat(10_000)}`).length).toBeLessThan(400)
  })
})

describe('The key of an object store', () => {
  const keyOf = (path: string | string[]) => parsePath(path, 'object-key')

  test('is relative, and its folders are its ancestors.', () => {
    expect(keyOf('folder/part-1')).toEqual({ key: '/folder/part-1', ancestors: ['/', '/folder'] })
    expect(keyOf('object')).toEqual({ key: '/object', ancestors: ['/'] })
    expect(keyOf('')).toEqual({ key: '/', ancestors: [] })
    expect(keyOf([])).toEqual(keyOf(''))
  })

  test('with a slash at the end is the folder itself.', () => {
    expect(keyOf('a/')).toEqual(keyOf('a'))
    expect(keyOf('a/b/')).toEqual(keyOf('a/b'))
  })

  test('may have empty segments and dots, which mean what they say.', () => {
    expect(keyOf('a//b').ancestors).toEqual(['/', '/a', '/a/'])
    expect(keyOf('a//b').key).not.toBe(keyOf('a/b').key)
    expect(keyOf('../a/./b')).toEqual({ key: '/../a/./b', ancestors: ['/', '/..', '/../a', '/../a/.'] })
  })

  test('that differs from another in any segment is another node, and lies below its own folders only.', () => {
    const names = ['', 'a']
    const lists: string[][] = [[]]
    for (const list of lists) if (list.length < 4) lists.push(...names.map((name) => [...list, name]))
    const keys = new Map(lists.map((list) => [keyOf(list).key, list]))
    expect(keys.size).toBe(lists.length)
    for (const list of lists) {
      expect(keyOf(list).ancestors).toEqual(list.map((_, depth) => keyOf(list.slice(0, depth)).key))
    }
  })

  test('as text and as segments is one node.', () => {
    expect(keyOf('/a')).toEqual(keyOf(['', 'a']))
    expect(keyOf('a//b')).toEqual(keyOf(['a', '', 'b']))
    expect(keyOf('/')).toEqual(keyOf(['']))
  })

  test('is refused for NUL, for half a surrogate pair, for its depth and its length.', () => {
    expect(refusal('a\0', 'object-key')).toContain('NUL')
    expect(refusal('\udfff', 'object-key')).toContain('surrogate')
    expect(refusal('a/'.repeat(MAX_PATH_DEPTH + 1), 'object-key')).toContain('levels deep')
    expect(refusal('a'.repeat(MAX_PATH_BYTES), 'object-key')).toContain('bytes long')
  })
})
