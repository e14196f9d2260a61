// SPDX-License-Identifier: MIT
// One process that uses an HDF5 file: `read FILE DATASET MS FIRST` counts small reads, after as many as FIRST;
// `check FILE DATASETS INDEX` plays one of h5pySWMR's forty.
import { File, slice } from 'holdfast/hdf5'

const [task, path = '', ...words] = process.argv.slice(2)
const file = await File.open(path, task === 'read' ? 'r' : 'r+')
if (task === 'read') {
  const dataset = await file.dataset(words[0]!)
  // The first thousands are slow, as the compiled library is compiled once more, and better, while it runs.
  for (let read = 0; read < Number(words[2]); read++) await dataset.read(slice(0, 10))
  process.send!('ready')
  await new Promise((resolve) => process.once('message', resolve))
  const until = performance.now() + Number(words[1])
  let reads = 0
  for (; performance.now() < until; reads++) await dataset.read(slice(0, 10))
  process.send!({ reads })
} else {
  const [datasets, index] = words.map(Number) as [number, number]
  // Every fourth writes its index into the first fifty rows of one dataset; everybody checks that no row is half of one and half of another.
  for (let turn = 0; turn < 4; turn++) {
    const dataset = await file.dataset(`/data${(index + turn) % datasets}`)
    if (index % 4 === 0) await dataset.write(index, slice(0, 50))
    const { data } = await dataset.read(slice(0, 50))
    const first = data[0] as number
    if (!(data as Float32Array).every((value) => value === first)) throw new Error(`Torn: ${dataset.name}`)
  }
  process.send!('done')
}
await file.close()
process.disconnect()
