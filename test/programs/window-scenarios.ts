// SPDX-License-Identifier: MIT
// What a window promises, acted out by all ranks together. Run as every rank of a group; the folder for files is the argument. Rank 0 prints
// `ok NAME` for each scene that went as it should on it; a rank on which one does not fails, and the program with it.
import assert from 'node:assert/strict'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isLockError } from 'holdfast'
import { type Communicator, type Fence, sync, thisCommunicator } from 'holdfast/group'
import { File } from 'holdfast/hdf5'

const folder = process.argv[2]!
const group = await thisCommunicator()
const { rank, size } = group
const last = size - 1

const locked = (code: string) => (error: unknown) => isLockError(error) && error.code === code
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const scenes: Record<string, (group: Communicator) => Promise<void>> = {
  async 'a window knows its ranks'() {
    const controller = await sync({ master: last })
    assert.equal(controller.rank, rank)
    assert.equal(controller.size, size)
    assert.equal(controller.master, last)
    assert.equal(controller.closed, false)
    await controller.close()
    assert.equal(controller.closed, true)
    await assert.rejects(controller.read(), locked('LOCK_CLOSED'))
    await assert.rejects(controller.write(), locked('LOCK_CLOSED'))
    await assert.rejects(
      controller.singleWrite(() => 1),
      locked('LOCK_CLOSED'),
    )
  },

  async 'ranks that ask for different windows learn so'() {
    if (size === 1) return
    await assert.rejects(sync({ master: rank === last ? 1 : 0, prefer: 'first-come' }), locked('LOCK_INVALID'))
  },

  async 'readers are in together'() {
    await using controller = await sync()
    // Nobody gets out of the meeting unless all are in.
    await controller.read(() => controller.barrier())
    const lease = await controller.read()
    await controller.barrier()
    assert.equal(lease.valid, true)
    await lease.release()
    assert.equal(lease.state, 'released')
  },

  async 'a writer is alone, wherever the locks are kept'() {
    for (const master of new Set([0, last])) {
      await using controller = await sync({ master })
      const file = join(folder, `count-${master}`)
      if (rank === 0) await writeFile(file, '0')
      await controller.barrier()
      for (let i = 0; i < 25; i++) {
        await controller.write(async () => {
          const before = Number(await readFile(file, 'utf8'))
          await turn()
          await writeFile(file, String(before + 1))
        })
        await controller.read(async () => assert.match(await readFile(file, 'utf8'), /^\d+$/))
      }
      await controller.barrier()
      assert.equal(Number(await readFile(file, 'utf8')), 25 * size)
      // The keeper of the locks may close first.
      await controller.barrier()
    }
  },

  async 'tokens rise from write to write'() {
    await using controller = await sync()
    const file = join(folder, 'tokens')
    for (let i = 0; i < 5; i++) await controller.write(({ token }) => appendFile(file, `${token}\n`))
    await controller.barrier()
    const tokens = (await readFile(file, 'utf8')).trim().split('\n').map(BigInt)
    assert.equal(tokens.length, 5 * size)
    for (let i = 1; i < tokens.length; i++) assert.ok(tokens[i]! > tokens[i - 1]!)
    await controller.barrier()
  },

  async 'reads nest in reads and writes, writes in writes'() {
    await using controller = await sync()
    await controller.read(async () => {
      await controller.read(() => controller.barrier())
      await assert.rejects(controller.write(), locked('LOCK_UNSUPPORTED'))
      await assert.rejects(
        controller.singleWrite({ timeout: 20_000 }, () => 1),
        locked('LOCK_UNSUPPORTED'),
      )
    })
    await controller.write(async (outer) => {
      await controller.read(({ token }) => assert.equal(token, outer.token))
      await controller.write(() => controller.read(() => {}))
      await using inner = await outer.write()
      await using innermost = await inner.read()
      assert.equal(innermost.mode, 'read')
    })
    await using outer = await controller.write()
    await using inner = await outer.read()
    assert.equal(inner.token, outer.token)
  },

  async 'siblings in one write exclude each other, and a lease that is over nests nothing'() {
    await using controller = await sync()
    let inside = 0
    let most = 0
    const task = async (): Promise<void> => {
      most = Math.max(most, ++inside)
      await turn()
      inside--
    }
    let over: { write(): Promise<unknown> } | null = null
    let late: Promise<void> = Promise.resolve()
    let open: () => void = () => {}
    const gate = new Promise<void>((resolve) => (open = resolve))
    await controller.write(async (outer) => {
      await Promise.all([controller.write(task), controller.write(task), outer.write(task)])
      over = outer
      // Goes on behind the end of the write that it was begun in: it has to ask the group like everybody else.
      late = gate.then(() => controller.write(task))
    })
    assert.equal(most, 1)
    await assert.rejects(over!.write(), locked('LOCK_LOST'))
    const held = await controller.read()
    open()
    for (let i = 0; i < 20; i++) await turn()
    assert.equal(inside, 0)
    await held.release()
    await late
    await controller.barrier()
  },

  async 'one rank writes, and every rank has its result'() {
    await using controller = await sync({ master: last })
    let ran = 0
    assert.deepEqual(await controller.singleWrite(async () => ({ by: rank, ran: ++ran })), { by: last, ran: 1 })
    assert.equal(ran, rank === last ? 1 : 0)
    for (let writer = 0; writer < size; writer++) {
      assert.equal(await controller.singleWrite({ rank: writer }, () => rank), writer)
    }
    const million = await controller.singleWrite(() => new Float64Array(1_000_000).fill(rank))
    assert.equal(million.length, 1_000_000)
    assert.equal(million[999_999], last)
    const odd = await controller.singleWrite(
      () =>
        new Map<string, unknown>([
          ['when', new Date(0)],
          ['big', 1n],
          ['bytes', new Uint8Array(3)],
        ]),
    )
    assert.deepEqual([...odd.keys()], ['when', 'big', 'bytes'])
    assert.deepEqual(odd.get('when'), new Date(0))
  },

  async 'a fence guards, shares and collects'() {
    await using controller = await sync()
    const collected: unknown[] = []
    let behind = 0
    let fence: Fence | null = null
    const result = await controller.singleWrite({ rank: last }, async (mine) => {
      fence = mine
      assert.equal(mine.access, rank === last)
      mine.guard()
      behind++
      mine.share({ from: rank })
      collected.push(await mine.collect())
      return 'ignored, as something was shared'
    })
    assert.equal(behind, rank === last ? 1 : 0)
    assert.deepEqual(result, { from: last })
    assert.deepEqual(await fence!.collect(), { from: last })

    const inside = await controller.singleWrite(async (mine) => {
      if (mine.access) mine.share([1, 2])
      else assert.throws(() => mine.share(0), locked('LOCK_INVALID'))
      return await mine.collect<number[]>()
    })
    assert.deepEqual(inside, [1, 2])
  },

  async 'a fence lasts as long as its block'() {
    await using controller = await sync()
    {
      await using fence = await controller.singleWrite({ rank: last })
      if (fence.access) {
        assert.equal(fence.lease?.mode, 'write')
        await writeFile(join(folder, 'fenced'), 'whole')
        fence.share('written')
      } else {
        assert.throws(() => fence.guard(), locked('LOCK_INVALID'))
      }
      assert.equal(await fence.collect(), 'written')
    }
    assert.equal(await readFile(join(folder, 'fenced'), 'utf8'), 'whole')
    const empty = await controller.singleWrite({})
    await empty.release()
    await assert.rejects(empty.collect(), locked('LOCK_INVALID'))
  },

  async 'a handle is given to the rank that writes'() {
    await using controller = await sync()
    const handle = { name: 'the handle' }
    const seen: unknown[] = []
    for (const writer of new Set([0, last])) {
      await controller.singleWrite({ handle, rank: writer }, (mine) => {
        seen.push(mine)
      })
      assert.equal(seen.pop(), writer === rank ? handle : null)
    }
    await using fence = await controller.singleWrite({ handle })
    assert.equal(fence.handle, rank === 0 ? handle : null)
  },

  async 'an error on one rank reaches every rank'() {
    await using controller = await sync()
    const broken = (): never => {
      throw Object.assign(new RangeError('no space left'), { code: 'ENOSPC' })
    }
    const fails = { name: 'RangeError', message: 'no space left', code: 'ENOSPC' }
    await assert.rejects(controller.singleWrite({ rank: last }, broken), fails)
    await assert.rejects(
      controller.singleWrite((fence) => {
        fence.guard()
        broken()
      }),
      fails,
    )
    await assert.rejects(
      controller.singleWrite((fence) => {
        if (rank === last) broken()
        fence.guard()
      }),
      fails,
    )
    await assert.rejects(
      controller.singleWrite(() => () => 'a function'),
      locked('LOCK_INVALID'),
    )
    // It goes on.
    assert.equal(await controller.singleWrite(() => 'well'), 'well')
  },

  async 'ranks that do not call alike learn so'() {
    if (size === 1) return
    await using controller = await sync()
    await assert.rejects(
      controller.singleWrite({ rank: rank === 0 ? 0 : 1 }, () => 1),
      locked('LOCK_INVALID'),
    )
    await assert.rejects(
      rank === 0 ? controller.singleWrite(() => 1) : controller.singleWrite((fence) => fence.guard()),
      locked('LOCK_INVALID'),
    )
    assert.equal(await controller.singleWrite(() => 2), 2)
  },

  async 'waiting for the others has its limits'() {
    if (size === 1) return
    await using controller = await sync()
    const other = await sync()
    if (rank !== last)
      await assert.rejects(
        other.singleWrite({ timeout: 200 }, () => 1),
        locked('LOCK_TIMEOUT'),
      )
    await controller.barrier()
    if (rank === last)
      await assert.rejects(
        other.singleWrite(() => 1),
        locked('LOCK_TIMEOUT'),
      )
    await controller.barrier()
    if (rank === 0)
      await assert.rejects(
        other.singleWrite({ signal: AbortSignal.abort(new Error('enough')) }, () => 1),
        /enough/,
      )
    else
      await assert.rejects(
        other.singleWrite(() => 1),
        /enough/,
      )
    await other.close()
  },

  async 'a controller that is closed keeps nobody waiting'() {
    if (size === 1) return
    await using meeting = await sync()
    const controller = await sync()
    if (rank === last) {
      await controller.close()
      await meeting.barrier()
    } else {
      await meeting.barrier()
      await assert.rejects(
        controller.singleWrite({ timeout: 20_000 }, () => 1),
        locked('LOCK_UNAVAILABLE'),
      )
      // What needs no meeting goes on, with the keeper of the locks closed too.
      await controller.write(() => {})
      await controller.close()
    }
  },

  async 'paths are locked among ranks'() {
    await using controller = await sync()
    const { locks } = controller
    await locks.withWrite(`/rank-${rank}/deep`, async () => {
      // All hold a sub-tree of their own at the same time.
      await controller.barrier()
      if (size > 1) assert.equal(await locks.tryWrite(`/rank-${(rank + 1) % size}`), null)
      assert.equal(await locks.tryRead('/'), null)
      await controller.barrier()
    })
    await controller.write(async () => assert.equal(await locks.tryRead('/anything'), null))
  },

  async 'a waiting writer goes before readers that come later'() {
    if (size < 3) return
    await using controller = await sync()
    const order = join(folder, 'order')
    const arrived = async (count: number): Promise<void> => {
      for (;;) {
        const { waiters } = await controller.locks.inspect()
        if (waiters.length >= count) return
        await turn()
      }
    }
    let lease = rank === 0 ? await controller.read() : null
    await controller.barrier()
    let done: Promise<void> = Promise.resolve()
    if (rank === 1) done = controller.write(() => appendFile(order, 'w'))
    if (rank === 0) await arrived(1)
    await controller.barrier()
    if (rank === 2) done = controller.read(() => appendFile(order, 'r'))
    if (rank === 0) await arrived(2)
    await lease?.release()
    lease = null
    await done
    await controller.barrier()
    assert.equal(await readFile(order, 'utf8'), 'wr')
  },

  async 'an HDF5 file is made by one, read by all, written by each, and closed by one'() {
    await using controller = await sync()
    const path = join(folder, 'shared.h5')
    const file = await controller.singleWrite(async () => {
      const made = await File.open(path, 'w')
      await made.createDataset('all', { data: Float64Array.of(1, 2, 3) })
      return made
    })
    assert.ok(file instanceof File)
    const { data } = await (await file.dataset('all')).read()
    assert.deepEqual([...(data as Float64Array)], [1, 2, 3])
    await controller.write(() => file.createDataset(`rank-${rank}`, { data: Int32Array.of(rank) }))
    await controller.barrier()
    assert.equal((await file.keys()).length, 1 + size)
    await controller.barrier()
    await file.close()
  },
}

for (const [name, act] of Object.entries(scenes)) {
  const since = performance.now()
  try {
    await act(group)
  } catch (error) {
    console.error(`rank ${rank} of ${size}, ${name}:`, error)
    process.exit(1)
  }
  if (rank === 0) console.log(`ok ${name}`, process.env.TIMES ? (performance.now() - since).toFixed(0) : '')
}
