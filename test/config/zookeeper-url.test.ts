// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { parseUrl } from '../../src/config/url.ts'
import { isLockError } from '../../src/core/errors.ts'

function complaint(url: string): string {
  try {
    parseUrl(url)
  } catch (error) {
    expect(isLockError(error, 'CONFIG_INVALID')).toBe(true)
    return (error as Error).message
  }
  throw new Error(`${url} was accepted`)
}

describe('A zookeeper: URL', () => {
  test.each([
    ['zookeeper://h', { hosts: ['h:2181'] }],
    ['zookeeper://h/', { hosts: ['h:2181'] }],
    ['ZooKeeper://h:1/a/b', { hosts: ['h:1'], root: '/a/b' }],
    ['zookeeper://a:1,b,[::1]:3/locks', { hosts: ['a:1', 'b:2181', '[::1]:3'], root: '/locks' }],
    ['zookeeper://me:p%40ss%2F@h/a%20b', { hosts: ['h:2181'], root: '/a b', username: 'me', password: 'p@ss/' }],
    ['zookeeper://me:a:b@h', { hosts: ['h:2181'], username: 'me', password: 'a:b' }],
    ['zookeeper://h/l?prefer=writers&lease=20s', { hosts: ['h:2181'], root: '/l', prefer: 'writers', lease: 20_000 }],
  ])('%s is read as %o', (url, meaning) => {
    expect(parseUrl(url)).toEqual({ scheme: 'zookeeper', ...meaning })
  })

  test.each([
    ['zookeeper:', 'names no server'],
    ['zookeeper:h', 'names no server'],
    ['zookeeper://', 'names no server'],
    ['zookeeper:///locks', 'names no server'],
    ['zookeeper://a,,b', 'comma too many'],
    ['zookeeper://a:x', 'is no host'],
    ['zookeeper://::1', 'is no host'],
    ['zookeeper://a:0', 'no port'],
    ['zookeeper://a:65536', 'no port'],
    ['zookeeper://a//b', 'empty part'],
    ['zookeeper://a/b/', 'empty part'],
    ['zookeeper://me@a', 'two parts'],
    ['zookeeper://:p@a', 'two parts'],
    ['zookeeper://a?lease=3', 'such as 1500ms'],
    ['zookeeper://a?prefer=writer', 'Did you mean "writers"?'],
    ['zookeeper://a?space=x', 'There is prefer and lease.'],
    ['zookeper://a', 'Did you mean "zookeeper"?'],
  ])('%j is refused with CONFIG_INVALID and a hint: %s', (url, hint) => {
    expect(complaint(url)).toContain(hint)
  })

  test('is shown in messages without the password that it holds', () => {
    expect(complaint('zookeeper://me:secret@h/a//b')).not.toContain('secret')
  })
})
