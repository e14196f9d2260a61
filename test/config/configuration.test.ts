// SPDX-License-Identifier: MIT
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { agreementOf } from '../../src/config/agreed.ts'
import { nearestConfiguration } from '../../src/config/config-file.ts'
import { connect } from '../../src/config/url.ts'
import type { LockSpace } from '../../src/lock-space.ts'
import { holdfast, start } from '../cli/program.ts'
import { eventually, folder, nobody, server } from './several.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

/** A project with this configuration. */
function project(text: string, name: string = 'holdfast.config.yml'): { home: string; file: string } {
  const home = folder()
  const file = join(home, name)
  writeFileSync(file, text)
  return { home, file }
}

async function open(file?: string): Promise<LockSpace> {
  if (file !== undefined) vi.stubEnv('HOLDFAST_CONFIG', file)
  const locks = await connect()
  onTestFinished(() => locks.close({ timeout: 0 }))
  return locks
}

function from(folder: string): void {
  vi.spyOn(process, 'cwd').mockReturnValue(folder)
}

describe('connect() without a URL', () => {
  test('reads the configuration that HOLDFAST_CONFIG names; paths in it are relative to it', async () => {
    const { home, file } = project('engines: ["file:./locks"]')
    const [here, there] = [await open(file), await connect(`file:${join(home, 'locks')}`)]
    onTestFinished(() => there.close({ timeout: 0 }))
    const lease = await here.write('/a')
    expect(await there.tryWrite('/a')).toBeNull()
    await lease.release()
  })

  test('else finds the nearest holdfast.config.yml, in the working directory or above it', async () => {
    const { home } = project('engines: ["memory:above"]')
    mkdirSync(join(home, 'a', 'b'), { recursive: true })
    from(join(home, 'a', 'b'))
    expect((await open()).backend.name).toBe('memory')
    writeFileSync(join(home, 'a', 'holdfast.config.yml'), 'engines: ["file:./here"]')
    expect((await open()).backend.name).toBe('file')
  })

  test('refuses HOLDFAST_CONFIG and HOLDFAST_URL together, as they may mean two places', async () => {
    vi.stubEnv('HOLDFAST_URL', 'memory:')
    vi.stubEnv('HOLDFAST_CONFIG', 'x.yml')
    await expect(connect()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('unset one') })
  })

  test('prefers HOLDFAST_URL to a file that it would have to look for', async () => {
    const { home } = project('engines: []')
    from(home)
    vi.stubEnv('HOLDFAST_URL', 'memory:')
    expect((await open()).backend.name).toBe('memory')
  })

  test.each([
    ['an empty HOLDFAST_CONFIG', () => '', 'is empty'],
    ['a missing file', () => join(folder(), 'none.yml'), 'there is no such file'],
    ['a folder', () => folder(), 'is no file'],
    ['a pipe or device', () => '/dev/null', 'is no file'],
    ['a huge file', () => project('#'.repeat(70_000)).file, 'more than 64 KB'],
    ['a binary file', () => project('engines:\0').file, 'is no text'],
    ['a file in another encoding', () => encoded(), 'UTF-8'],
    ['a wrong configuration', () => project('engines: []').file, 'holdfast.config.yml:1:10 (engines)'],
  ])('refuses %s with CONFIG_INVALID, and takes nothing else instead', async (_what, path, message) => {
    vi.stubEnv('HOLDFAST_CONFIG', path())
    await expect(connect()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) })
  })

  test.each(['holdfast.config.yaml', 'holdfast.config.json'])('does not pass by a file that is called %s by mistake', (name) => {
    const { home } = project('engines: ["file:"]', name)
    expect(() => nearestConfiguration(home)).toThrow('call it holdfast.config.yml')
  })

  test.runIf(process.getuid?.() === 0)('does not follow a file that a stranger has put where anybody may write', () => {
    const { home, file } = project('engines: ["redis://elsewhere"]')
    chownSync(file, 12_345, 12_345)
    expect(nearestConfiguration(home)).toBe(file)
    chmodSync(home, 0o1777)
    expect(() => nearestConfiguration(home)).toThrow('belongs to another user (12345)')
  })
})

function encoded(): string {
  const { file } = project('')
  writeFileSync(file, Buffer.from([0x65, 0xff, 0xfe]))
  return file
}

describe('A configuration with several engines', () => {
  test('falls back when all users are on this host, and shows what was passed over, without passwords', async () => {
    const [down, up] = [await nobody(), await server()]
    const text = `
engines:
  - url: redis://:hidden@127.0.0.1:${down.port}
    timeout: 300ms
  - redis://127.0.0.1:${up.port}
scope: host
space: lab
agreement: ./agreement
`
    const { home, file } = project(text)
    const locks = await open(file)
    // Who has nothing to do lets the others elect anew.
    const lease = await locks.read('/a')
    const agreement = agreementOf(locks.backend)!
    expect(agreement).toMatchObject({
      engine: `redis://127.0.0.1:${up.port}?space=lab`,
      file: join(home, 'agreement', 'lab.agreement'),
    })
    expect(agreement.passedOver).toMatchObject([{ entry: `redis://127.0.0.1:${down.port}?space=lab` }])
    expect(JSON.stringify(agreement)).not.toContain('hidden')
    const shown = await holdfast(['status'], { env: { HOLDFAST_CONFIG: file } })
    expect(shown.stdout).toContain(`On redis://127.0.0.1:${up.port}?space=lab, elected `)
    expect(shown.stdout).toContain(`passed over: redis://127.0.0.1:${down.port}?space=lab: `)
    expect(`${shown.stdout}${shown.stderr}`).not.toContain('hidden')
    const json = JSON.parse((await holdfast(['status', '--json'], { cwd: home })).stdout)
    expect(json.agreement).toEqual(agreement)
    await lease.release()
  })

  test('uses the first alone where users may be on other hosts, and says so when that is down', async () => {
    const [down, up] = [await nobody(), await server()]
    const entries = (first: number, second: number): string =>
      `engines: [{url: "redis://127.0.0.1:${first}", timeout: 2s}, "redis://127.0.0.1:${second}"]`
    const locks = await open(project(entries(up.port, down.port)).file)
    expect(agreementOf(locks.backend)).toBeNull()
    vi.stubEnv('HOLDFAST_CONFIG', project(entries(down.port, up.port)).file)
    await expect(connect()).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', message: expect.stringContaining('scope: host') })
  })

  test('has one preference for all of them', async () => {
    const { file } = project('engines: ["file:./a?prefer=writers", "file:./b"]\nscope: host\nagreement: ./agreement')
    expect((await open(file)).backend.prefer).toBe('writers')
  })

  test('keeps its engine for a command that outlives the one who started it', async () => {
    const text = (order: string): string => `engines: ${order}\nscope: host\nagreement: ./agreement`
    const { home, file } = project(text('["file:./a", "file:./b"]'))
    const running = start(['run', '/x', '--', 'sh', '-c', 'echo "ready $$"; exec sleep 30'], { env: { HOLDFAST_CONFIG: file } })
    const [, pid] = await running.says(/ready (\d+)/)
    const gone = once(running.child, 'exit')
    running.child.kill('SIGKILL')
    await gone
    onTestFinished(() => {
      try {
        process.kill(Number(pid), 'SIGKILL')
      } catch {}
    })
    const other = join(home, 'other.yml')
    writeFileSync(other, text('["file:./b", "file:./c"]'))
    vi.stubEnv('HOLDFAST_CONFIG', other)
    await expect(connect()).rejects.toMatchObject({ code: 'LOCK_SPLIT', message: expect.stringContaining(`${pid}@`) })
    process.kill(Number(pid), 'SIGKILL')
    await eventually(async () => (await connect()).close())
  })
})
