// SPDX-License-Identifier: MIT
// `holdfast verify` on real file systems, good ones and bad ones, and in memory.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/index.ts'
import { memoryFolder, temporaryFolder } from '../support/file-folders.ts'
import { holdfast, isRunning, MAIN, Program, start } from './program.ts'
import { FAILED, figures, reportOf, those, warned } from './verify-report.ts'

describe('On files', () => {
  test('it proves that locks hold on a disk, twice at once, while somebody has every path, and leaves nothing behind', async () => {
    const directory = join(temporaryFolder(), 'locks')
    const others = await connect(`file:${directory}`)
    onTestFinished(() => others.close({ timeout: 0 }))
    const lease = await others.write('/')
    const url = `file:${directory}`
    const [result, beside] = await Promise.all([
      holdfast(['verify', '--on', url]),
      holdfast(['verify', '--json'], { env: { HOLDFAST_URL: url } }),
    ])
    expect(result).toMatchObject({ code: 0, stderr: '' })
    expect(result.stdout).toMatch(/^ok +modes between processes +9 pairs go together, 16 exclude each other/m)
    expect(result.stdout).toMatch(/^Locks hold here: \d+ of \d+ checks are ok/m)
    expect(lease.valid).toBe(true)
    await lease.release()
    // But for that of the test itself.
    const members = readdirSync(join(directory, 'members'))
    expect(members.filter((name) => !name.startsWith(`${process.pid}.`))).toEqual([])
    expect(readdirSync(directory).sort()).toEqual(['members', 'shards', 'space.json', 'space.lock', 'tokens.json'])
    expect((await others.inspect()).holders).toEqual([])
    const again = reportOf(beside)
    expect(again).toMatchObject({ version: 1, url, engine: 'file', notProved: expect.arrayContaining([expect.any(String)]) })
    expect(again.checks.map(({ check }) => check).sort()).toEqual(
      [
        'disk',
        'file-system',
        'flock',
        'hand-off',
        'inotify',
        'kill',
        'load',
        'modes-processes',
        'modes-threads',
        'ofd-locks',
        'open',
      ].concat(['rights', 'time-out', 'tokens', 'try']),
    )
    expect(those(again, 'failed')).toEqual({})
    expect(those(again, 'not tried')).toEqual({})
    for (const one of again.checks) {
      expect(one).toEqual({
        check: expect.any(String),
        title: expect.any(String),
        outcome: expect.stringMatching(/^(ok|warning)$/),
        found: expect.any(String),
        advice: one.outcome === 'ok' ? null : expect.any(String),
        figures: expect.any(Object),
      })
    }
    expect(figures(again, 'hand-off').p99Ms).toBeGreaterThan(0)
  })

  test('it names tmpfs, with a warning and 0', async () => {
    const result = await holdfast(['verify', '--json', '--on', `file:${join(memoryFolder(), 'locks')}`])
    expect(result.code).toBe(0)
    const report = reportOf(result)
    expect(report.verdict).toBe('warning')
    expect(those(report, 'warning')).toMatchObject({ 'file-system': expect.stringMatching(/^tmpfs/) })
    expect(those(report, 'failed')).toEqual({})
  })

  test('it names ext4, and is content with it', async () => {
    const base = memoryFolder()
    const script = 'truncate -s 32M disk && mkfs.ext4 -q disk && mkdir ext4 && mount -o loop disk ext4 && exec "$@"'
    const words = ['-m', 'sh', '-c', script, 'sh', process.execPath, MAIN, 'verify', '--json', '--on', `file:${join(base, 'ext4/locks')}`]
    const result = await new Program('unshare', words, { cwd: base }).finish()
    expect(result.code).toBe(0)
    const report = reportOf(result)
    expect(report.checks.find(({ check }) => check === 'file-system')).toMatchObject({
      outcome: 'ok',
      found: expect.stringMatching(/^ext4/),
    })
    expect(warned(report)).toEqual({})
  })

  test('it names overlayfs, with a warning and 0', async () => {
    const base = memoryFolder()
    const mount = `mkdir lower upper work merged && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && exec "$@"`
    const words = ['-m', 'sh', '-c', mount, 'sh', process.execPath, MAIN, 'verify', '--json', '--on', `file:${join(base, 'merged/locks')}`]
    const result = await new Program('unshare', words, { cwd: base }).finish()
    expect(result.code).toBe(0)
    const report = reportOf(result)
    expect(those(report, 'warning')).toMatchObject({ 'file-system': expect.stringMatching(/^overlay/) })
    expect(those(report, 'failed')).toEqual({})
  })

  test('it looks at the folder that a configuration fell back to, where the dead free their locks at once', async () => {
    const home = temporaryFolder()
    const config = join(home, 'holdfast.config.yml')
    writeFileSync(config, 'engines: ["redis://127.0.0.1:1", "file:./locks"]\nscope: host\nagreement: ./agreement\n')
    const result = await holdfast(['verify', '--json'], { env: { HOLDFAST_CONFIG: config } })
    const report = reportOf(result)
    expect(result.code).toBe(0)
    expect(report).toMatchObject({ engine: 'file', url: `file:${home}/locks` })
    expect({ ...those(report, 'failed'), ...those(report, 'not tried') }).toEqual({})
    expect(figures(report, 'kill')).toMatchObject({ leaseMs: 0 })
  })

  test.each([
    ['a file system that is read-only', 'ro', 'file-system', /read-only/],
    ['a disk that is full', 'size=4k,nr_inodes=3', 'open', /full/],
  ])('it fails on %s, and says what to change', async (_, options, check, found) => {
    const base = temporaryFolder()
    const mount = `mount -t tmpfs -o ${options} tmpfs ${base} && exec "$@"`
    const words = ['-m', 'sh', '-c', mount, 'sh', process.execPath, MAIN, 'verify', '--json', '--on', `file:${join(base, 'locks')}`]
    const result = await new Program('unshare', words).finish()
    expect(result.code).toBe(FAILED)
    const report = reportOf(result)
    expect(those(report, 'failed')[check]).toMatch(found)
    expect(report.checks.find((one) => one.check === check)?.advice).toEqual(expect.any(String))
    expect(report.sentence).toMatch(/^Do not rely on locks here/)
    expect(Object.keys(those(report, 'not tried'))).toContain('modes-processes')
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('%s ends it, its workers, and what they hold', async (signal) => {
    const directory = join(temporaryFolder(), 'locks')
    const program = start(['verify', '--on', `file:${directory}`])
    await program.says(/OFD locks/)
    const { pid } = program.child
    const workers = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
    expect(workers.length).toBeGreaterThan(1)
    program.child.kill(signal)
    expect((await program.ended).code).toBe(signal === 'SIGINT' ? 130 : 143)
    expect(workers.filter(isRunning)).toEqual([])
    expect(readdirSync(directory).filter((name) => name.endsWith('.new'))).toEqual([])
    const locks = await connect(`file:${directory}`)
    expect(await locks.inspect()).toMatchObject({ holders: [], waiters: [], silent: [] })
    await locks.close()
  })
})

test('In memory it tries what one thread can try', async () => {
  const result = await holdfast(['verify', '--on', 'memory:'])
  expect(result).toMatchObject({ code: 0, stderr: '' })
  expect(result.stdout).toMatch(/^ok +modes between tasks/m)
  expect(result.stdout).toMatch(/^not tried +modes between threads, modes between processes: its locks are those of one thread/m)
})

test.each([
  ['redis://localhost?laese=3s', 64, /lease/],
  ['ftp://x', 64, /engine/],
])('A wrong URL, %s, is wrong usage', async (url, code, message) => {
  expect(await holdfast(['verify', '--on', url])).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) })
})
