// SPDX-License-Identifier: MIT
import { afterEach, describe, expect, test, vi } from 'vitest'
import { connect, type EngineUrl, parseUrl } from '../../src/config/url.ts'
import { isLockError } from '../../src/core/errors.ts'

afterEach(() => vi.unstubAllEnvs())

function complaint(url: string): string {
  try {
    parseUrl(url)
  } catch (error) {
    expect(isLockError(error, 'CONFIG_INVALID')).toBe(true)
    return (error as Error).message
  }
  throw new Error(`${url} was accepted`)
}

describe('A lock URL', () => {
  test.each<[string, EngineUrl]>([
    ['memory:', { scheme: 'memory' }],
    ['memory:jobs', { scheme: 'memory', name: 'jobs' }],
    ['memory:a%3Fb%25%23', { scheme: 'memory', name: 'a?b%#' }],
    ['memory:?prefer=first-come', { scheme: 'memory', prefer: 'first-come' }],
    ['file:', { scheme: 'file' }],
    ['FILE:', { scheme: 'file' }],
    ['file:?prefer=writers', { scheme: 'file', prefer: 'writers' }],
    ['file:./locks', { scheme: 'file', directory: './locks' }],
    ['file:../locks', { scheme: 'file', directory: '../locks' }],
    ['file:locks', { scheme: 'file', directory: 'locks' }],
    ['file:/var/lock', { scheme: 'file', directory: '/var/lock' }],
    ['file:///var/lock?prefer=writers', { scheme: 'file', directory: '/var/lock', prefer: 'writers' }],
    ['file:/my%20locks/%C3%A9+', { scheme: 'file', directory: '/my locks/é+' }],
    ['file:/a:b@c', { scheme: 'file', directory: '/a:b@c' }],
  ])('%s is read as %o', (url, meaning) => {
    expect(parseUrl(url)).toEqual(meaning)
  })

  test.each([
    ['', 'empty'],
    ['fil:', 'Did you mean "file"?'],
    ['memroy:', 'Did you mean "memory"?'],
    ['memory', 'Did you mean memory:?'],
    ['redis//localhost', 'Did you mean redis:?'],
    ['localhost', 'begins with "file:", "redis:"'],
    ['', 'begins with "file:", "redis:"'],
    ['/var/lock', 'Did you mean file:/var/lock?'],
    ['./locks', 'Did you mean file:./locks?'],
    ['carrier-pigeon:', 'There is memory, file, redis, rediss and zookeeper.'],
    ['file://host/x', 'names the host "host"'],
    ['file://localhost/x', 'Did you mean file:/x?'],
    ['file://./locks', 'Did you mean file:./locks?'],
    ['file://', 'names no directory'],
    ['file:~/locks', 'file:$HOME/locks'],
    ['file:/a#b', '%23'],
    ['file:/a%2', '%25'],
    ['file:/a%00', 'NUL'],
    ['memory:/a', 'plain name'],
    ['file:?', 'ends with a "?"'],
    ['file:?prefre=writers', 'Did you mean "prefer"?'],
    ['file:?colour=red', 'There is prefer.'],
    ['file:?prefer=writer', 'Did you mean "writers"?'],
    ['file:?prefer=', 'no value'],
    ['file:?prefer', 'no value'],
    ['file:?prefer=writers&prefer=writers', 'twice'],
    ['file:?prefer=writers&', 'no parameter'],
  ])('%j is refused with CONFIG_INVALID and a hint: %s', (url, hint) => {
    expect(complaint(url)).toContain(hint)
  })

  test('is shown in messages without the password that it holds', () => {
    expect(complaint('file://me:secret@host/x?y=1')).not.toContain('secret')
    expect(complaint('redi://me:secret@host/x')).not.toContain('secret')
  })
})

describe('connect()', () => {
  test('gives each caller of memory: a space of its own', async () => {
    const [here, there] = [await connect('memory:'), await connect('memory:')]
    await here.write('/a')
    expect(await there.tryWrite('/a')).not.toBeNull()
  })

  test('gives all callers of one memory:NAME in a thread the same space', async () => {
    const [here, there] = [await connect('memory:shared'), await connect('memory:shared')]
    const lease = await here.write('/a')
    expect(await there.tryWrite('/a')).toBeNull()
    const next = there.write('/a')
    expect((await there.inspect()).holders).toHaveLength(1)
    await lease.downgrade()
    expect((await there.inspect()).holders[0]?.read).toEqual(['/a'])
    await lease.release()
    const after = await next
    expect(after.token > lease.token).toBe(true)
    await after.release()
    await Promise.all([here.close(), there.close()])
  })

  test('closes one connection to memory:NAME without touching the leases of another', async () => {
    const [here, there] = [await connect('memory:two'), await connect('memory:two')]
    const lease = await there.write('/a')
    await here.close({ timeout: 0 })
    expect(lease.state).toBe('held')
    await lease.release()
    await there.close()
  })

  test('refuses a preference that the named space does not have', async () => {
    const here = await connect('memory:three?prefer=writers')
    await expect(connect('memory:three?prefer=first-come')).rejects.toMatchObject({ code: 'LOCK_INVALID' })
    await here.close()
    const again = await connect('memory:three?prefer=first-come')
    expect(again.backend.prefer).toBe('first-come')
    await again.close()
  })

  test('follows HOLDFAST_URL when it is given no URL', async () => {
    vi.stubEnv('HOLDFAST_URL', 'memory:?prefer=writers')
    const locks = await connect()
    expect(locks.backend).toMatchObject({ name: 'memory', prefer: 'writers' })
  })

  test.each(['', 'fil:'])('refuses HOLDFAST_URL=%j and falls back to nothing else, as others may follow the right one', async (url) => {
    vi.stubEnv('HOLDFAST_URL', url)
    await expect(connect()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('HOLDFAST_URL') })
  })

  test('rejects and does not throw when the URL is no string', async () => {
    await expect(connect(7 as unknown as string)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})
