// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { postedReply, postedRequest, replyOf, requestOf } from '../../../src/hdf5/engine/posted.ts'
import type { FileRequest, Reply, Request } from '../../../src/hdf5/engine/protocol.ts'
import { ndArray } from '../../../src/hdf5/values/nd-array.ts'

describe('What is posted between threads', () => {
  test.each<Request | FileRequest>([
    {
      id: 1,
      session: 2,
      open: { file: '/a.h5', mode: 'read', durability: 'power', lease: new SharedArrayBuffer(8) },
      operations: [
        { do: 'keys', path: '/' },
        { do: 'read', path: '/d', selection: [1, null, '...'] },
      ],
      close: 'commit',
    },
    { id: 3, session: 4, open: { file: '/a.h5', mode: 'write', durability: 'process', lease: null }, operations: [] },
    { id: 5, session: 4, operations: [{ do: 'delete', path: '/d' }] },
    { id: 6, session: 4, operations: [], close: 'roll back' },
    { id: 7, do: 'recover', file: '/a.h5', journal: '/j', replace: false, durability: 'process', lease: null },
  ])('is the same request when it arrives: %j', (request) => {
    expect(requestOf(structuredClone(postedRequest(request)))).toEqual(request)
  })

  test.each<Reply>([
    { id: 1, outcome: 'done', answers: [ndArray(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3])] },
    { id: 2, outcome: 'done', answers: [ndArray(BigInt64Array.of(1n), [])] },
    { id: 3, outcome: 'done', answers: [ndArray(new Uint8Array(0), [0, 5])] },
    { id: 4, outcome: 'done', answers: [ndArray(['a', 'b'], [2])] },
    { id: 5, outcome: 'done', answers: [ndArray(Int8Array.of(1), [1]), undefined] },
    { id: 6, outcome: 'done', answers: [{ dtype: 'int8', value: ndArray(Int8Array.of(1), [1]) }] },
    { id: 7, outcome: 'done', answers: [null] },
    { id: 8, outcome: 'done', answers: [] },
    { id: 9, outcome: 'busy' },
    { id: 10, outcome: 'failed', error: { code: 'HDF5_KIND', message: 'no' } },
  ])('is the same reply when it arrives: $outcome, $answers', (reply) => {
    expect(replyOf(structuredClone(postedReply(reply)))).toEqual(reply)
  })
})
