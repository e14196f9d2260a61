// SPDX-License-Identifier: MIT
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { AgreementFile } from '../../src/config/agreement-file.ts'
import { LockError } from '../../src/core/errors.ts'
import { Program } from '../cli/program.ts'
import { operator } from '../redis/spaces.ts'
import { openDescriptors } from '../support/file-folders.ts'
import { eventually, files, folder, nobody, redis, server, TIMEOUT_MS, user } from './several.ts'

async function warnings(): Promise<Error[]> {
  const heard: Error[] = []
  const hear = (warning: Error): void => void heard.push(warning)
  process.on('warning', hear)
  onTestFinished(() => void process.off('warning', hear))
  return heard
}

describe('Several engines', () => {
  test('are tried in their order; the first that answers serves, and why the others do not is kept, and told once', async () => {
    const heard = await warnings()
    const home = folder()
    const [down, up] = [await nobody(), await server()]
    const candidates = [redis(down), redis(up), files(home)]
    const [one, two] = [await user(home, candidates), await user(home, candidates)]
    for (const { agreement } of [one, two]) {
      expect(agreement).toMatchObject({ engine: `redis:${up.port}`, passedOver: [{ entry: `redis:${down.port}` }] })
      expect(agreement.passedOver[0]!.why).toContain('ECONNREFUSED')
    }
    await new Promise(setImmediate)
    expect(heard.map(({ message }) => message)).toEqual([
      expect.stringContaining(`uses redis:${up.port}: redis:${down.port} did not answer`),
    ])
    const lease = await one.locks.write('/a')
    expect(await two.locks.tryWrite('/a')).toBeNull()
    await lease.release()
  })

  test('serve those who come later where the others are, though an earlier one is back', async () => {
    const home = folder()
    const first = await server()
    await first.kill()
    const candidates = [redis(first), files(home)]
    const one = await user(home, candidates)
    const lease = await one.locks.write('/a')
    expect(one.engine).toBe('file:files')
    await first.restart()
    const two = await user(home, candidates)
    expect(two.engine).toBe('file:files')
    expect(await two.locks.tryWrite('/a')).toBeNull()
    await lease.release()
  })

  test('do not serve a newcomer who cannot reach the one that others use: LOCK_UNAVAILABLE, naming them', async () => {
    const home = folder()
    const first = await server()
    const one = await user(home, [redis(first, { lease: 5_000 }), files(home)])
    const lease = await one.locks.write('/a')
    // From here the address leads nowhere.
    const stranger = user(home, [redis(await nobody(), { lease: 5_000 }, `redis:${first.port}`), files(home)])
    await expect(stranger).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', message: expect.stringContaining(`${process.pid}@`) })
    await lease.release()
  })

  test('are left together when the one that serves dies: leases are lost, those who wait go on at the next, tokens rise', async () => {
    const home = folder()
    const first = await server()
    const candidates = [redis(first), files(home)]
    const [holder, waiting] = [await user(home, candidates), await user(home, candidates)]
    const lease = await holder.locks.write('/a')
    const waits = waiting.locks.write('/a')
    await eventually(async () => expect((await holder.locks.inspect()).waiters).toHaveLength(1))
    await first.kill()
    const next = await waits
    expect(lease.state).toBe('lost')
    expect(waiting.engine).toBe('file:files')
    expect(waiting.agreement.epoch).toBeGreaterThan(holder.agreement.epoch!)
    expect(next.token).toBeGreaterThan(lease.token)
    const after = holder.locks.write('/a')
    await eventually(async () => expect((await waiting.locks.inspect()).waiters).toHaveLength(1))
    await next.release()
    const last = await after
    expect(last.token).toBeGreaterThan(next.token)
    await last.release()
  })

  test('keep a request that waits when others still hold leases on the engine that cannot be reached, until those have run out', async () => {
    const home = folder()
    const first = await server()
    const candidates = [redis(first, { lease: 2_000 }), files(home)]
    const [holder, waiting] = [await user(home, candidates), await user(home, candidates)]
    const lease = await holder.locks.write('/a')
    const waits = waiting.locks.write('/a')
    await eventually(async () => expect((await holder.locks.inspect()).waiters).toHaveLength(1))
    await first.kill()
    const next = await waits
    expect(lease.valid).toBe(false)
    await next.release()
  })

  test('are not served by a wrong one: a server that refuses is an error, and no later entry is used instead', async () => {
    const home = folder()
    const first = await server({ args: ['--requirepass', 'secret'] })
    const refused = user(home, [redis(first, { password: 'wrong' }), files(home)])
    await expect(refused).rejects.toMatchObject({ code: 'LOCK_DENIED', message: expect.stringContaining('no later entry is used') })
    const right = await user(home, [redis(first, { password: 'secret' }), files(home)])
    expect(right.engine).toBe(`redis:${first.port}`)
  })

  test('pass over one that takes the connection and says nothing, after its own time-out', async () => {
    const home = folder()
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const began = performance.now()
    const one = await user(home, [redis(silent.address() as AddressInfo), files(home)])
    expect(performance.now() - began).toBeLessThan(3_000)
    expect(one.agreement).toMatchObject({ engine: 'file:files', passedOver: [{ why: expect.stringContaining(`${TIMEOUT_MS} ms`) }] })
  })

  test('that all are down are LOCK_UNAVAILABLE with the reason of each', async () => {
    const home = folder()
    const [one, two] = [await nobody(), await nobody()]
    const nothing = user(home, [redis(one), redis(two)])
    const message = expect.stringMatching(new RegExp(`redis:${one.port}: .*ECONNREFUSED.* redis:${two.port}: .*ECONNREFUSED`))
    await expect(nothing).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', message })
  })

  test('of another configuration are LOCK_SPLIT while they are used, naming the users, and not afterwards', async () => {
    const home = folder()
    const one = await user(home, [files(home, 'here')])
    const lease = await one.locks.write('/a')
    const other = [files(home, 'there')]
    const message = expect.stringMatching(new RegExp(`in use on file:here.*it has file:there.*${process.pid}@`))
    await expect(user(home, other)).rejects.toMatchObject({ code: 'LOCK_SPLIT', message })
    await lease.release()
    await one.locks.close()
    expect((await user(home, other)).engine).toBe('file:there')
  })

  test('behind one address are LOCK_SPLIT: what answers has not the word that was agreed on', async () => {
    const home = folder()
    const [here, there] = [await server(), await server()]
    const one = await user(home, [redis(here, {}, 'localhost')])
    const lease = await one.locks.write('/a')
    await expect(user(home, [redis(there, {}, 'localhost')])).rejects.toMatchObject({
      code: 'LOCK_SPLIT',
      message: expect.stringContaining('What answers at localhost is not the engine that the others use'),
    })
    await lease.release()
  })

  test('of which one has lost its data are agreed on anew, by those who were on it, too', async () => {
    const home = folder()
    const first = await server()
    const candidates = [redis(first)]
    const one = await user(home, candidates)
    await (await one.locks.write('/a')).release()
    const { epoch } = one.agreement
    const root = await operator(first.port)
    await root.flushall()
    const two = await user(home, candidates)
    expect(two.agreement.epoch).toBeGreaterThan(epoch!)
    const lease = await two.locks.write('/a')
    await eventually(async () => {
      expect(await one.locks.tryWrite('/a')).toBeNull()
      expect(one.agreement.epoch).toBe(two.agreement.epoch)
    })
    await lease.release()
  })

  test('are let go after a second without work, and taken up again without an election', async () => {
    const home = folder()
    const one = await user(home, [files(home)])
    const { epoch } = one.agreement
    const file = new AgreementFile(join(home, 'agreement'), 'test')
    onTestFinished(() => file.close())
    const lease = await one.locks.write('/a')
    expect(file.others()).toBe('users')
    await sleep(2_500)
    expect(file.others()).toBe('users')
    await lease.release()
    await eventually(() => expect(file.others()).toBe('nobody'))
    await (await one.locks.write('/a')).release()
    expect(file.others()).toBe('users')
    expect(one.agreement.epoch).toBe(epoch)
  })

  test('are found again where they are by one who comes back after others have gone elsewhere', async () => {
    const home = folder()
    const first = await server()
    const candidates = [redis(first), files(home)]
    const idle = await user(home, candidates)
    await (await idle.locks.write('/a')).release()
    const file = new AgreementFile(join(home, 'agreement'), 'test')
    onTestFinished(() => file.close())
    await eventually(() => expect(file.others()).toBe('nobody'))
    await first.kill()
    const other = await user(home, candidates)
    const lease = await other.locks.write('/a')
    await first.restart()
    expect(await idle.locks.tryWrite('/a')).toBeNull()
    expect(idle.engine).toBe('file:files')
    await lease.release()
  })

  test('are lost with the file of the agreement: a lease does not outlive that others may agree on something else', async () => {
    const home = folder()
    const one = await user(home, [files(home)])
    const lease = await one.locks.write('/a')
    const lost = once(lease.signal, 'abort')
    rmSync(join(home, 'agreement'), { recursive: true })
    await lost
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', message: expect.stringContaining('test.agreement was removed') })
    await eventually(async () => (await one.locks.write('/a', { timeout: 100 })).release())
  })

  test('are agreed on anew over a record that is torn, unless it is in use: then it is LOCK_SPLIT', async () => {
    const home = folder()
    const path = join(home, 'agreement', 'test.agreement')
    const one = await user(home, [files(home)])
    const lease = await one.locks.write('/a')
    writeFileSync(
      path,
      readFileSync(path).map((byte) => (byte === 0x7b ? 0x28 : byte)),
    )
    await expect(user(home, [files(home)])).rejects.toMatchObject({
      code: 'LOCK_SPLIT',
      message: expect.stringContaining('cannot be read'),
    })
    await lease.release()
    await one.locks.close()
    expect((await user(home, [files(home)])).engine).toBe('file:files')
  })

  test('are elected by somebody else when whoever was about to stands still', async () => {
    const home = folder()
    const stopped = new AgreementFile(join(home, 'agreement'), 'test')
    onTestFinished(() => stopped.close())
    expect(stopped.beginElection()).toBe(true)
    expect((await user(home, [files(home)])).engine).toBe('file:files')
  })

  test('are LOCK_UNAVAILABLE while somebody stands still who was writing what is agreed on, naming him', async () => {
    const home = folder()
    const stopped = new AgreementFile(join(home, 'agreement'), 'test')
    onTestFinished(() => stopped.close())
    expect(stopped.claim()).toBe(true)
    const message = expect.stringMatching(new RegExp(`is it stopped\\? Its users: ${process.pid}@`))
    await expect(user(home, [files(home)])).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', message })
    stopped.leave()
    expect((await user(home, [files(home)])).engine).toBe('file:files')
  })

  test('leave nothing open, and do not keep a program alive that has nothing to do', async () => {
    const home = folder()
    await user(home, [files(home)]).then(({ locks }) => locks.close())
    const before = openDescriptors()
    for (let i = 0; i < 5; i++) {
      const { locks } = await user(home, [files(home)])
      await (await locks.write('/a')).release()
      await locks.close()
      await expect(user(home, [files(home, 'other'), redis(await nobody())], { prefer: 'writers' })).rejects.toThrow()
    }
    expect(openDescriptors()).toBe(before)
    writeFileSync(join(home, 'holdfast.config.yml'), 'engines: ["file:./a", "file:./b"]\nscope: host\nagreement: ./agreement\nspace: idle')
    const script = "import { connect } from 'holdfast'; await (await (await connect()).write('/a')).release(); console.log('done')"
    const config = join(home, 'holdfast.config.yml')
    const program = new Program(process.execPath, ['--input-type=module', '-e', script], { env: { HOLDFAST_CONFIG: config } })
    expect(await program.ended).toMatchObject({ code: 0, stdout: 'done\n' })
  })

  test('have one preference: an engine that was made with another is refused', async () => {
    const home = folder()
    await expect(user(home, [files(home)], { prefer: 'writers' })).rejects.toMatchObject({
      code: 'LOCK_INVALID',
      message: expect.stringContaining('say prefer: first-come'),
    })
  })

  test('are refused when they have no word of their own', async () => {
    const { memoryBackend } = await import('../../src/backends/memory.ts')
    const memory = { digest: 'memory', shown: 'memory:', timeoutMs: 100, open: async () => memoryBackend() }
    await expect(user(folder(), [memory])).rejects.toMatchObject({ code: 'LOCK_UNSUPPORTED', message: expect.stringContaining('identity') })
  })

  test('pass on what no engine knows: an error that is none of ours', async () => {
    const broken = {
      digest: 'x',
      shown: 'x',
      timeoutMs: 100,
      open: () => Promise.reject(new LockError('LOCK_UNAVAILABLE', 'The cat sits on it.')),
    }
    await expect(user(folder(), [broken])).rejects.toMatchObject({ message: expect.stringContaining('The cat sits on it.') })
  })
})
