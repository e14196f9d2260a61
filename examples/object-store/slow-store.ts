// SPDX-License-Identifier: MIT
// An object store as seen from a program: keys and bodies, one object a request, and every request takes a while. It knows no folders: a
// folder is whatever keys begin with its name, so all that is done to a folder takes many requests.
import { setTimeout as pause } from 'node:timers/promises'

export class SlowStore {
  requests = 0
  private readonly objects = new Map<string, string>()
  private readonly latencyMs: number

  constructor(latencyMs: number) {
    this.latencyMs = latencyMs
  }

  async get(key: string): Promise<string | undefined> {
    await this.request()
    return this.objects.get(key)
  }

  async put(key: string, body: string): Promise<void> {
    await this.request()
    this.objects.set(key, body)
  }

  async delete(key: string): Promise<void> {
    await this.request()
    this.objects.delete(key)
  }

  /** The keys below a folder, or the object of that very name. `''` is everything. */
  async list(folder: string): Promise<string[]> {
    await this.request()
    return [...this.objects.keys()].filter((key) => folder === '' || key === folder || key.startsWith(`${folder}/`)).sort()
  }

  private async request(): Promise<void> {
    this.requests++
    await pause(this.latencyMs)
  }
}
