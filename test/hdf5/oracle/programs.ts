// SPDX-License-Identifier: MIT
// Random programs of operations on an HDF5 file, in words that h5py and we understand alike.
import type { Dtype, NewLink } from '../../../src/hdf5/index.ts'
import type { Text, TextValue } from './elements.ts'
import { RandomElements, TYPES } from './random-elements.ts'

export type Part = number | '...' | null | readonly [start: number | null, stop: number | null, step: number | null]

export interface NewDataset {
  readonly shape?: readonly number[]
  readonly data?: TextValue
  readonly chunks?: readonly number[] | true
  readonly maxShape?: readonly (number | null)[]
  readonly gzip?: number
  readonly shuffle?: boolean
  readonly fillValue?: Text
  readonly overwrite?: boolean
}

/** `together`: in the same transaction as its neighbours that are so, too. h5py does not know of it. */
export type Operation = { readonly together?: boolean } & (
  | { readonly do: 'createGroup' | 'requireGroup' | 'delete' | 'has' | 'keys' | 'visit'; readonly path: string }
  | { readonly do: 'createDataset'; readonly path: string; readonly dtype: Dtype; readonly options: NewDataset }
  | { readonly do: 'write'; readonly path: string; readonly dtype: Dtype; readonly selection: readonly Part[]; readonly value: TextValue }
  | { readonly do: 'read'; readonly path: string; readonly selection: readonly Part[] }
  | { readonly do: 'resize'; readonly path: string; readonly shape: readonly number[] }
  | { readonly do: 'append'; readonly path: string; readonly dtype: Dtype; readonly value: TextValue }
  | { readonly do: 'setAttribute'; readonly path: string; readonly name: string; readonly dtype: Dtype; readonly value: TextValue }
  | { readonly do: 'deleteAttribute'; readonly path: string; readonly name: string }
  | { readonly do: 'link'; readonly path: string; readonly link: NewLink }
)

const NAMES = ['a', 'b', 'c', 'd', 'ünï', 'x y', 'e.f', 'long '.repeat(20)]
interface Known {
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly maxShape: readonly (number | null)[] | null
}

/** Makes up operations of which most are possible, by what the ones before have made. */
export class ProgramMaker extends RandomElements {
  private readonly groups = new Set<string>(['/'])
  private readonly datasets = new Map<string, Known>()
  private readonly attributes = new Set<string>()
  /** A reference is shown as the name of its object: that must be the only one, and nobody else's later, when the object is gone. */
  private readonly special: 'hard links' | 'references' | 'none'

  constructor(random: () => number) {
    super(random)
    this.special = this.pick(['hard links', 'references', 'none'])
  }

  program(length: number): Operation[] {
    const operations: Operation[] = []
    let together = false
    while (operations.length < length) {
      if (this.one(4)) together = !together
      operations.push({ ...this.operation(), together })
    }
    return operations
  }

  private operation(): Operation {
    const kind = this.below(26)
    if (kind < 2) return this.newGroup()
    if (kind < 8 || this.datasets.size === 0) return this.newDataset()
    if (kind < 12) return this.write()
    if (kind < 15) return this.read()
    if (kind < 17) return this.resize()
    if (kind < 18) return this.append()
    if (kind < 21) return this.setAttribute()
    if (kind < 22) return this.deleteAttribute()
    if (kind < 23) return this.remove()
    if (kind < 25) return this.link()
    const path = this.one(3) ? this.newPath() : this.existing()
    return { do: this.pick(['has', 'keys', 'visit'] as const), path }
  }

  private newGroup(): Operation {
    const path = this.newPath()
    this.addGroups(path, true)
    return { do: this.one(2) ? 'createGroup' : 'requireGroup', path }
  }

  private newDataset(): Operation {
    const overwrite = this.special !== 'references' && this.one(5)
    const path = overwrite ? this.existingDataset() : this.newPath()
    const dtype = this.pick(TYPES)
    const shape = this.shape()
    const chunked = shape.length > 0 && !this.one(2)
    const maxShape = chunked && this.one(2) ? shape.map((length) => (this.one(2) ? null : length + this.below(4))) : undefined
    // For an axis without length we guess another chunk than h5py, whose guess may be longer than the dataset can be.
    const guess = chunked && !shape.includes(0) && this.one(3)
    const chunks = shape.map((length, axis) => 1 + this.below(Math.max(1, Math.min(maxShape?.[axis] ?? (maxShape ? 5 : length), 5))))
    const isPlain = typeof dtype === 'string' && dtype !== 'string'
    const options: NewDataset = {
      ...(this.one(3) ? { shape } : { data: { ...(shape.length === 0 ? {} : { shape }), data: this.data(dtype, shape) } }),
      ...(chunked ? { chunks: guess ? (true as const) : chunks } : {}),
      ...(maxShape === undefined ? {} : { maxShape }),
      ...(chunked && this.one(3) ? { gzip: this.below(10) } : {}),
      ...(chunked && this.one(4) ? { shuffle: true } : {}),
      ...(isPlain && this.one(4) ? { fillValue: this.element(dtype) } : {}),
      ...(overwrite ? { overwrite } : {}),
    }
    this.addGroups(path, false)
    if (!this.groups.has(path)) this.datasets.set(path, { dtype, shape, maxShape: maxShape ?? null })
    return { do: 'createDataset', path, dtype, options }
  }

  private write(): Operation {
    const path = this.existingDataset()
    const { dtype, shape } = this.known(path)
    const { selection, result } = this.selection(shape)
    if (this.one(3) || result === null) return { do: 'write', path, dtype, selection, value: { data: this.element(dtype) } }
    const given = this.one(8) ? [...result, 2] : result
    return {
      do: 'write',
      path,
      dtype,
      selection,
      value: given.length === 0 ? { data: this.element(dtype) } : { shape: given, data: this.data(dtype, given) },
    }
  }

  private read(): Operation {
    const path = this.one(10) ? this.existing() : this.existingDataset()
    return { do: 'read', path, selection: this.selection(this.known(path).shape).selection }
  }

  private resize(): Operation {
    const path = this.existingDataset()
    const known = this.known(path)
    const wanted = known.shape.map((length, axis) => {
      const limit = known.maxShape?.[axis]
      return this.one(3) ? length : this.below(limit === null ? 9 : (limit ?? length) + (this.one(6) ? 3 : 1))
    })
    if (known.maxShape !== null && wanted.every((length, axis) => length <= (known.maxShape![axis] ?? length))) {
      this.datasets.set(path, { ...known, shape: wanted })
    }
    return { do: 'resize', path, shape: wanted }
  }

  private append(): Operation {
    const growing = [...this.datasets].filter(([, { maxShape }]) => maxShape?.[0] === null)
    const path = growing.length === 0 ? this.existingDataset() : this.pick(growing)[0]
    const known = this.known(path)
    const [length = 0, ...row] = known.shape
    const shape = [1 + this.below(3), ...row]
    if (known.maxShape?.[0] === null) this.datasets.set(path, { ...known, shape: [length + shape[0]!, ...row] })
    return { do: 'append', path, dtype: known.dtype, value: { shape, data: this.data(known.dtype, shape) } }
  }

  private setAttribute(): Operation {
    const path = this.existing()
    const name = this.pick(NAMES)
    const dtype = this.pick(TYPES)
    const shape = this.one(2) ? null : this.shape().slice(0, 2)
    this.attributes.add(`${path}@${name}`)
    const value = shape === null || shape.length === 0 ? { data: this.element(dtype) } : { shape, data: this.data(dtype, shape) }
    return { do: 'setAttribute', path, name, dtype, value }
  }

  private deleteAttribute(): Operation {
    const [path = '/', name = 'a'] = this.attributes.size === 0 || this.one(4) ? [] : this.pick([...this.attributes]).split('@')
    this.attributes.delete(`${path}@${name}`)
    return { do: 'deleteAttribute', path, name }
  }

  private remove(): Operation {
    const path = this.one(5) ? this.newPath() : this.existing()
    if (path === '/' || this.special === 'references') return { do: 'keys', path }
    for (const one of [...this.groups]) if (one === path || one.startsWith(`${path}/`)) this.groups.delete(one)
    for (const one of [...this.datasets.keys()]) if (one === path || one.startsWith(`${path}/`)) this.datasets.delete(one)
    return { do: 'delete', path }
  }

  private link(): Operation {
    const path = this.newPath()
    const target = this.existingDataset()
    switch (this.below(4)) {
      case 0:
        return { do: 'link', path, link: { type: 'external', file: 'other.h5', target: '/there' } }
      case 1:
        if (this.special !== 'hard links') break
        if (this.datasets.has(target) && !this.groups.has(path)) this.datasets.set(path, this.known(target))
        this.addGroups(path, false)
        return { do: 'link', path, link: { type: 'hard', target } }
    }
    return { do: 'link', path, link: { type: 'soft', target: this.one(2) ? target : this.one(2) ? '/nowhere' : 'a' } }
  }

  /** What is selected has this shape; null for a selection that is out of bounds. */
  private selection(shape: readonly number[]): { selection: Part[]; result: number[] | null } {
    const selection: Part[] = []
    const result: number[] = []
    let outside = false
    const named = this.one(3) ? this.below(shape.length + 1) : shape.length
    for (const length of shape.slice(0, named)) {
      if (this.one(3)) {
        const index = this.below(2 * length + (this.one(6) ? 3 : 0)) - length
        outside ||= index < -length || index >= length
        selection.push(index)
      } else if (this.one(5)) {
        selection.push(null)
        result.push(length)
      } else {
        const end = (): number | null => (this.one(3) ? null : this.below(2 * length + 4) - length - 2)
        const part = [end(), end(), this.one(2) ? null : 1 + this.below(3)] as const
        selection.push(part)
        result.push(countOf(part, length))
      }
    }
    if (named < shape.length) {
      if (this.one(2)) selection.push('...')
      result.push(...shape.slice(named))
    } else if (this.one(4)) selection.splice(this.below(selection.length + 1), 0, '...')
    return { selection, result: outside ? null : result }
  }

  protected override referred(): string | null {
    return this.special !== 'references' || this.one(4) ? null : this.existing()
  }

  private shape(): number[] {
    return Array.from({ length: this.below(4) }, () => (this.one(9) ? 0 : 1 + this.below(6)))
  }

  private newPath(): string {
    const base = this.one(3) ? this.pick([...this.groups]) : '/'
    const path = `${base === '/' ? '' : base}/${this.pick(NAMES)}`
    return this.one(6) ? `${path}/${this.pick(NAMES)}` : path
  }

  private existing(): string {
    return this.one(2) ? this.existingDataset() : this.pick([...this.groups])
  }

  private existingDataset(): string {
    return this.datasets.size === 0 || this.one(15) ? '/not there' : this.pick([...this.datasets.keys()])
  }

  private known(path: string): Known {
    return this.datasets.get(path) ?? { dtype: 'int32', shape: [2], maxShape: null }
  }

  private addGroups(path: string, itself: boolean): void {
    const names = path.split('/').slice(1, itself ? undefined : -1)
    for (let depth = 1; depth <= names.length; depth++) {
      const group = `/${names.slice(0, depth).join('/')}`
      if (this.datasets.has(group)) return
      this.groups.add(group)
    }
  }
}

/** How many indices a slice takes. */
function countOf([first, last, by]: readonly [number | null, number | null, number | null], length: number): number {
  const clipped = (end: number): number => (end < 0 ? Math.max(0, end + length) : Math.min(end, length))
  const start = clipped(first ?? 0)
  const stop = clipped(last ?? length)
  return stop <= start ? 0 : Math.floor((stop - start - 1) / (by ?? 1)) + 1
}
