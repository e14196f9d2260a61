// SPDX-License-Identifier: MIT
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as h5wasm from 'h5wasm/node'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../support/file-folders.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'
import { changed, copyOf, DATA, openIds } from './library-files.ts'
import { askPython, type Content, type Described } from './library-oracle.ts'

/** Groups of every kind: symbol tables or compact links, dense ones, trees, links of all sorts, an object with two names. */
const program = (how: string): string => `
f = h5py.File(path, 'w', ${how})
for name, count in (('few', 4), ('some', 12), ('many', 1500)):
    g = f.create_group(name)
    for i in range(count): g.attrs.create('x', i); g[f'link {i:04}'] = h5py.SoftLink(f'/few/{i}') if i % 3 == 1 else h5py.ExternalLink('other.h5', f'/{i}')
    g.create_dataset('chunked', data=np.arange(5000.).reshape(50, 100), chunks=(7, 9), compression=1, maxshape=(None, None))
    g.create_dataset('text', data=['a' * i for i in range(20)], dtype=h5py.string_dtype())
    g.create_dataset('compact é', data=np.arange(6))
    for i in range(30): g['compact é'].attrs[f'attribute {i}'] = 'x' * i
    for a in 'ab':
        for b in 'cd': g.create_dataset(f'tree/{a}/{b}/leaf', data=np.full(40, ord(a) * ord(b)))
f['second name'] = f['few/chunked']
f['few/reference'] = f['few'].ref
f['type'] = np.dtype('i4,f8')
`

function madeByH5wasm(path: string): void {
  const file = new h5wasm.File(path, 'w', { libver: 'v110' } as never)
  for (let group = 0; group < 3; group++) {
    const made = file.create_group(`group ${group}`)
    for (let index = 0; index < 4 ** (group + 1); index++)
      made.create_dataset({ name: `d${index}`, data: new Float32Array(50).fill(index) })
    made.create_soft_link('/group 0/d1', 'soft')
  }
  file.close()
}

/** What `content` is without some paths, their descendants, and their names in the lists of groups. */
function without(content: Content, gone: ReadonlySet<string>): Content {
  const isGone = (path: string): boolean => {
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) if (gone.has(path.slice(0, end))) return true
    return false
  }
  const rest: Content = {}
  for (const [path, object] of Object.entries(content)) {
    if (isGone(path)) continue
    const links = typeof object === 'string' ? undefined : object.links?.filter((name) => !gone.has(`${path === '/' ? '' : path}/${name}`))
    rest[path] = links === undefined ? object : { ...(object as Described), links }
  }
  return rest
}

describe('Deleting links with the HDF5 library of the system', () => {
  test('takes away what was asked for and leaves everything else as it was, in files of every kind.', async () => {
    await h5wasm.ready
    const seed = freshSeed()
    const random = generator(seed)
    const folder = temporaryFolder()
    const files = readdirSync(DATA)
      .filter((name) => name.endsWith('.h5') && name !== 'test_szip.h5')
      .map((name) => copyOf(name, folder))
    const [old, recent, wasm] = ['old.h5', 'recent.h5', 'wasm.h5'].map((name) => join(folder, name)) as [string, string, string]
    madeByH5wasm(wasm)
    askPython([
      { file: old, run: program('userblock_size=1024') },
      { file: recent, run: program("libver=('v110', 'v110')") },
    ])
    files.push(old, recent, wasm)
    const questions = files.map((file) => ({ file }))
    let before = askPython(questions) as Content[]
    for (let round = 0; round < scaled(2); round++) {
      const expected = files.map((file, index) => {
        const content = before[index]!
        const isMade = file === old || file === recent
        // At first the large groups themselves stay.
        const paths = Object.keys(content).filter((path) => path.lastIndexOf('/') > (isMade && round === 0 ? 0 : -1) && path !== '/')
        const gone = new Set<string>()
        const count = isMade && round === 0 ? 1000 : 3
        for (let take = 0; take < count && paths.length > 0; take++) gone.add(paths[random() % paths.length]!)
        // What lies below another goes with it.
        const asked = [...gone].filter((path) => ![...gone].some((other) => path.startsWith(`${other}/`)))
        for (const half of [asked.slice(0, asked.length >> 1), asked.slice(asked.length >> 1)]) {
          changed(file, (library) => {
            for (const path of half) library.deleteLink(path)
            expect(openIds()).toBe(1)
          })
        }
        return without(content, gone)
      })
      before = askPython(questions) as Content[]
      for (const [index, file] of files.entries()) expect(before[index], `${file}, seed ${seed}`).toEqual(expected[index])
    }
  })
})
