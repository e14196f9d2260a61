// SPDX-License-Identifier: MIT
// Ranks under the real launchers and libraries of both families of MPI.
import { describe, expect, test } from 'vitest'
import { mpiLauncher } from '../../src/communicators/mpi/index.ts'
import { MPI_FAMILIES, type MpiFamily, type RanksEnd, type RanksOptions, startRanks } from '../support/mpi.ts'
import { freshSeed } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'

const OTHER: Readonly<Record<MpiFamily, MpiFamily>> = { mpich: 'openmpi', openmpi: 'mpich' }
const LIBRARY: Readonly<Record<MpiFamily, string>> = { mpich: 'libmpich.so.12', openmpi: 'libmpi.so.40' }

type Line = Readonly<Record<string, unknown>>
type Run = Omit<RanksOptions, 'family' | 'program' | 'timeoutMs'>

describe.each(MPI_FAMILIES)('A rank under %s', (family) => {
  /** Runs a scenario of the program to its end. */
  async function run(options: Run): Promise<RanksEnd> {
    await using ranks = startRanks({ family, program: 'mpi-rank', timeoutMs: patience(25_000), ...options })
    return await ranks.ended
  }

  /** What the ranks printed, one that ended in good order. */
  async function lines(options: Run): Promise<readonly Line[]> {
    const end = await run(options)
    expect(end, JSON.stringify(end)).toMatchObject({ code: 0, stderr: '' })
    return linesOf(end)
  }

  test.each([1, 2, 4])('sends and receives whole messages of any size, in order, to all %i, itself included.', async (ranks) => {
    const seed = freshSeed()
    const told = await lines({ ranks, args: ['messages', `${seed}`, `${scaled(40)}`] })
    expect(told, `seed ${seed}`).toHaveLength(ranks)
    for (const line of told) {
      expect(line, `seed ${seed}`).toMatchObject({
        transport: 'mpi',
        size: ranks,
        wrong: 0,
        survivesDeaths: false,
        again: true,
        id: told[0]!.id,
      })
    }
    expect(told.map(({ rank }) => rank).sort()).toEqual([...Array(ranks).keys()])
  })

  test('finds what was sent before it opened the channel, hears of the others when all have left, and opens none after it has left.', async () => {
    for (const line of await lines({ ranks: 3, args: ['messages', '0', '0'] })) {
      const others = [0, 1, 2].filter((rank) => rank !== line.rank)
      expect(line).toMatchObject({ early: [0, 42], gone: others, refused: 'LOCK_CLOSED' })
    }
  })

  test('sends any number of messages to one that does not listen, and goes on with other things.', async () => {
    const told = await lines({ ranks: 2, args: ['flood', `${scaled(50_000)}`, '500'] })
    expect(told).toContainEqual({ wrong: 0 })
    expect(told.find(({ stall }) => stall !== undefined)!.stall).toBeLessThan(50)
  })

  test('goes on with other things while long messages travel.', async () => {
    const told = await lines({ ranks: 2, args: ['long', '48'] })
    expect(told).toHaveLength(2)
    for (const { wrong, stall } of told) {
      expect(wrong).toBe(0)
      expect(stall).toBeLessThan(20)
    }
  })

  test('takes next to no time while it has nothing to do, and answers at once nevertheless.', async () => {
    const told = await lines({ ranks: 2, args: ['idle', '2000'] })
    expect(told).toHaveLength(2)
    for (const { percent } of told) expect(percent).toBeLessThan(5)
    expect(told.find(({ trip }) => trip !== undefined)!.trip).toBeLessThan(10)
  })

  test('hears others, and its own timers, while it keeps answering itself.', async () => {
    expect(await lines({ ranks: 2, args: ['echo'] })).toEqual([{ from: 1, timers: 3 }])
  })

  test.each([
    ['has left', 'leave'],
    ['has come to its end', 'end'],
  ])('serves the others until they leave, when its program %s.', async (_, how) => {
    const told = await lines({ ranks: 3, args: ['serve', how] })
    expect(told).toHaveLength(3)
    expect(told).toContainEqual({ rank: 0, wrong: 0, bye: false })
    expect(told).toContainEqual({ rank: 1, wrong: 0, bye: false })
    expect(told).toContainEqual({ rank: 2, served: 200 })
  })

  test('serves the others until they leave, when its program exits, and sends what is sent while it does.', async () => {
    const told = await lines({ ranks: 3, args: ['serve', 'exit'] })
    expect(told).toHaveLength(2)
    expect(told).toContainEqual({ rank: 0, wrong: 0, bye: true })
    expect(told).toContainEqual({ rank: 1, wrong: 0, bye: true })
  })

  test.each([
    ['an error is thrown', 'throw', 1, /rank 1 of 3 ends the job: uncaught TypeError: a mistake in the program\n +at /],
    ['an error is thrown in a timer', 'timer', 1, /rank 1 of 3 ends the job: uncaught TypeError: a mistake in the program\n +at /],
    ['a rejection is left alone', 'reject', 1, /rank 1 of 3 ends the job: uncaught RangeError: nobody looks after this\n +at /],
    ['it exits with another code than 0', 'exit', 7, /rank 1 of 3 ends the job: it exits with code 7/],
    ['it is told to', 'abort', 1, /rank 1 of 3 ends the job: there is no more paper/],
  ])('ends the job on all ranks when %s.', async (_, how, code, message) => {
    const end = await run({ ranks: 3, args: ['end', how] })
    expect(end, JSON.stringify(end)).toMatchObject({ code, timedOut: false })
    expect(end.stderr).toMatch(message)
  })

  test('goes on after an error that its program handles.', async () => {
    expect(await lines({ ranks: 2, args: ['handled'] })).toEqual([])
  })

  test('ends the job, through its launcher, when it is killed.', async () => {
    const end = await run({ ranks: 3, args: ['end', 'kill'] })
    expect(end.timedOut).toBe(false)
    expect(end.stdout + end.stderr).toMatch(/Killed \(signal 9\)|signal 9 \(Killed\)/)
  })

  test('refuses a library that does not belong to its launcher, instead of being alone.', async () => {
    const env = { HOLDFAST_MPI_LIBRARY: LIBRARY[OTHER[family]] }
    const end = await run({ ranks: 2, args: ['nothing'], env })
    const told = linesOf(end)
    expect(told.length).toBeGreaterThan(0)
    for (const { code, message } of told) {
      expect(code).toBe('LOCK_UNSUPPORTED')
      expect(message).toMatch(/started by a launcher of .* as one of 2 ranks, but .* each would be alone\. Start it with/)
    }
  })

  test('refuses to be alone where the launcher, one that both families know, has started more.', async () => {
    const env = { HOLDFAST_MPI_LIBRARY: LIBRARY[OTHER[family]], SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '2' }
    const told = linesOf(await run({ ranks: 2, args: ['nothing'], env, through: ['env', '-u', 'OMPI_COMM_WORLD_SIZE'] }))
    expect(told.length).toBeGreaterThan(0)
    for (const { code } of told) expect(code).toBe('LOCK_UNSUPPORTED')
  })
})

test('A library that is none is refused, with what was met.', async () => {
  const env = { HOLDFAST_MPI_LIBRARY: 'libc.so.6' }
  await using ranks = startRanks({ family: 'mpich', ranks: 1, program: 'mpi-rank', args: ['nothing'], env })
  const [told] = linesOf(await ranks.ended)
  expect(told).toMatchObject({ code: 'LOCK_UNSUPPORTED', message: expect.stringMatching(/libc\.so\.6: it is no MPI library.*Install/) })
})

test.each([
  ['nobody', {}, null],
  ["MPICH's mpiexec", { PMI_RANK: '0', PMI_SIZE: '2', PMI_FD: '6' }, 'mpich'],
  ["MPICH's mpiexec that listens at a port", { PMI_PORT: 'host:4711', PMI_ID: '1' }, 'mpich'],
  ["Open MPI's mpiexec", { OMPI_COMM_WORLD_SIZE: '2', PMIX_RANK: '0' }, 'openmpi'],
  ['srun --mpi=pmi2', { SLURM_STEP_ID: '0', PMI_RANK: '0', PMI_SIZE: '2' }, 'mpich'],
  ['srun --mpi=pmix', { SLURM_STEP_ID: '0', PMIX_RANK: '0', SLURM_STEP_NUM_TASKS: '2' }, 'openmpi'],
  ['a job script of Slurm, which is no rank', { SLURM_JOB_ID: '1', SLURM_NTASKS: '2' }, null],
] as const)('The launcher is known by the environment: %s.', (_, env, family) => {
  expect(mpiLauncher(env)).toBe(family)
})

function linesOf({ stdout }: RanksEnd): Line[] {
  return stdout
    .split('\n')
    .filter((text) => text.startsWith('{'))
    .map((text) => JSON.parse(text) as Line)
}
