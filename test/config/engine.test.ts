// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { defaultDirectory } from '../../src/backends/file/index.ts'
import { candidateOf, type EngineDefaults, shownAs, wholeUrl } from '../../src/config/engine.ts'
import { type EngineUrl, parseUrl } from '../../src/config/url.ts'

describe('An entry of a configuration', () => {
  test.each<[string, EngineDefaults, string]>([
    ['redis:', {}, 'redis://localhost:6379?space=default'],
    ['redis://me:secret@HOST:1/2?lease=3s&prefer=writers', {}, 'redis://host:1/2?space=default'],
    ['rediss://[::1]', { space: 'lab' }, 'rediss://[::1]:6379?space=lab'],
    ['redis://a?space=own&prefix=p', { space: 'lab' }, 'redis://a:6379?space=own&prefix=p'],
    ['redis:/run/redis.sock?db=3', {}, 'redis:/run/redis.sock?db=3&space=default'],
    ['zookeeper://me:secret@B,a', {}, 'zookeeper://a:2181,b:2181/holdfast'],
    ['zookeeper://a', { space: 'lab' }, 'zookeeper://a:2181/holdfast/lab'],
    ['zookeeper://a/root', { space: 'lab' }, 'zookeeper://a:2181/root'],
    ['file:', {}, `file:${defaultDirectory()}`],
    ['file:', { space: 'lab' }, `file:${defaultDirectory()}/spaces/lab`],
    ['file:./x', { space: 'lab', base: '/srv' }, 'file:/srv/x'],
    ['file:/x', { base: '/srv' }, 'file:/x'],
    ['memory:', {}, 'memory:'],
  ])('%s with %o is shown as its place, %s', (url, defaults, shown) => {
    expect(shownAs(parseUrl(url), defaults)).toBe(shown)
  })

  test('is told from another by its place, and by nothing else', () => {
    const digest = (url: string): string => candidateOf(parseUrl(url) as Exclude<EngineUrl, { scheme: 'memory' }>, { timeoutMs: 1 }).digest
    expect(digest('redis://:one@host?lease=5s')).toBe(digest('redis://:two@HOST:6379/0?prefer=writers'))
    const others = [
      'redis://host',
      'redis://host/1',
      'redis://host:1',
      'rediss://host',
      'redis://other',
      'redis://host?space=x',
      'file:',
      'file:/x',
      'zookeeper://host',
    ]
    expect(new Set(others.map(digest)).size).toBe(others.length)
  })

  test.each<[string, EngineDefaults, string]>([
    ['redis:', {}, 'redis:'],
    ['redis://me:secret@host/2', { space: 'lab ü', prefer: 'writers' }, 'redis://me:secret@host/2?space=lab%20%C3%BC&prefer=writers'],
    ['redis://a?space=own&lease=3s', { space: 'lab' }, 'redis://a?space=own&lease=3s'],
    ['zookeeper://me:secret@a,b/', { space: 'lab' }, 'zookeeper://me:secret@a,b/holdfast/lab'],
    ['zookeeper://a/root?lease=3s', { space: 'lab', prefer: 'writers' }, 'zookeeper://a/root?lease=3s&prefer=writers'],
    ['file:./x?prefer=writers', { base: '/srv/a?b', prefer: 'writers' }, 'file:/srv/a%3Fb/x?prefer=writers'],
    ['file:', { space: 'lab' }, `file:${defaultDirectory()}/spaces/lab`],
    ['file:', {}, 'file:'],
    ['memory:x', { prefer: 'writers' }, 'memory:x?prefer=writers'],
  ])('%s with %o is %s, where all is said in one URL', (text, defaults, whole) => {
    const url = parseUrl(text)
    expect(wholeUrl(text, url, defaults)).toBe(whole)
    expect(shownAs(parseUrl(whole))).toBe(shownAs(url, defaults))
  })
})
