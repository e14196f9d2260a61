// SPDX-License-Identifier: MIT
// One HDF5 file and many ranks: one makes it, all read it in parallel, each writes a dataset of its own, one sums up.
//
//     mpiexec -n 4 node build/examples/group/main.js [FILE]
//     npx holdfast ranks -n 4 build/examples/group/main.js [FILE]      no MPI needed
//     node build/examples/group/main.js [FILE]                         alone
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sync } from 'holdfast/group'
import { File, slice } from 'holdfast/hdf5'

const path = process.argv[2] ?? join(tmpdir(), 'holdfast-shared.h5')
await using controller = await sync()
const { rank, size } = controller

// One rank makes the file; every rank gets it.
const file = await controller.singleWrite(async () => {
  const made = await File.open(path, 'w')
  await made.createDataset('signal', { data: Float64Array.from({ length: 1_000 * size }, (_, i) => Math.sin(i / 100)) })
  return made
})

// All read in parallel, each its own part.
const part = await controller.read(async () => {
  const signal = await file.dataset('signal')
  const { data } = await signal.read<Float64Array>(slice(1_000 * rank, 1_000 * (rank + 1)))
  return data
})

// Each writes its result, one after the other.
await controller.write(async () => {
  await file.createDataset(`energy-${rank}`, { data: Float64Array.of(part.reduce((sum, x) => sum + x * x, 0)) })
})

// When all have written, one sums up; all see the sum.
await controller.barrier()
const total = await controller.singleWrite(async () => {
  let sum = 0
  for (let each = 0; each < size; each++) {
    const { data } = await (await file.dataset(`energy-${each}`)).read<Float64Array>()
    sum += data[0]!
  }
  await file.createDataset('energy', { data: Float64Array.of(sum) })
  return sum
})
console.log(`rank ${rank} of ${size}: the energy of ${path} is ${total.toFixed(3)}`)
await file.close()
