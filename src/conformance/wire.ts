// SPDX-License-Identifier: MIT
// The messages between a client and its agent in another thread or process.
import { isLockError, LockError, type LockErrorCode } from '../core/errors.ts'
import type { Holder } from '../core/inspection.ts'
import type { AgentEvent } from './agent.ts'
import type { Answer, Command, Line } from './agent-client.ts'
import type { ClientFacts } from './client.ts'

export type ToAgent =
  | { readonly call: number; readonly open: { readonly module: string; readonly argument: unknown } }
  | { readonly call: number; readonly command: Command; readonly parameters: readonly unknown[] }

export type FromAgent =
  | { readonly event: AgentEvent['event']; readonly number: number; readonly reason: PackedError | undefined }
  | { readonly call: number; readonly result: unknown }
  | { readonly call: number; readonly error: PackedError }

/** An error in a form that survives a message. */
export type PackedError =
  | { readonly kind: 'lock'; readonly code: LockErrorCode; readonly message: string; readonly holders: readonly Holder[] }
  | { readonly kind: 'error'; readonly name: string; readonly message: string; readonly stack: string | undefined }
  | { readonly kind: 'value'; readonly value: unknown }

export function packError(error: unknown): PackedError {
  if (isLockError(error)) return { kind: 'lock', code: error.code, message: error.message, holders: error.holders }
  if (error instanceof Error) return { kind: 'error', name: error.name, message: error.message, stack: error.stack }
  return { kind: 'value', value: error }
}

function unpackError(packed: PackedError): unknown {
  if (packed.kind === 'lock') return new LockError(packed.code, packed.message, { holders: packed.holders })
  if (packed.kind === 'value') return packed.value
  return Object.assign(new Error(packed.message), { name: packed.name, stack: packed.stack })
}

/** A thread or process with an agent in it. */
export interface Host {
  post(message: ToAgent): void
  /** Whether this program has to stay alive for its answers. */
  keepAlive(needed: boolean): void
  /** Ends it without any chance to clean up. */
  kill(): Promise<void>
  stop?(): void
  resume?(): void
}

/** A line made of messages. The host feeds it with `receive` and `gone`. */
export class Wire implements Line {
  onEvent: (event: AgentEvent) => void = () => {}
  private readonly host: Host
  private readonly calls = new Map<number, { resolve: (result: never) => void; reject: (error: unknown) => void }>()
  private numbers = 0
  private goneBecause: Error | null = null

  constructor(host: Host) {
    this.host = host
    host.keepAlive(false)
  }

  get alive(): boolean {
    return this.goneBecause === null
  }

  open(module: string, argument: unknown): Promise<ClientFacts> {
    return this.send((call) => ({ call, open: { module, argument } }))
  }

  call<C extends Command>(command: C, ...parameters: unknown[]): Promise<Answer<C>> {
    return this.send((call) => ({ call, command, parameters }))
  }

  receive(message: FromAgent): void {
    if ('event' in message) this.onEvent({ ...message, reason: message.reason && unpackError(message.reason) })
    else this.answered(message)
  }

  gone(why: string): void {
    this.goneBecause = new Error(`The client is gone: ${why}.`)
    for (const { reject } of this.calls.values()) reject(this.goneBecause)
    this.calls.clear()
  }

  private answered(message: Extract<FromAgent, { call: number }>): void {
    const call = this.calls.get(message.call)
    this.calls.delete(message.call)
    if (this.calls.size === 0) this.host.keepAlive(false)
    if ('error' in message) call?.reject(unpackError(message.error))
    else call?.resolve(message.result as never)
  }

  private send<Result>(message: (call: number) => ToAgent): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.goneBecause !== null) return reject(this.goneBecause)
      const call = ++this.numbers
      this.calls.set(call, { resolve, reject })
      if (this.calls.size === 1) this.host.keepAlive(true)
      this.host.post(message(call))
    })
  }
}
