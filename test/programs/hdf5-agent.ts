// SPDX-License-Identifier: MIT
// A process that works on an HDF5 file through Holdfast.
//
//     node hdf5-agent.js count FILE LOCKS TIMES    adds 1 to the attribute "count", so often, each time in a transaction
//     node hdf5-agent.js append FILE LOCKS TIMES   appends its process number to the dataset "log", so often
//     node hdf5-agent.js hold FILE LOCKS           holds the file in the middle of a transaction until its standard input ends; says "held"
//     node hdf5-agent.js read FILE                 reads the attribute "count" with the usual locks and says it
import { once } from 'node:events'
import { LockSpace } from 'holdfast'
import { fileBackend } from 'holdfast/file'
import { File } from 'holdfast/hdf5'

const [what, path, directory, times] = process.argv.slice(2) as [string, string, string | undefined, string | undefined]
const locks = directory === undefined ? undefined : new LockSpace(fileBackend({ directory }))
const file = await File.open(path, what === 'read' ? 'r' : 'r+', { locks })

if (what === 'read') console.log(await file.attrs.get('count'))
if (what === 'hold') {
  await file.write(async (tx) => {
    await tx.createDataset('held', { data: new Float64Array(100_000) })
    console.log('held')
    await once(process.stdin.resume(), 'end')
  })
}
for (let time = 0; time < Number(times); time++) {
  if (what === 'count') {
    await file.write(async (tx) => {
      const count = (await tx.attrs.get('count')) as number
      await tx.attrs.set('count', count + 1, { dtype: 'int32' })
    })
  } else await (await file.dataset('log')).append(process.pid)
}
