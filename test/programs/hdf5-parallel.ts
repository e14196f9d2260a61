// SPDX-License-Identifier: MIT
// One of many processes, or threads, that read and write the same HDF5 file at once, and check what they read. It works on each dataset of the group
// "big": a writer fills rows 0 to 49 with its own number, a reader checks that they are filled with one. In between it counts: in "counts", at its
// own place and at a common one, in one transaction. Says at the end how often it did what, as JSON.
//
//     node hdf5-parallel.js FILE LOCKS NUMBER ROUNDS      every fourth number is a writer
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { LockSpace } from 'holdfast'
import { fileBackend } from 'holdfast/file'
import { File, slice } from 'holdfast/hdf5'

const [path, directory, numberText, roundsText] = (isMainThread ? process.argv.slice(2) : workerData) as [string, string, string, string]
const number = Number(numberText)
const locks = new LockSpace(fileBackend({ directory, prefer: 'writers' }))
const file = await File.open(path, 'r+', { locks })
const done = { number, reads: 0, writes: 0, counted: 0, seen: [] as number[] }
const seen = new Set<number>()

for (let round = 0; round < Number(roundsText); round++) {
  for (const name of await (await file.group('big')).keys()) {
    const dataset = await file.dataset(`big/${name}`)
    if (number % 4 === 0) {
      await dataset.write(number, slice(0, 50))
      done.writes++
    } else {
      const { data } = await dataset.read<Float32Array>(slice(0, 50))
      const first = data[0]!
      const other = data.findIndex((value) => value !== first)
      if (other >= 0) throw new Error(`${dataset.name} holds ${first} and, at ${other}, ${data[other]}.`)
      seen.add(first)
      done.reads++
    }
  }
  await file.write(async (tx) => {
    const counts = await tx.dataset('counts')
    const now = (await counts.read<Int32Array>()).data
    await counts.write(now[0]! + 1, 0)
    await counts.write(now[number + 1]! + 1, number + 1)
  })
  done.counted++
}
done.seen = [...seen]
if (isMainThread) console.log(JSON.stringify(done))
else parentPort!.postMessage(done)
await locks.close()
