// SPDX-License-Identifier: MIT
// A program of operations done by us, and all that we read in a file, both in the words of the h5py process.
import { isDeepStrictEqual } from 'node:util'
import { Dataset, type Dtype, type File, type Group, isHdf5Error, type Selection } from '../../../src/hdf5/index.ts'
import { arrayText, elementOf, textOf, valueFrom } from './elements.ts'
import type { Outcome } from './h5py.ts'
import type { Operation, Part } from './programs.ts'

/** What each operation answered. Neighbours that are `together` share a transaction. */
export async function runProgram(file: File, operations: readonly Operation[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (let at = 0; at < operations.length; ) {
    const operation = operations[at]!
    if (operation.together !== true) {
      outcomes.push(await outcome(file, operation))
      at++
      continue
    }
    await file.write(async (tx) => {
      for (; operations[at]?.together === true; at++) outcomes.push(await outcome(tx, operations[at]!))
    })
  }
  return outcomes
}

async function outcome(group: Group, operation: Operation): Promise<Outcome> {
  try {
    return { answer: (await step(group, operation)) ?? null }
  } catch (error) {
    if (error instanceof OtherType || isHdf5Error(error))
      return { error: `${isHdf5Error(error) ? error.code : error.name}: ${error.message}` }
    throw error
  }
}

async function step(group: Group, operation: Operation): Promise<unknown> {
  const { path } = operation
  switch (operation.do) {
    case 'createGroup':
      await group.createGroup(path)
      return
    case 'requireGroup':
      await group.requireGroup(path)
      return
    case 'createDataset': {
      const { dtype, options } = operation
      const { data, fillValue, ...others } = options
      await group.createDataset(path, {
        ...others,
        dtype,
        ...(data === undefined ? {} : { data: await valueFrom(data, dtype, group) }),
        ...(fillValue === undefined ? {} : { fillValue: await elementOf(fillValue, dtype, group) }),
      })
      return
    }
    case 'write': {
      const { dtype, value, selection } = operation
      const dataset = await datasetOf(group, path, dtype)
      await dataset.write(await valueFrom(value, dtype, group), ...indices(selection))
      return
    }
    case 'read': {
      const dataset = await group.dataset(path)
      return arrayText(await dataset.read(...indices(operation.selection)), await dataset.dtype)
    }
    case 'resize':
      await (await group.dataset(path)).resize(operation.shape)
      return
    case 'append': {
      const { dtype, value } = operation
      return await (await datasetOf(group, path, dtype)).append(await valueFrom(value, dtype, group))
    }
    case 'setAttribute': {
      const { name, dtype, value } = operation
      await (await group.get(path)).attrs.set(name, await valueFrom(value, dtype, group), { dtype })
      return
    }
    case 'deleteAttribute':
      await (await group.get(path)).attrs.delete(operation.name)
      return
    case 'delete':
      await group.delete(path)
      return
    case 'link':
      await group.createLink(path, operation.link)
      return
    case 'has':
      return await group.has(path)
    case 'keys':
      return (await (await group.group(path)).keys()).sort(byCodePoint)
    case 'visit': {
      const found: string[] = []
      await (await group.group(path)).visit((name) => void found.push(name))
      return found
    }
  }
}

class OtherType extends Error {}

/** A dataset of such elements, as the operation's value is of them. */
async function datasetOf(group: Group, path: string, dtype: Dtype): Promise<Dataset> {
  const dataset = await group.dataset(path)
  if (!isDeepStrictEqual(await dataset.dtype, dtype)) throw new OtherType()
  return dataset
}

function indices(parts: readonly Part[]): Selection {
  return parts.map((part) => (typeof part === 'object' && part !== null ? { start: part[0], stop: part[1], step: part[2] } : part))
}

/** As Python sorts. */
function byCodePoint(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

/** All that we read in a file, as `dump` of the h5py process does, but for what we do not tell: fill values. */
export async function dumpFile(file: File): Promise<Record<string, unknown>> {
  const objects: Record<string, unknown> = {}
  await file.read(async (view) => {
    const enter = async (group: Group, at: string): Promise<void> => {
      for (const name of (await group.keys()).sort(byCodePoint)) {
        const here = `${at}/${name}`
        const link = await view.link(here)
        if (link.type !== 'hard') objects[here] = { kind: 'link', link }
        else {
          const object = await view.get(here)
          objects[here] = await describeObject(object)
          if (object.kind === 'group') await enter(object, here)
        }
      }
    }
    objects['/'] = await describeObject(view)
    await enter(view, '')
  })
  return objects
}

async function describeObject(object: Awaited<ReturnType<Group['get']>>): Promise<Record<string, unknown>> {
  const attributes: Record<string, unknown> = {}
  for (const [name, value] of await object.attrs.items()) {
    const dtype = await object.attrs.dtype(name)
    const isArray = typeof value === 'object' && value !== null && 'stride' in value
    attributes[name] = {
      dtype,
      value: value === null ? null : isArray ? arrayText(value as never, dtype) : { shape: [], data: [textOf(value as never, dtype)] },
    }
  }
  if (object.kind === 'group') return { attributes, kind: 'group', keys: (await object.keys()).sort(byCodePoint) }
  if (!(object instanceof Dataset)) return { attributes, kind: 'datatype', dtype: await object.dtype }
  const { kind, shape, maxShape, dtype, chunks, filters } = await object.info()
  return {
    attributes,
    kind,
    dtype,
    shape,
    maxShape,
    chunks,
    filters: filters.map(({ id, options }) => [id, options]),
    value: shape === null ? null : arrayText(await object.read(), dtype),
  }
}
