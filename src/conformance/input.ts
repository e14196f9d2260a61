// SPDX-License-Identifier: MIT
// Promise 12: bad input gets a clear error with a stable code before anything is taken.
import type { Suite } from './harness.ts'

const BAD_PATHS: readonly (readonly [what: string, path: unknown])[] = [
  ['an empty path', ''],
  ['a relative path', 'a/b'],
  ['an empty segment', '/a//b'],
  ['a slash at the end', '/a/'],
  ['a "." segment', '/a/./b'],
  ['a ".." segment', '/a/../b'],
  ['a NUL character', '/a\0b'],
  ['half of a surrogate pair', '/a\ud800'],
  ['more than 4,096 bytes', `/${'x'.repeat(4096)}`],
  ['more than 4,096 bytes of UTF-8', `/${'\u20ac'.repeat(1366)}`],
  ['more than 128 levels', '/x'.repeat(129)],
  ['a number', 42],
  ['null', null],
  ['a list with a number in it', [['a', 1]]],
  ['a segment with a slash', [['a/b']]],
  ['a segment that is empty', [['a', '']]],
  ['a good path and a bad one', ['/good', '/bad/']],
]

const BAD_REQUESTS: readonly (readonly [what: string, request: unknown])[] = [
  ['a request that names nothing', {}],
  ['a request with empty lists', { read: [], write: [] }],
  ['a request with a word misspelt', { reads: '/good' }],
  ['a request that is a string', '/good'],
  ['a request that is a list', ['/good']],
  ['a request that is null', null],
]

const BAD_OPTIONS: readonly (readonly [what: string, options: unknown])[] = [
  ['a negative timeout', { timeout: -1 }],
  ['a timeout that is no number', { timeout: Number.NaN }],
  ['a timeout that is a word', { timeout: 'soon' }],
  ['a name that is a number', { name: 42 }],
  ['a signal that is none', { signal: {} }],
  ['options that are a number', 5],
]

export function input(suite: Suite): void {
  suite.test('12. A bad path is LOCK_INVALID, wherever it stands, and takes nothing', async (scene) => {
    const [one, two] = await scene.clients(2)
    for (const [what, path] of BAD_PATHS) {
      await scene.fails(one.misuse('lock', { read: '/good', write: path }), 'LOCK_INVALID', `${what} to write`)
      await scene.fails(one.misuse('tryLock', { read: path, write: '/good' }), 'LOCK_INVALID', `a try with ${what} to read`)
      await scene.fails(one.misuse('withLock', { write: ['/good', ...[path].flat()] }), 'LOCK_INVALID', `work under ${what}`)
    }
    await scene.free(two, { write: '/good' }, { write: '/' })
  })

  suite.test('12. A request of the wrong shape is LOCK_INVALID, and takes nothing', async (scene) => {
    const [one, two] = await scene.clients(2)
    for (const [what, request] of BAD_REQUESTS) {
      for (const method of ['lock', 'tryLock', 'withLock'] as const) await scene.fails(one.misuse(method, request), 'LOCK_INVALID', what)
    }
    await scene.free(two, { write: '/' })
  })

  suite.test('12. A bad option is LOCK_INVALID, and takes nothing', async (scene) => {
    const [one, two] = await scene.clients(2)
    for (const [what, options] of BAD_OPTIONS) {
      await scene.fails(one.misuse('lock', { write: '/good' }, options), 'LOCK_INVALID', what)
      await scene.fails(one.misuse('withLock', { write: '/good' }, options), 'LOCK_INVALID', what)
    }
    await scene.fails(one.misuse('tryLock', { write: '/good' }, { name: 42 }), 'LOCK_INVALID', 'a try with a name that is a number')
    await scene.free(two, { write: '/' })
  })

  suite.test('12. Bad input is LOCK_INVALID also while others hold and wait, and does not disturb them', async (scene) => {
    const [holder, other] = await scene.clients(2)
    const lease = await scene.take(holder, { write: '/good' })
    const pending = await scene.queue(other, { read: '/good' })
    await scene.fails(
      other.misuse('lock', { write: ['/good', '/bad/'] }, { timeout: 1_000 }),
      'LOCK_INVALID',
      'a path with a slash at its end',
    )
    await scene.stillWait(pending)
    await lease.release()
    await (await scene.granted(pending)).release()
  })
}
