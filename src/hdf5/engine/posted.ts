// SPDX-License-Identifier: MIT
// Requests and replies as they are posted. A clone takes its time for every property of every object: the ones that come by the thousand travel as lists.
import { strideOf, type TypedArray } from '../values/nd-array.ts'
import type { FileRequest, OpenRequest, Operation, Reply, Request } from './protocol.ts'

/** id, session, close, then what to open (four nulls: nothing), then the operations. */
type RequestList = readonly [
  number,
  number,
  'commit' | 'roll back' | null,
  string | null,
  'read' | 'write' | null,
  OpenRequest['durability'] | null,
  SharedArrayBuffer | null,
  ...Operation[],
]

/** The one answer of a read: id, data, shape. */
type ArrayList = readonly [number, TypedArray, ...number[]]

export type PostedRequest = FileRequest | RequestList
export type PostedReply = Reply | ArrayList

export function postedRequest(request: Request | FileRequest): PostedRequest {
  if ('do' in request) return request
  const { id, session, close = null, open, operations } = request
  if (open === undefined) return [id, session, close, null, null, null, null, ...operations]
  return [id, session, close, open.file, open.mode, open.durability, open.lease, ...operations]
}

export function requestOf(posted: PostedRequest): Request | FileRequest {
  if (!isList(posted)) return posted
  const [id, session, close, file, mode, durability, lease, ...operations] = posted
  const request = { id, session, operations, ...(close === null ? {} : { close }) }
  return file === null ? request : { ...request, open: { file, mode: mode!, durability: durability!, lease } }
}

export function postedReply(reply: Reply): PostedReply {
  const array = onlyArrayOf(reply)
  return array === null ? reply : [reply.id, array.data, ...array.shape]
}

export function replyOf(posted: PostedReply): Reply {
  if (!isList(posted)) return posted
  const [id, data, ...shape] = posted
  return { id, outcome: 'done', answers: [{ data, shape, stride: strideOf(shape) }] }
}

/** An array in C order, as every read answers it. */
function onlyArrayOf(reply: Reply): { readonly data: TypedArray; readonly shape: readonly number[] } | null {
  if (reply.outcome !== 'done' || reply.answers.length !== 1) return null
  const { data, shape } = (reply.answers[0] ?? {}) as { data?: unknown; shape?: readonly number[] }
  return ArrayBuffer.isView(data) && shape !== undefined ? { data: data as TypedArray, shape } : null
}

function isList<List extends readonly unknown[]>(posted: List | object): posted is List {
  return Array.isArray(posted)
}
