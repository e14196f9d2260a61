// SPDX-License-Identifier: MIT
// HDF5 without Holdfast: h5wasm in a worker thread, and h5py, both opening and closing the file for each access.
import { spawnSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'

export interface BareOrder {
  readonly file: string
  readonly dataset: string
  /** From, up to. */
  readonly rows: readonly [number, number]
  readonly write?: Float32Array
}

/** h5wasm in a thread of its own, one order after the other. */
export class BareHdf5 {
  private readonly worker: Worker

  static async start(): Promise<BareHdf5> {
    const bare = new BareHdf5(new Worker(new URL('./programs/bare-hdf5.js', import.meta.url)))
    await bare.answer()
    return bare
  }

  private constructor(worker: Worker) {
    this.worker = worker
  }

  tell(order: BareOrder): Promise<Float32Array> {
    this.worker.postMessage(order)
    return this.answer()
  }

  async end(): Promise<void> {
    await this.worker.terminate()
  }

  private answer(): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      const answered = (data: Float32Array): void => {
        this.worker.off('error', reject)
        resolve(data)
      }
      this.worker.once('message', answered)
      this.worker.once('error', reject)
    })
  }
}

/** Small reads and writes a second by h5py, which opens and closes the file each time; null where it is not installed. */
export function h5pyRates(file: string, dataset: string, seconds: number): { version: string; reads: number; writes: number } | null {
  const program = `
import h5py, json, sys, time
path, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
rows = h5py.File(path, 'r')[name][0:10]
def read():
    with h5py.File(path, 'r') as f: f[name][0:10]
def write():
    with h5py.File(path, 'r+') as f: f[name][0:10] = rows
def rate(work):
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds: work(); count += 1
    return count / (time.perf_counter() - start)
print(json.dumps({'version': h5py.__version__, 'reads': rate(read), 'writes': rate(write)}))
`
  const { status, stdout } = spawnSync('/usr/bin/python3', ['-c', program, file, dataset, String(seconds)], { encoding: 'utf8' })
  return status === 0 ? (JSON.parse(stdout) as { version: string; reads: number; writes: number }) : null
}
