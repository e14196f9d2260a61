// SPDX-License-Identifier: MIT
// Operations as they can be posted to another thread. A clone takes the whole buffer behind a small view along, and one of 64 MiB stops the event
// loop for more than 100 ms: what is large is copied in pieces into memory that threads share, which is then posted as it is.
import type { Operation, Value } from '../engine/protocol.ts'
import type { NdArray, TypedArray } from '../values/nd-array.ts'

/** From this size on a value is copied in pieces. */
const LARGE_BYTES = 4 * 2 ** 20
/** Between two of them the event loop turns. */
const PIECE_BYTES = 2 * 2 ** 20

/** The operation itself, mostly. */
export function postable(operation: Operation): Operation | Promise<Operation> {
  if (operation.do === 'write' || operation.do === 'setAttribute') return replaced(operation, 'value', operation.value)
  if (operation.do !== 'createDataset' || operation.options.data === undefined) return operation
  const ready = replaced(operation.options, 'data', operation.options.data)
  if (ready === operation.options) return operation
  return ready instanceof Promise ? ready.then((options) => ({ ...operation, options })) : { ...operation, options: ready }
}

function replaced<Holder extends object>(holder: Holder, name: keyof Holder, value: Value): Holder | Promise<Holder> {
  const ready = postableValue(value)
  if (ready === value) return holder
  return ready instanceof Promise ? ready.then((known) => ({ ...holder, [name]: known })) : { ...holder, [name]: ready }
}

function postableValue(value: Value): Value | Promise<Value> {
  if (ArrayBuffer.isView(value)) return postableView(value)
  if (!isNdArray(value)) return value
  // An object of some library's class would arrive without what its class gives it.
  const { data, shape, stride } = value
  const ready = ArrayBuffer.isView(data) ? postableView(data) : data
  if (ready instanceof Promise) return ready.then((known) => ({ data: known as TypedArray, shape, stride }))
  return { data: ready as NdArray['data'], shape, stride }
}

function isNdArray(value: unknown): value is NdArray {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && 'data' in value && 'shape' in value
}

function postableView(view: ArrayBufferView): ArrayBufferView | Promise<ArrayBufferView> {
  const { buffer, byteOffset, byteLength } = view
  if (buffer instanceof SharedArrayBuffer) return view
  if (byteLength >= LARGE_BYTES) return shared(view)
  if (byteLength === buffer.byteLength) return view
  return over(view, buffer.slice(byteOffset, byteOffset + byteLength))
}

async function shared(view: ArrayBufferView): Promise<ArrayBufferView> {
  const { buffer, byteOffset, byteLength } = view
  const from = new Uint8Array(buffer, byteOffset, byteLength)
  const to = new Uint8Array(new SharedArrayBuffer(byteLength))
  for (let start = 0; start < byteLength; start += PIECE_BYTES) {
    to.set(from.subarray(start, start + PIECE_BYTES), start)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return over(view, to.buffer)
}

/** The same kind of view over other memory, of which it takes all. */
function over(view: ArrayBufferView, memory: ArrayBufferLike): ArrayBufferView {
  const Kind = (Buffer.isBuffer(view) ? Uint8Array : view.constructor) as new (memory: ArrayBufferLike) => ArrayBufferView
  return new Kind(memory)
}
